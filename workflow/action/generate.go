package action

//go:generate go test ./actiontest -run TestPageSaysWhatTheCatalogueSays -update
