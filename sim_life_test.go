package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/store"
)

const (
	simSlack     = "http://slack.test"
	simAtlassian = "http://atlassian.test"
	simOrg       = "11111111-2222-3333-4444-555555555555"
	simKey       = "ATCTT-simulated"
)

// tale counts what lives were made of, so that lives in which nothing happens are noticed.
type tale struct {
	Lives, Batches, Effects, Cuts, Stops, Rows, Done, Failed, Retried, Undone, Approvals, Swaps, Faults int

	// Restarts with other settings; batches for which a rule asked for more, that were emergencies, that lost an approval, that
	// went on at a click; and rows that the settings forbid.
	Resettled, Raised, Urgent, Lost, WentOn, Guarded int
}

func (s *tale) add(o tale) {
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
	} {
		*each.to += *each.from
	}
}

// sabotage is something that a life's service does wrong on purpose. The zero value is an honest service.
type sabotage struct {
	approve   []string // who tries to approve everything, besides those who may
	settings  func(*Config)
	keeps     bool // goes by the settings that it began with, whatever they are by now
	slack     func(http.RoundTripper) http.RoundTripper
	people    func() func(http.RoundTripper) http.RoundTripper // makes slack for one life
	socket    func(net.Conn) net.Conn
	atlassian func(http.RoundTripper) http.RoundTripper
}

