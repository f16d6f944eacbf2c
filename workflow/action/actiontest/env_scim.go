package actiontest

import (
	"math/rand/v2"
	"net/http"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/atlassian/pace"
	"github.com/countersign/countersign/sandbox/scim"
)

const (
	scimOurs    = "55555555-0000-4000-8000-000000000001"
	scimForeign = "55555555-0000-4000-8000-000000000002"
	scimKey     = "scim-the-key-of-this-suite"
)

// addSCIM gives the organisation two SCIM directories, one of ours, both empty.
func (e *env) addSCIM() *atlassian.SCIM {
	e.t.Helper()
	server, err := scim.New(scim.Config{Organisation: e.org, URL: "https://api.atlassian.example"})
	if err != nil {
		e.t.Fatal(err)
	}
	e.scim = server
	for _, each := range []scim.Directory{
		{ID: scimOurs, Name: "hr", Key: scimKey}, {ID: scimForeign, Name: "okta", Key: "of the provider", Provider: "Okta"},
	} {
		if err := server.AddDirectory(each); err != nil {
			e.t.Fatal(err)
		}
	}
	client, err := atlassian.NewSCIM(atlassian.SCIMConfig{
		Name: "hr", DirectoryID: scimOurs, Key: func() string { return scimKey },
	}, atlassian.Config{
		BaseURL: "https://api.atlassian.example", Log: zerolog.Nop(), HTTP: &http.Client{Transport: server.Transport()},
		Pace: pace.Rate{Start: 10_000, Max: 10_000}, Rand: rand.New(rand.NewPCG(5, 6)),
	})
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(client.Close)
	return client
}
