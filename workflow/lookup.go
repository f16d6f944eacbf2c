package workflow

import "context"

// Lookups are what people ask of the organisation beside what a check reads. Errors are those of
// Reader.
type Lookups interface {
	// Managed lists every managed account, each once, and returns how many the list itself
	// announces; -1 where it does not. If the two numbers differ, they did so again after the list
	// was read a second time. progress is called after each page with how many were listed so far
	// and how many there are by the list; its error ends the reading.
	Managed(ctx context.Context, progress func(listed, announced int) error) (accounts []Account, announced int, err error)
	// GroupMembers returns the account ids of who is in the group of that id.
	GroupMembers(ctx context.Context, id string) (map[string]bool, error)
	// SearchGroups finds groups by a piece of their name, all for "", with what each gives and
	// whether its members may be changed; at most limit, and more reports whether there are others.
	SearchGroups(ctx context.Context, text string, limit int) (groups []FoundGroup, more bool, err error)
	// Details returns what searches tell of accounts beside the account itself: account id →
	// detail. Who is not found is missing.
	Details(ctx context.Context, ids []string) (map[string]Detail, error)
}

// FoundGroup is a group that somebody looked for.
type FoundGroup struct {
	ID, Name  string
	Directory string   // id
	Members   int      // -1 where the answer does not say
	Closed    string   // why its members cannot be changed here, as GroupSynced; "" where they can
	Gives     []string // keys of the products that its members have access to
}

// Detail is what a search tells of an account beside the account itself. Lists are nil where the
// answer does not say.
type Detail struct {
	Status   string   // composite: active, suspended, not_invited, deactivated, for_deletion
	Groups   []string // names, sorted
	Products []ProductUse
}

// ProductUse is a product that an account can use.
type ProductUse struct {
	Key        string // as "jira-software"
	LastActive string // as sent, "" when never or unknown
}
