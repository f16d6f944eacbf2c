package action

import (
	"net/url"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// KindWorkspaces are the products of the organisation that can be used now: Workspace values. About
// no account.
const KindWorkspaces workflow.FactKind = "workspaces"

// Workspaces asks which products the organisation has.
func Workspaces() workflow.Fact {
	return workflow.Fact{Kind: KindWorkspaces, Endpoint: workflow.Endpoint{Place: workflow.PlaceDirectory}}
}

// Workspace is one product on one site.
type Workspace struct {
	ID      string // ARI
	TypeKey string // "jira-software"
	Type    string // as people read it
	URL     string // of the site; "" where there is none
}

// Values returns the workspace as the answer to a fact.
func (w Workspace) Values() workflow.Values {
	return workflow.Of(workflow.FieldID, w.ID).With(workflow.FieldType, w.TypeKey).With(workflow.FieldName, w.Type).
		With(workflow.FieldURL, w.URL)
}

// Name is how a row names the workspace whatever others there are: "jira-software@site.example".
func (w Workspace) Name() string {
	if host := w.host(); host != "" {
		return w.TypeKey + "@" + host
	}
	return w.TypeKey
}

func (w Workspace) host() string {
	parsed, err := url.Parse(w.URL)
	if err != nil {
		return ""
	}
	return parsed.Hostname()
}

// is reports whether the name is one of the workspace's: its type, or that with its site.
func (w Workspace) is(name string) bool {
	kind, host, at := strings.Cut(name, "@")
	return (strings.EqualFold(kind, w.TypeKey) || strings.EqualFold(kind, w.Type)) && (!at || strings.EqualFold(host, w.host()))
}

// rowProducts finds the workspaces that a row names. all is false until they have been read.
func rowProducts(r *workflow.Row, f *Facts) (products []Workspace, all bool, finding Finding) {
	names := splitCell(r.Values.Get(workflow.ColumnProducts))
	answers, known := f.Answers[Workspaces()]
	if len(names) == 0 || !known {
		return nil, len(names) == 0, Ready()
	}
	var there []Workspace
	for _, v := range answers {
		there = append(there, Workspace{
			ID: v.Get(workflow.FieldID), TypeKey: v.Get(workflow.FieldType), Type: v.Get(workflow.FieldName), URL: v.Get(workflow.FieldURL),
		})
	}
	for _, name := range names {
		meant := slices.DeleteFunc(slices.Clone(there), func(w Workspace) bool { return !w.is(name) })
		if len(meant) != 1 {
			candidates := meant
			if len(meant) == 0 {
				candidates = there
			}
			words := make([]string, len(candidates))
			for i, w := range candidates {
				words[i] = w.Name()
			}
			slices.Sort(words)
			return nil, false, Blocked(workflow.ReasonWhichProduct, name, strings.Join(slices.Compact(words), ", "))
		}
		if !slices.Contains(products, meant[0]) {
			products = append(products, meant[0])
		}
	}
	return products, true, Ready()
}
