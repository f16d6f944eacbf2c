package page

import (
	"context"
	"errors"
	"net/http"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/workspace"
)

// Sample is a file that the page offers one click away.
type Sample struct {
	Name    string
	Note    string // what is in it, in a few words
	Content []byte // UTF-8 text
}

// Suggestion is a line of the composer's list when somebody types a slash.
type Suggestion struct {
	Words string // how the command is written: "/countersign rename <user> <new-email>"
	Text  string // what is put into the composer: the same with an account that is there
	Note  string // what it does
}

// Config is what a page shows. Workspace and Organisation are required.
type Config struct {
	Workspace    *workspace.Workspace
	Organisation *organisation.Organisation

	OrganisationName string // heading of the right panel
	Samples          []Sample
	Suggestions      []Suggestion
}

// Page is the browser page and the small JSON API behind it.
type Page struct {
	workspace    *workspace.Workspace
	organisation *organisation.Organisation
	name         string
	samples      []Sample
	suggestions  []Suggestion
	assets       *assets
	faults       *faults
	uploads      uploads

	end   context.CancelFunc
	ended context.Context // ends the event streams, which outlive every request's own reason to end
}

// New prepares a page; it starts nothing.
func New(config Config) (*Page, error) {
	if config.Workspace == nil || config.Organisation == nil {
		return nil, errors.New("make page: workspace and organisation are required")
	}
	served, err := newAssets()
	if err != nil {
		return nil, err
	}
	ended, end := context.WithCancel(context.Background())
	return &Page{
		workspace:    config.Workspace,
		organisation: config.Organisation,
		name:         config.OrganisationName,
		samples:      config.Samples,
		suggestions:  config.Suggestions,
		assets:       served,
		faults:       &faults{workspace: config.Workspace, organisation: config.Organisation},
		ended:        ended,
		end:          end,
	}, nil
}

// Handler answers / and /static/ with the page and /page/ with its API, to this machine's browser alone.
func (p *Page) Handler() http.Handler {
	api := http.NewServeMux()
	api.HandleFunc("GET /page/state", p.getState)
	api.HandleFunc("GET /page/organisation", p.getOrganisation)
	api.HandleFunc("GET /page/events", p.getEvents)
	api.HandleFunc("GET /page/samples", p.getSamples)
	api.HandleFunc("GET /page/file/{id}", p.getFile)
	api.HandleFunc("GET /page/faults", p.getFaults)
	api.HandleFunc("POST /page/faults", p.postFaults)
	api.HandleFunc("POST /page/say", p.postSay)
	api.HandleFunc("POST /page/command", p.postCommand)
	api.HandleFunc("POST /page/click", p.postClick)
	api.HandleFunc("POST /page/submit", p.postSubmit)
	api.HandleFunc("POST /page/close", p.postClose)
	api.HandleFunc("POST /page/upload", p.postUpload)

	all := http.NewServeMux()
	all.Handle("/page/", sameOrigin(api))
	all.Handle("/", p.assets)
	return Guard(all)
}

// Close ends the event streams; without it the Shutdown of a server with an open page waits for ever.
func (p *Page) Close() { p.end() }
