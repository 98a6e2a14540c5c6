package webhook

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Config configures a [Service].
type Config struct {
	// Redis should be patient, as that of asynq's Servers of a worker. It is never closed.
	Redis  redis.UniversalClient
	Logger zerolog.Logger
	// Quiet, when not nil, returns a hook for what is logged again and again, one for each endpoint.
	Quiet func() zerolog.Hook
	// ShutdownTimeout is how long Stop waits for what is sent at most. Defaults to
	// [MaxShutdownTimeout].
	ShutdownTimeout time.Duration
	// Agent is what requests are called in the header User-Agent.
	Agent string
	// Observe, when not nil, is told of every try.
	Observe func(endpoint string, a Answer)
}

// MaxShutdownTimeout is more than one delivery takes.
const MaxShutdownTimeout = answerTimeout + redisTimeout

// Service delivers to endpoints until it is stopped.
type Service struct {
	cfg     Config
	token   string
	mu      sync.Mutex
	runs    map[string]*runner
	stopped bool
}

// New returns a Service without endpoints.
func New(cfg Config) *Service {
	if cfg.Observe == nil {
		cfg.Observe = func(string, Answer) {}
	}
	return &Service{cfg: cfg, token: rand.Text(), runs: map[string]*runner{}}
}

// Set has it deliver to these endpoints and to no others. One that is new begins, one that is
// there no more ends; its tasks wait for somebody who has it.
func (s *Service) Set(list []Endpoint) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return errors.New("webhooks are stopped")
	}
	wanted := map[string]Endpoint{}
	for _, e := range list {
		wanted[e.Name] = e
	}
	for name, r := range s.runs {
		if e, ok := wanted[name]; !ok || e.inFlight() != r.inFlight {
			r.stop()
			delete(s.runs, name)
		}
	}
	for _, e := range list {
		if r, ok := s.runs[e.Name]; ok {
			r.set(e, s.cfg.Agent)
			continue
		}
		r, err := s.start(e)
		if err != nil {
			return fmt.Errorf("webhook %s: %w", e.Name, err)
		}
		s.runs[e.Name] = r
	}
	return nil
}

// Stop takes no new tasks and waits for those that are sent.
func (s *Service) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	var wg sync.WaitGroup
	for name, r := range s.runs {
		wg.Go(r.stop)
		delete(s.runs, name)
	}
	wg.Wait()
}

// runner delivers to one endpoint.
type runner struct {
	current  atomic.Pointer[live]
	inFlight int
	server   *asynqx.Server
	cancel   context.CancelFunc
	forwards sync.WaitGroup
}

// live is an endpoint as it is now.
type live struct {
	Endpoint
	sender *Sender
}

func (r *runner) set(e Endpoint, agent string) {
	if old := r.current.Swap(&live{e, NewSender(e, agent)}); old != nil {
		old.sender.Close()
	}
}

func (s *Service) start(e Endpoint) (*runner, error) {
	ctx, cancel := context.WithCancel(context.Background())
	r := &runner{cancel: cancel, inFlight: e.inFlight()}
	r.set(e, s.cfg.Agent)
	q := newQueue(s.cfg.Redis, e.Name)
	log := s.cfg.Logger.With().Str("webhook", e.Name).Logger()
	quiet := log
	if s.cfg.Quiet != nil {
		quiet = log.Hook(s.cfg.Quiet())
	}
	d := &deliverer{
		queue: q, inspect: asynqx.NewInspector(s.cfg.Redis), log: log, quiet: quiet,
		endpoint: func() (Endpoint, *Sender) { l := r.current.Load(); return l.Endpoint, l.sender },
		observe:  func(a Answer) { s.cfg.Observe(e.Name, a) },
	}
	r.server = asynqx.NewServer(asynqx.ServerConfig{
		Redis: s.cfg.Redis, Queue: q.name, Concurrency: r.inFlight, Run: d.deliver,
		ShutdownTimeout: min(cmp.Or(s.cfg.ShutdownTimeout, MaxShutdownTimeout), MaxShutdownTimeout),
		Logger:          asynqLogger{quiet.With().Str("component", "asynq").Logger()},
	})
	if err := r.server.Start(); err != nil {
		cancel()
		return nil, err
	}
	f := &forwarder{
		queue: q, reader: record.NewReader(s.cfg.Redis), token: s.token, log: log, quiet: quiet,
		of: func() Endpoint { return r.current.Load().Endpoint },
	}
	r.forwards.Go(func() { f.run(ctx) })
	return r, nil
}

func (r *runner) stop() {
	r.cancel()
	r.forwards.Wait()
	r.server.Stop()
	r.current.Load().sender.Close()
}
