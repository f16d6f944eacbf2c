package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/sandbox/memnet"
	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/scim"
	"github.com/countersign/countersign/sandbox/site"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/service"
	"github.com/countersign/countersign/settings"
	"github.com/countersign/countersign/store/sqlite"
)

const (
	simSlack     = "http://slack.test"
	simAtlassian = "http://atlassian.test"
	simOrg       = "11111111-2222-3333-4444-555555555555"
	simKey       = "ATCTT-simulated"
)

// stats counts what scenarios were made of, so that scenarios in which nothing happens are noticed.
type stats struct {
	Lives, Batches, Effects, Cuts, Stops, Rows, Done, Failed, Retried, Undone, Approvals, Swaps, Faults int

	// Restarts with other settings; batches for which a rule asked for more, that were emergencies, that lost an approval, that
	// went on at a click; and rows that the settings forbid.
	Resettled, Raised, Urgent, Lost, WentOn, Guarded int

	// Troubles that came besides, Approves that were answered in a flood, and databases that went back to a copy.
	Troubles, Answered, WentBack int

	// Returns of what was approved for a while, and those that ran.
	Returns, TakenBack int
}

func (s *stats) add(o stats) {
	for _, each := range []struct{ to, from *int }{
		{&s.Lives, &o.Lives},
		{&s.Batches, &o.Batches},
		{&s.Effects, &o.Effects},
		{&s.Cuts, &o.Cuts},
		{&s.Stops, &o.Stops},
		{&s.Rows, &o.Rows},
		{&s.Done, &o.Done},
		{&s.Failed, &o.Failed},
		{&s.Retried, &o.Retried},
		{&s.Undone, &o.Undone},
		{&s.Approvals, &o.Approvals},
		{&s.Swaps, &o.Swaps},
		{&s.Faults, &o.Faults},
		{&s.Resettled, &o.Resettled},
		{&s.Raised, &o.Raised},
		{&s.Urgent, &o.Urgent},
		{&s.Lost, &o.Lost},
		{&s.Guarded, &o.Guarded},
		{&s.WentOn, &o.WentOn},
		{&s.Troubles, &o.Troubles},
		{&s.Answered, &o.Answered},
		{&s.WentBack, &o.WentBack},
		{&s.Returns, &o.Returns},
		{&s.TakenBack, &o.TakenBack},
	} {
		*each.to += *each.from
	}
}

// sabotage is something that a scenario's service does wrong on purpose. The zero value is an honest service.
type sabotage struct {
	approve   []string // who tries to approve everything, besides those who may
	settings  func(*settings.Config)
	keeps     bool // goes by the settings that it began with, whatever they have become
	slack     func(http.RoundTripper) http.RoundTripper
	people    func() func(http.RoundTripper) http.RoundTripper // makes slack for one scenario
	socket    func(net.Conn) net.Conn
	atlassian func(http.RoundTripper) http.RoundTripper
}

// scenario is one random story: the whole service between a workspace and an organisation in which everything goes wrong that
// can, people who do what they want, and power that fails. At its end all is well again, and what is left is looked at.
type scenario struct {
	t    *testing.T
	seed uint64
	rng  *rand.Rand // of what people do; only the story's own goroutine uses it
	bad  sabotage

	slack   *workspace.Workspace
	org     *organisation.Organisation
	site    *site.Site
	scim    *scim.Server
	faulty  string // the only place of Atlassian where calls go wrong; "" for all of them
	actors  *actors
	network struct {
		listener  *memnet.Listener
		server    *http.Server
		served    chan struct{}
		transport []*http.Transport
	}
	cfg   *settings.Config
	log   *journal
	rules *simRules // the settings of approval that hold, of which cfg has a copy
	began time.Time

	power   *power
	service *service.Service
	end     context.CancelFunc
	ended   chan error
	over    bool        // it ended by itself
	reborn  []time.Time // when it was started after a power cut
	reader  *sqlite.DB

	about         *rand.Rand // of the rules about groups
	more          *rand.Rand // of the troubles that come besides; only the story's own goroutine uses it
	copied        string     // a copy of the database, "" as long as there is none
	sinceCopy     int        // things that happened since
	refusedBlocks []string   // the types that this workspace does not take
	endless       atomic.Bool
	wentBack      bool           // the copy was put back
	forgotten     map[int64]bool // batches that the database knew before that, and no longer
	unseen        map[int64]bool // batches behind the copy whose card nobody saw any more
	relived       map[int64]bool // batches of the copy, which may do again what they did

	mu        sync.Mutex // guards the rest
	trouble   func(string, url.Values) *workspace.Reply
	cutHellos int
	deleted   map[string]bool // cards that were deleted as soon as they were posted, by ts
	heldBack  bool            // Slack asked to wait so long that it is believed for a quarter of an hour
	faults    *rand.Rand
	rough     int // calls of a hundred that go wrong; 0 when all is well
	share     bool
	lost      bool // a share was lost at some time
	story     []string
	wrong     []string // what must never happen and did
	calls     []simCall
	attempts  map[string]bool  // for which a call was seen
	together  map[string]bool  // accounts that two batches were about to lock out at the same moment
	askedBy   map[int64]string // who asked for a batch, once all is over
	done      map[string]bool  // batch/row, the same
	throttle  map[string]int   // 429s that are faults of ours, by method and path
	clicks    []simClick
	files     map[string]simFile // by the ts of their messages
	commands  []simCommand
	strays    []simStray
	pressed   []workspace.Message // cards as they were, for those who do not look twice
	stats     stats
}

