package asynqx

import (
	"context"
	"errors"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// Options of every task. asynq fixes them at enqueue, in the producer's process.
const (
	// MaxRetry is asynq's backstop, never the budget: that is kept by the worker.
	// It is far above what 72 hours of retries can use, and never 0, with which
	// asynq archives a task whose worker crashed before it ran.
	MaxRetry = 10_000
	// Timeout is asynq's limit of one run. The worker keeps a shorter one of its
	// own, so that asynq never starts a task again while a handler still runs.
	Timeout = 90 * time.Second
)

// Errors about what asynq has.
var (
	// ErrNotFound means that asynq has no such task.
	ErrNotFound = errors.New("asynq has no such task")
	// ErrExists means that asynq has a task with the id, so that none was stored.
	ErrExists = errors.New("asynq has a task with this id")
)

// Spec is a task that asynq is to store.
type Spec struct {
	Type, Queue, ID string
	Payload         []byte
	Headers         map[string]string
	// Retention is how long asynq keeps the task once it is done. It counts in seconds.
	Retention time.Duration
	// ProcessAt is when it runs at the earliest; zero for now. asynq counts in seconds.
	ProcessAt time.Time
}

// Task is the task for asynq's own client.
func (s Spec) Task() *asynq.Task {
	options := make([]asynq.Option, 5, 6)
	options[0], options[1] = asynq.TaskID(s.ID), asynq.Queue(s.Queue)
	options[2], options[3], options[4] = asynq.MaxRetry(MaxRetry), asynq.Timeout(Timeout), asynq.Retention(s.Retention)
	if !s.ProcessAt.IsZero() {
		options = append(options, asynq.ProcessAt(s.ProcessAt))
	}
	return asynq.NewTaskWithHeaders(s.Type, s.Payload, s.Headers, options...)
}

// Client stores tasks.
type Client struct{ asynq *asynq.Client }

// NewClient returns a Client that uses rdb and never closes it.
func NewClient(rdb redis.UniversalClient) *Client {
	return &Client{asynq.NewClientFromRedisClient(rdb)}
}

// Enqueue stores a task and returns its state, [Pending] or [Scheduled]. It returns
// [ErrExists] when asynq has one with the id.
func (c *Client) Enqueue(ctx context.Context, s Spec) (state string, err error) {
	info, err := c.asynq.EnqueueContext(ctx, s.Task())
	switch {
	case errors.Is(err, asynq.ErrTaskIDConflict):
		return "", ErrExists
	case err != nil:
		return "", err
	}
	return info.State.String(), nil
}

// Task is a task as asynq has it.
type Task struct {
	ID, Queue, Type string
	// State is the name of a state: [Pending], [Active], [Scheduled], [Retry], [Archived]
	// or [Completed].
	State             string
	Payload           []byte
	Headers           map[string]string
	MaxRetry, Retried int
	// LastErr is the error of the last run that failed, and LastFailedAt when that was.
	LastErr      string
	LastFailedAt time.Time
	// NextProcessAt is when it runs next: the time for which it waits, about now when it is
	// pending, else zero.
	NextProcessAt time.Time
}

func taskOf(i *asynq.TaskInfo) *Task {
	return &Task{
		ID: i.ID, Queue: i.Queue, Type: i.Type, State: i.State.String(), Payload: i.Payload, Headers: i.Headers,
		MaxRetry: i.MaxRetry, Retried: i.Retried, LastErr: i.LastErr, LastFailedAt: i.LastFailedAt, NextProcessAt: i.NextProcessAt,
	}
}