// life is one random story: the whole service between a workspace and an organisation in which everything goes wrong that
// can, people who do what they want, and power that fails. At its end all is well again, and what is left is looked at.
type life struct {
	t    *testing.T
	seed uint64
	rng  *rand.Rand // of what people do; only the story's own goroutine uses it
	bad  sabotage

	slack   *workspace.Workspace
	org     *organisation.Organisation
	cast    *cast
	network struct {
		listener  *pipes
		server    *http.Server
		served    chan struct{}
		transport []*http.Transport
	}
	cfg   *Config
	log   *journal
	rules *simRules // the settings of approval just now, of which cfg has a copy
	began time.Time

	power   *power
	service *Service
	end     context.CancelFunc
	ended   chan error
	over    bool        // it ended by itself
	reborn  []time.Time // when it was started after a power cut
	reader  *store.DB

	mu       sync.Mutex // guards the rest
	faults   *rand.Rand
	rough    int // calls of a hundred that go wrong; 0 when all is well
	share    bool
	lost     bool // a share was lost at some time
	story    []string
	wrong    []string // what must never happen and did
	calls    []simCall
	attempts map[string]bool  // for which a call was seen
	together map[string]bool  // accounts that two batches were about to lock out at the same moment
	askedBy  map[int64]string // who asked for a batch, once all is over
	done     map[string]bool  // batch/row, the same
	throttle map[string]int   // 429s that are faults of ours, by method and path
	clicks   []simClick
	files    map[string]simFile // by the ts of their messages
	commands []simCommand
	strays   []simStray
	pressed  []workspace.Message // cards as they were, for those who do not look twice
	tale     tale
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

// newLife sets the scene of the seed: who is there, what the organisation is like, and how the service is set up.
func newLife(t *testing.T, seed uint64, bad sabotage) *life {
	l := &life{
		t: t, seed: seed, bad: bad, log: &journal{}, began: time.Now(), files: map[string]simFile{},
		attempts: map[string]bool{}, together: map[string]bool{}, throttle: map[string]int{}, askedBy: map[int64]string{},
		done: map[string]bool{},
		rng:  rand.New(rand.NewPCG(seed, 1)), faults: rand.New(rand.NewPCG(seed, 2)),
	}
	var err error
	l.slack, err = workspace.New(workspace.Config{BaseURL: simSlack, Rand: rand.New(rand.NewPCG(seed, 3))})
	if err != nil {
		t.Fatal(err)
	}
	limit := organisation.RateLimit{}
	switch l.rng.IntN(3) {
	case 0:
		limit = organisation.RateLimit{PerMinute: 4 + l.rng.IntN(25), Headers: true, Seconds: l.rng.IntN(2) == 0}
	case 1:
		limit = organisation.RateLimit{PerMinute: 30 + l.rng.IntN(60), Headers: true, Shared: true, RetryAfter: true}
	}
	l.org, err = organisation.New(organisation.Config{
		OrgID: simOrg, APIKey: simKey, BaseURL: simAtlassian, Rand: rand.New(rand.NewPCG(seed, 4)), Limit: limit,
	})
	if err != nil {
		t.Fatal(err)
	}
	l.populate()
	l.rules = drawRules(l.rng)
	l.cast = newCast(t, l.slack, l.rules)
	n := &l.network
	n.listener, n.served = newPipes(), make(chan struct{})
	n.server = &http.Server{Handler: l.slack.Handler(), ReadHeaderTimeout: time.Minute}
	go func() {
		defer close(n.served)
		_ = n.server.Serve(n.listener)
	}()
	l.settings(filepath.Join(t.TempDir(), "sim.db"))
	l.rough = []int{0, 3, 8, 15}[l.rng.IntN(4)]
	l.org.SetFaults(l.atlassianFaults())
	l.slack.SetFaults(l.slackFaults())
	return l
}

func (l *life) settings(path string) {
	cfg := defaults()
	cfg.Slack.AppToken, cfg.Slack.BotToken = newSecret(l.slack.AppToken()), newSecret(l.slack.BotToken())
	cfg.Slack.APIURL = simSlack + "/api/"
	cfg.Atlassian.APIURL, cfg.Atlassian.OrgID, cfg.Atlassian.APIKey = simAtlassian, simOrg, newSecret(simKey)
	cfg.People.Admins, cfg.People.Requesters = []string{simAdmins, simDean}, []string{simHelpdesk}
	cfg.Channels.Requests, cfg.Channels.Reports = simRequests, simReports
	l.rules.put(cfg)
	cfg.Approval.ExpiresAfter, cfg.Approval.StartWithin = 20*time.Minute, 15*time.Minute
	cfg.Approval.FinishWithin = []time.Duration{10 * time.Minute, 3 * time.Hour}[l.rng.IntN(2)]
	cfg.Run.Workers, cfg.Run.Canary = 1+l.rng.IntN(4), l.rng.IntN(3)
	cfg.Run.StopAfterFailures, cfg.Run.StopAtFailurePercent = 1+l.rng.IntN(4), 50
	if l.rng.IntN(4) == 0 {
		cfg.Reports = []Report{{
			Name: "accounts", Kind: "managed-accounts", Schedule: "*/15 * * * *", Timezone: time.UTC, Keep: 400,
		}}
	}
	cfg.Store.Path = path
	if l.bad.settings != nil {
		l.bad.settings(cfg)
	}
	l.cfg = cfg
}

// populate makes the accounts: most can be changed, some cannot, and some are of people whom the settings know.
func (l *life) populate() {
	for _, name := range []string{"old.example", "new.example", "vip.example", "work.example"} {
		l.org.AddDomain(organisation.Domain{Name: name, Status: "verified"})
	}
	groups := map[string]string{}
	for _, name := range []string{simFinance, simGlass} {
		g, err := l.org.AddGroup(organisation.Group{Name: name})
		if err != nil {
			l.t.Fatal(err)
		}
		groups[name] = g.ID
	}
	for i := range simAccounts {
		a := organisation.Account{
			ID: l.account(i), Name: fmt.Sprintf("Person %d", i), Email: fmt.Sprintf("p%d@old.example", i), Managed: true,
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
		if err := l.org.Put(a); err != nil {
			l.t.Fatal(err)
		}
	}
	for i := range 3 { // hold addresses, and nobody can see it
		a := organisation.Account{ID: fmt.Sprintf("712020:hidden-%d", i), Name: "Hidden", Email: hiddenAddress(i), Hidden: true}
		if err := l.org.Put(a); err != nil {
			l.t.Fatal(err)
		}
	}
}

// simAccounts is how many accounts there are that files are about.
const simAccounts = 18

func hiddenAddress(i int) string { return fmt.Sprintf("hidden%d@new.example", i) }

// tell adds a line to the story.
func (l *life) tell(format string, args ...any) {
	line := fmt.Sprintf("%9.3fs  ", time.Since(l.began).Seconds()) + fmt.Sprintf(format, args...)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.story = append(l.story, line)
}

// violated notes something that must never happen.
func (l *life) violated(format string, args ...any) {
	words := fmt.Sprintf(format, args...)
	l.tell("VIOLATED: %s", words)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, words)
}

// chance rolls the dice of what goes wrong by itself.
func (l *life) chance(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.faults.IntN(n)
}

// boot starts the service on the database as it was left. Power may fail again while it starts.
func (l *life) boot(effects int) {
	for {
		l.power = newPower()
		l.power.failAfter(effects)
		plugIn(l.cfg.Store.Path, l.power)
		transport := &http.Transport{DialContext: l.network.listener.dial}
		l.network.transport = append(l.network.transport, transport)
		slack, atlassian := http.RoundTripper(transport), l.org.Transport()
		if l.bad.slack != nil {
			slack = l.bad.slack(slack)
		}
		if l.bad.atlassian != nil {
			atlassian = l.bad.atlassian(atlassian)
		}
		power := l.power
		world := network{
			Slack:     &http.Client{Transport: mortal{slack, power}, Timeout: 10 * time.Second},
			Atlassian: &http.Client{Transport: mortal{atlassian, power}},
			Dial: func(ctx context.Context, kind, address string) (net.Conn, error) {
				conn, err := l.network.listener.dial(ctx, kind, address)
				if err != nil {
					return nil, err
				}
				if l.bad.socket != nil {
					conn = l.bad.socket(conn)
				}
				return mortalConn{conn, power}, nil
			},
			Listen: func(_ context.Context, _, address string) (net.Listener, error) { // the socket that health asks
				return newPipes(), os.WriteFile(address, nil, 0o600)
			},
			Dice: func() *rand.Rand { return rand.New(rand.NewPCG(l.seed, 9)) },
		}
		service, err := newServiceOn(context.Background(), world, l.cfg, zerolog.New(l.log).Level(zerolog.WarnLevel))
		if err != nil {
			if !l.power.gone() {
				l.t.Fatalf("newService: %v", err)
			}
			effects = -1
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		l.service, l.end, l.ended = service, cancel, make(chan error, 1)
		go func() { l.ended <- service.Run(ctx) }()
		return
	}
}

// halt ends the service, by a word or by a power cut, and gives the database back.
func (l *life) halt(how string) {
	cut := how == "cut"
	if cut {
		l.power.fail()
	}
	asked := time.Now()
	l.end()
	err := <-l.ended
	if took := time.Since(asked); took > 10*time.Second && !cut {
		l.violated("the service took %s to stop", took)
	}
	err = cmp.Or(err, l.service.Close())
	if err != nil && !l.power.gone() {
		l.violated("the service stopped with %v", err)
	}
	plugIn(l.cfg.Store.Path, nil)
	for _, each := range l.network.transport {
		each.CloseIdleConnections()
	}
	l.network.transport = nil
}

// pass lets time go by. Where power fails meanwhile, the service is started again.
func (l *life) pass(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return
		case <-l.power.died:
			l.tell("the power fails")
			l.tale.Cuts++
			l.halt("cut")
			if l.rng.IntN(3) == 0 {
				time.Sleep(time.Duration(l.rng.IntN(90)) * time.Second)
			}
			again := -1
			if l.rng.IntN(4) == 0 && l.roughness() > 0 {
				again = l.rng.IntN(60)
			}
			l.reborn = append(l.reborn, time.Now())
			l.boot(again)
		case err := <-l.ended:
			if l.power.gone() {
				l.ended <- err
				continue
			}
			l.ended <- err
			if !l.over {
				l.violated("the service ended by itself: %v", err)
			}
			l.over = true
			return
		}
	}
}

func (l *life) roughness() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rough
}

// heal makes everything well: from now on nothing fails, and everybody is who they were.
func (l *life) heal() {
	l.tell("all is well from now on")
	l.mu.Lock()
	l.rough, l.share = 0, false
	l.mu.Unlock()
	l.slack.SetFaults(l.slackFaults())
	l.cast.restore(l.t)
}

// close takes the scene apart.
func (l *life) close() {
	if l.reader != nil {
		_ = l.reader.Close()
	}
	l.slack.Close()
	_ = l.network.server.Close()
	<-l.network.served
}

// db reads the database beside the service.
func (l *life) db() *store.DB {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reader == nil {
		db, err := store.OpenReadOnly(context.Background(), store.Config{Path: l.cfg.Store.Path, Log: zerolog.Nop()})
		if err != nil {
			l.t.Errorf("open the database beside the service: %v", err)
			return nil
		}
		l.reader = db
	}
	return l.reader
}

// told is the story so far.
func (l *life) told() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.story, "\n")
}

var errNoCard = errors.New("there is no such card or button")
