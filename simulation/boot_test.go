package simulation

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/sandbox/memnet"
	"github.com/countersign/countersign/service"
	"github.com/countersign/countersign/store/sqlite"
)

// boot starts the service on the database as it was left. Power may fail again while it starts.
func (s *scenario) boot(effects int) {
	for {
		s.power = newPower()
		s.power.failAfter(effects)
		plugIn(s.cfg.Store.Path, s.power)
		transport := &http.Transport{DialContext: s.network.listener.DialContext}
		s.network.transport = append(s.network.transport, transport)
		slack, atlassian := http.RoundTripper(transport), s.atlassian()
		if s.bad.slack != nil {
			slack = s.bad.slack(slack)
		}
		if s.bad.atlassian != nil {
			atlassian = s.bad.atlassian(atlassian)
		}
		power := s.power
		world := service.Network{
			Slack:     &http.Client{Transport: mortal{slack, power}, Timeout: 10 * time.Second},
			Atlassian: &http.Client{Transport: mortal{atlassian, power}},
			Dial: func(ctx context.Context, kind, address string) (net.Conn, error) {
				conn, err := s.network.listener.DialContext(ctx, kind, address)
				if err != nil {
					return nil, err
				}
				if s.bad.socket != nil {
					conn = s.bad.socket(conn)
				}
				return mortalConn{conn, power}, nil
			},
			Listen: func(_ context.Context, _, address string) (net.Listener, error) { // the socket that health asks
				return memnet.Listen(), os.WriteFile(address, nil, 0o600)
			},
			Dice: func() *rand.Rand { return rand.New(rand.NewPCG(s.seed, 9)) },
		}
		service, err := service.NewOn(context.Background(), world, s.cfg, zerolog.New(s.log).Level(zerolog.WarnLevel))
		if err != nil {
			if !s.power.gone() {
				s.t.Fatalf("newService: %v", err)
			}
			effects = -1
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		s.service, s.end, s.ended = service, cancel, make(chan error, 1)
		go func() { s.ended <- service.Run(ctx) }()
		return
	}
}

// halt ends the service, by a word or by a power cut, and gives the database back.
func (s *scenario) halt(how string) {
	cut := how == "cut"
	if cut {
		s.power.fail()
	}
	asked := time.Now()
	s.end()
	err := <-s.ended
	if took := time.Since(asked); took > 10*time.Second && !cut {
		s.violated("the service took %s to stop", took)
	}
	err = cmp.Or(err, s.service.Close())
	if err != nil && !s.power.gone() {
		s.violated("the service stopped with %v", err)
	}
	plugIn(s.cfg.Store.Path, nil)
	for _, each := range s.network.transport {
		each.CloseIdleConnections()
	}
	s.network.transport = nil
}

// pass lets time go by. Where power fails meanwhile, the service is started again.
func (s *scenario) pass(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return
		case <-s.power.died:
			s.tell("the power fails")
			s.stats.Cuts++
			s.halt("cut")
			if s.rng.IntN(3) == 0 {
				time.Sleep(time.Duration(s.rng.IntN(90)) * time.Second)
			}
			again := -1
			if s.rng.IntN(4) == 0 && s.roughness() > 0 {
				again = s.rng.IntN(60)
			}
			s.reborn = append(s.reborn, time.Now())
			s.boot(again)
		case err := <-s.ended:
			if s.power.gone() {
				s.ended <- err
				continue
			}
			s.ended <- err
			if !s.over {
				s.violated("the service ended by itself: %v", err)
			}
			s.over = true
			return
		}
	}
}

// heal makes everything well: from now on nothing fails, and everybody is who they were.
func (s *scenario) heal() {
	s.tell("all is well from now on")
	s.mu.Lock()
	s.rough, s.share, s.trouble, s.cutHellos = 0, false, nil, 0
	s.endless.Store(false)
	s.mu.Unlock()
	s.slack.SetFaults(s.slackFaults())
	s.actors.restore(s.t)
}

// close takes the scene apart.
func (s *scenario) close() {
	if s.reader != nil {
		_ = s.reader.Close()
	}
	s.slack.Close()
	_ = s.network.server.Close()
	<-s.network.served
}

// db reads the database beside the service.
func (s *scenario) db() *sqlite.DB {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reader == nil {
		db, err := sqlite.OpenReadOnly(context.Background(), sqlite.Config{Path: s.cfg.Store.Path, Log: zerolog.Nop()})
		if err != nil {
			s.t.Errorf("open the database beside the service: %v", err)
			return nil
		}
		s.reader = db
	}
	return s.reader
}
