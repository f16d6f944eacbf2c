package page

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/workspace"
)

// Sample is a file that the page offers one click away.
type Sample struct {
	Name    string
	Note    string // what is in it, in a few words
	Content []byte // UTF-8 text
	Text    string // what is to stand beside it in the message; none when empty
}

// Suggestion is a line of the composer's list when somebody types a slash.
type Suggestion struct {
	Words string // how the command is written: "/countersign rename <user> <new-email>"
	Text  string // what is put into the composer: the same with an account that is there
	Note  string // what it does
}

// Step is one of the things to try first, in a line above the messages.
type Step struct {
	Words string `json:"words"`
	// Do is what a click on it does: "samples" opens the sample files, "person" acts as Person, "panel"
	// opens the right panel.
	Do     string `json:"do"`
	Person string `json:"person,omitempty"` // handle
	Until  string `json:"until"`            // done when: "asked", the app has answered; "changed", an account has changed
}

// Config is what a page shows. Workspace and Organisation are required.
type Config struct {
	Workspace    *workspace.Workspace
	Organisation *organisation.Organisation

	OrganisationName string // heading of the right panel
	Samples          []Sample
	Suggestions      []Suggestion

	Guide    []Step
	GuideEnd string // stands in the place of the guide when all steps are done

	// Start is whom the page shows first; the first person when empty.
	Start string
}

// Page is the browser page and the small JSON API behind it.
type Page struct {
	workspace    *workspace.Workspace
	organisation *organisation.Organisation
	name         string
	samples      []Sample
	suggestions  []Suggestion
	start        string
	guide        []Step
	guideEnd     string
	assets       *assets
	faults       *faults
	uploads      uploads

	killing sync.Mutex
	kill    func()

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
		start:        config.Start,
		guide:        config.Guide,
		guideEnd:     config.GuideEnd,
		assets:       served,
		faults:       &faults{workspace: config.Workspace, organisation: config.Organisation},
		ended:        ended,
		end:          end,
	}, nil
}

// Handler answers / and /static/ with the page and /page/ with its API, to this machine's browser
// alone.
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
	api.HandleFunc("POST /page/tab", p.postTab)
	api.HandleFunc("POST /page/shortcut", p.postShortcut)
	api.HandleFunc("POST /page/suggest", p.postSuggest)
	api.HandleFunc("POST /page/kill", p.postKill)

	all := http.NewServeMux()
	all.Handle("/page/", SameOrigin(api))
	all.Handle("/", p.assets)
	return Guard(all)
}

// OnKill gives the page a switch that kills the app's process, as a crash or a power cut would; what
// starts it again is not the page's. Without one there is no switch.
func (p *Page) OnKill(kill func()) {
	p.killing.Lock()
	defer p.killing.Unlock()
	p.kill = kill
}

func (p *Page) killer() func() {
	p.killing.Lock()
	defer p.killing.Unlock()
	return p.kill
}

func (p *Page) postKill(w http.ResponseWriter, r *http.Request) {
	if _, ok := read[struct{}](w, r); !ok {
		return
	}
	kill := p.killer()
	if kill == nil {
		answer(w, outcomeJSON{Error: "the app's process is not in the hands of this page"})
		return
	}
	kill()
	answer(w, outcomeJSON{})
}

// Close ends the event streams; without it the Shutdown of a server with an open page waits for
// ever.
func (p *Page) Close() { p.end() }
