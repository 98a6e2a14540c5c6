package asynqx

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// Job is one run of a task.
type Job struct {
	ID      string
	Payload []byte
	Failed  int // runs before that failed
}

// Logger takes the lines of asynq's.
type Logger = asynq.Logger

// ServerConfig configures a [Server].
type ServerConfig struct {
	// Redis should be patient: asynq runs a task again whose end it could not write.
	Redis redis.UniversalClient
	Queue string
	// Concurrency is how many tasks run at once.
	Concurrency int
	// ShutdownTimeout is how long Stop waits for them.
	ShutdownTimeout time.Duration
	Logger          Logger
	Run             func(context.Context, Job) Run
}

// Server runs the tasks of one queue that has nothing to do with ECPay: those of the others are
// run by the Servers of package worker.
type Server struct {
	cfg    ServerConfig
	tasks  *DequeueClient
	server *asynq.Server
}

// NewServer returns a Server that does not run yet.
func NewServer(cfg ServerConfig) *Server {
	rdb := NewLeaseClient(NewSubscribeClient(cfg.Redis, func(error) {}), func(string) {})
	queues := map[string]int{cfg.Queue: 1}
	s := &Server{cfg: cfg, tasks: NewDequeueClient(rdb, queues, nil)}
	s.server = asynq.NewServerFromRedisClient(s.tasks, asynq.Config{
		Concurrency: cfg.Concurrency, Queues: queues, RetryDelayFunc: delayOf, IsFailure: Counts,
		Logger: cfg.Logger, LogLevel: asynq.InfoLevel, ShutdownTimeout: cfg.ShutdownTimeout,
		TaskCheckInterval: serverCheck, DelayedTaskCheckInterval: time.Second,
	})
	return s
}

// serverCheck is how often asynq asks for a task, by way of a [DequeueClient].
const serverCheck = 2 * time.Millisecond

// Start begins to run tasks and returns.
func (s *Server) Start() error {
	s.tasks.Start()
	if err := s.server.Start(asynq.HandlerFunc(s.handle)); err != nil {
		s.tasks.Stop()
		return err
	}
	return nil
}

// Stop takes no new tasks, waits for those that run and gives the rest back to the queue.
func (s *Server) Stop() {
	s.tasks.Stop() // or asynq would wait for tasks
	s.server.Shutdown()
}

func (s *Server) handle(ctx context.Context, t *asynq.Task) error {
	id, _ := asynq.GetTaskID(ctx)
	failed, _ := asynq.GetRetryCount(ctx)
	return s.cfg.Run(ctx, Job{id, t.Payload(), failed}).Err()
}

// delayOf gives asynq the delay of a run, and a little one to a task whose process died.
func delayOf(_ int, err error, _ *asynq.Task) time.Duration {
	if d, ok := DelayAfter(err); ok {
		return d
	}
	return time.Second + rand.N(10*time.Second)
}