// simCall is a call that changes something, as it arrived.
type simCall struct {
	at            time.Time
	account, kind string
	to            string // the address, or the status
	batch         int64
	row           int
	from          string // the address that the plan expects
}

// touches is whom the call touches.
func (c *simCall) touches() string {
	if ofNobody(c.kind) {
		return c.to
	}
	return c.account
}

// simClick is somebody's click on a button of a card.
type simClick struct {
	who, action string
	batch       int64
	digest      string
	at          time.Time
}

// simFile is a file that somebody posted.
type simFile struct {
	who     string
	rows    int  // 0 when it cannot be read
	refused bool // is to be
}

// simCommand is a slash command that somebody gave.
type simCommand struct {
	who, text string
	at        time.Time
}

// simStray is what somebody else did to an account.
type simStray struct {
	account, from, to string
	at                time.Time
}

// newScenario sets the scene of the seed: who is there, what the organisation is like, and how the service is set up.
func newScenario(t *testing.T, seed uint64, bad sabotage) *scenario {
	s := &scenario{
		t: t, seed: seed, bad: bad, log: &journal{}, began: time.Now(), files: map[string]simFile{},
		attempts: map[string]bool{}, together: map[string]bool{}, throttle: map[string]int{}, askedBy: map[int64]string{},
		done:    map[string]bool{},
		deleted: map[string]bool{}, forgotten: map[int64]bool{}, unseen: map[int64]bool{}, relived: map[int64]bool{}, more: rand.New(rand.NewPCG(seed, 5)),
		about: rand.New(rand.NewPCG(seed, 6)),
		rng:   rand.New(rand.NewPCG(seed, 1)), faults: rand.New(rand.NewPCG(seed, 2)),
	}
	var err error
	s.slack, err = workspace.New(workspace.Config{BaseURL: simSlack, Rand: rand.New(rand.NewPCG(seed, 3))})
	if err != nil {
		t.Fatal(err)
	}
	limit := organisation.RateLimit{}
	switch s.rng.IntN(3) {
	case 0:
		limit = organisation.RateLimit{PerMinute: 4 + s.rng.IntN(25), Headers: true, Seconds: s.rng.IntN(2) == 0}
	case 1:
		limit = organisation.RateLimit{PerMinute: 30 + s.rng.IntN(60), Headers: true, Shared: true, RetryAfter: true}
	}
	s.org, err = organisation.New(organisation.Config{
		OrgID: simOrg, APIKey: simKey, BaseURL: simAtlassian, Rand: rand.New(rand.NewPCG(seed, 4)), Limit: limit,
		PageSize: []int{0, 0, 7}[s.more.IntN(3)],
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.more.IntN(4) == 0 {
		s.refusedBlocks = workspace.NewBlocks()
	}
	s.populate()
	s.addSite()
	s.addSCIM()
	s.rules = drawRules(s.rng, s.about)
	s.actors = newActors(t, s.slack, s.rules)
	n := &s.network
	n.listener, n.served = memnet.Listen(), make(chan struct{})
	n.server = &http.Server{Handler: s.slack.Handler(), ReadHeaderTimeout: time.Minute}
	go func() {
		defer close(n.served)
		_ = n.server.Serve(n.listener)
	}()
	s.settings(filepath.Join(t.TempDir(), "sim.db"))
	s.rough = []int{0, 3, 8, 15}[s.rng.IntN(4)]
	s.placeFaults()
	s.slack.SetFaults(s.slackFaults())
	return s
}

func (s *scenario) settings(path string) {
	cfg := settings.Default()
	cfg.Slack.AppToken, cfg.Slack.BotToken = settings.NewSecret(s.slack.AppToken()), settings.NewSecret(s.slack.BotToken())
	cfg.Slack.APIURL = simSlack + "/api/"
	cfg.Atlassian.APIURL, cfg.Atlassian.OrgID, cfg.Atlassian.APIKey = simAtlassian, simOrg, settings.NewSecret(simKey)
	cfg.Atlassian.Sites, cfg.Atlassian.SCIM = siteSettings(), scimSettings()
	cfg.People.Admins, cfg.People.Requesters = []string{simAdmins, simDean}, []string{simHelpdesk}
	cfg.Channels.Requests, cfg.Channels.Reports = simRequests, simReports
	s.rules.put(cfg)
	cfg.Approval.ExpiresAfter, cfg.Approval.StartWithin = 20*time.Minute, 15*time.Minute
	cfg.Approval.FinishWithin = []time.Duration{10 * time.Minute, 3 * time.Hour}[s.rng.IntN(2)]
	cfg.Run.Workers, cfg.Run.Canary = 1+s.rng.IntN(4), s.rng.IntN(3)
	cfg.Run.StopAfterFailures, cfg.Run.StopAtFailurePercent = 1+s.rng.IntN(4), 50
	if s.rng.IntN(4) == 0 {
		cfg.Reports = []settings.Report{{
			Name: "accounts", Kind: "managed-accounts", Schedule: "*/15 * * * *", Timezone: time.UTC, Keep: 400,
		}}
	}
	cfg.Store.Path = path
	if s.bad.settings != nil {
		s.bad.settings(cfg)
	}
	s.cfg = cfg
}

// populate makes the accounts: most can be changed, some cannot, and some are of people whom the settings know.
func (s *scenario) populate() {
	for _, name := range []string{"old.example", "new.example", "vip.example", "work.example"} {
		s.org.AddDomain(organisation.Domain{Name: name, Status: "verified"})
	}
	groups := map[string]string{}
	for _, name := range []string{simFinance, simGlass, simTeam} {
		g, err := s.org.AddGroup(organisation.Group{Name: name})
		if err != nil {
			s.t.Fatal(err)
		}
		groups[name] = g.ID
	}
	for i := range simAccounts {
		a := organisation.Account{
			ID: s.account(i), Name: fmt.Sprintf("Person %d", i), Email: fmt.Sprintf("p%d@old.example", i), Managed: true,
		}
		for token := range i % 3 {
			a.Tokens = append(a.Tokens, organisation.Token{ID: fmt.Sprintf("token-%d-%d", i, token), Label: "ci", CreatedAt: "2026-11-01T08:00:00Z"})
		}
		switch i {
		case 3:
			a.Groups = []string{groups[simFinance]}
		case 4:
			a.Groups = []string{groups[simGlass], groups[simFinance]}
		case 8:
			a.OrgAdmin = true
		case 9, 10: // cannot be locked out, which no check can see
			a.LifecycleErrors = []organisation.LifecycleError{{Code: "billingAdmin", Message: "The last billing contact."}}
		case 11:
			a.Locks = map[string]string{"email.set": "externalDirectory.scim"}
		case 12:
			a.Managed = false
		case 13:
			a.Status = "inactive"
		case 14: // 14 to 16 are people's own, the last one because the settings say so
			a.Email = "hana@work.example"
		case 15:
			a.Email = "Beth@work.example"
		case 17:
			a.Email = "boss@vip.example"
		}
		if err := s.org.Put(a); err != nil {
			s.t.Fatal(err)
		}
	}
	for i := range 3 { // hold addresses, and nobody can see it
		a := organisation.Account{ID: fmt.Sprintf("712020:hidden-%d", i), Name: "Hidden", Email: hiddenAddress(i), Hidden: true}
		if err := s.org.Put(a); err != nil {
			s.t.Fatal(err)
		}
	}
}

// simAccounts is how many accounts there are that files are about.
const simAccounts = 18

func hiddenAddress(i int) string { return fmt.Sprintf("hidden%d@new.example", i) }

// tell adds a line to the story.
func (s *scenario) tell(format string, args ...any) {
	line := fmt.Sprintf("%9.3fs  ", time.Since(s.began).Seconds()) + fmt.Sprintf(format, args...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.story = append(s.story, line)
}

// violated notes something that must never happen.
func (s *scenario) violated(format string, args ...any) {
	words := fmt.Sprintf(format, args...)
	s.tell("VIOLATED: %s", words)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, words)
}

// chance rolls the dice of what goes wrong by itself.
func (s *scenario) chance(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults.IntN(n)
}

func (s *scenario) roughness() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rough
}

// told is the story so far.
func (s *scenario) told() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.story, "\n")
}

var errNoCard = errors.New("there is no such card or button")
