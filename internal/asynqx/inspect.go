package asynqx

import (
	"context"
	"errors"
	"fmt"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redisx"
)

// Inspector is asynq's, with contexts: each call returns when its context ends, which asynq's
// own methods do not take. For a context that never ends, no goroutine is started.
type Inspector struct{ asynq *asynq.Inspector }

// NewInspector returns an Inspector that uses rdb and never closes it.
func NewInspector(rdb redis.UniversalClient) *Inspector {
	return &Inspector{asynq.NewInspectorFromRedisClient(rdb)}
}

// Task returns a task, or [ErrNotFound].
func (i *Inspector) Task(ctx context.Context, queue, id string) (*Task, error) {
	return redisx.Within(ctx, func() (*Task, error) {
		info, err := i.asynq.GetTaskInfo(queue, id)
		if err != nil {
			return nil, missing(err)
		}
		return taskOf(info), nil
	})
}

// Waiting returns a page of the tasks of a queue that wait for a time, in the state
// [Scheduled] or [Retry], those whose time comes first in front. The first page is 1. A
// queue that no task was ever put into has none.
func (i *Inspector) Waiting(ctx context.Context, queue, state string, page, size int) ([]*Task, error) {
	list := i.asynq.ListRetryTasks
	if state == Scheduled {
		list = i.asynq.ListScheduledTasks
	}
	return i.listed(ctx, list, queue, page, size)
}

func (i *Inspector) listed(
	ctx context.Context, list func(string, ...asynq.ListOption) ([]*asynq.TaskInfo, error), queue string, page, size int,
) ([]*Task, error) {
	return redisx.Within(ctx, func() ([]*Task, error) {
		infos, err := list(queue, asynq.PageSize(size), asynq.Page(page))
		if err != nil {
			if errors.Is(err, asynq.ErrQueueNotFound) {
				return nil, nil
			}
			return nil, err
		}
		tasks := make([]*Task, len(infos))
		for i, info := range infos {
			tasks[i] = taskOf(info)
		}
		return tasks, nil
	})
}

// Archive takes a task from where it waits into the archive, as a person does. It returns
// [ErrNotFound] when there is none, and another error when it runs or is archived.
func (i *Inspector) Archive(ctx context.Context, queue, id string) error {
	return obeyed(ctx, func() error { return missing(i.asynq.ArchiveTask(queue, id)) })
}

// Run makes a task pending that waits or is archived. It returns [ErrNotFound] when there
// is none, and another error when it is pending or runs, or when there is no such queue.
func (i *Inspector) Run(ctx context.Context, queue, id string) error {
	return obeyed(ctx, func() error {
		err := i.asynq.RunTask(queue, id)
		if errors.Is(err, asynq.ErrTaskNotFound) {
			return missing(err)
		}
		return err
	})
}

// SumUp returns an error when asynq cannot sum up a queue, which its own pages and lists
// cannot show then.
func (i *Inspector) SumUp(ctx context.Context, queue string) error {
	return obeyed(ctx, func() error {
		_, err := i.asynq.GetQueueInfo(queue)
		return err
	})
}

// Process is one that runs servers of asynq's.
type Process struct {
	Host string
	PID  int
}

// Processes returns those that run servers, each once for each server of it.
func (i *Inspector) Processes(ctx context.Context) ([]Process, error) {
	return redisx.Within(ctx, func() ([]Process, error) {
		servers, err := i.asynq.Servers()
		if err != nil {
			return nil, err
		}
		all := make([]Process, len(servers))
		for i, s := range servers {
			all[i] = Process{s.Host, s.PID}
		}
		return all, nil
	})
}

// missing is [ErrNotFound] in asynq's words.
func missing(err error) error {
	if errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound) {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return err
}

func obeyed(ctx context.Context, f func() error) error {
	_, err := redisx.Within(ctx, func() (struct{}, error) { return struct{}{}, f() })
	return err
}

// Queue is what asynq counts of a queue.
type Queue struct {
	Pending, Active, Scheduled, Retry, Archived int
	Paused                                      bool
}

// Queue sums up a queue. One that no task was ever put into is empty.
func (i *Inspector) Queue(ctx context.Context, queue string) (Queue, error) {
	return redisx.Within(ctx, func() (Queue, error) {
		info, err := i.asynq.GetQueueInfo(queue)
		switch {
		case err == nil:
		case saysNoQueue(err):
			return Queue{}, nil
		default:
			return Queue{}, err
		}
		return Queue{info.Pending, info.Active, info.Scheduled, info.Retry, info.Archived, info.Paused}, nil
	})
}

// Pause has asynq take nothing from a queue, and Unpause has it go on. It is no error that it
// is so already.
func (i *Inspector) Pause(ctx context.Context, queue string) error {
	return i.paused(ctx, queue, true, i.asynq.PauseQueue)
}

// Unpause is the opposite of [Inspector.Pause].
func (i *Inspector) Unpause(ctx context.Context, queue string) error {
	return i.paused(ctx, queue, false, i.asynq.UnpauseQueue)
}

// paused does it unless it is so: asynq's error does not tell that from another one.
func (i *Inspector) paused(ctx context.Context, queue string, want bool, do func(string) error) error {
	err := obeyed(ctx, func() error { return do(queue) })
	if err == nil {
		return nil
	}
	if q, failed := i.Queue(ctx, queue); failed == nil && q.Paused == want {
		return nil
	}
	return err
}

// RunRetries makes all tasks pending that wait to be tried again, and returns how many there were.
func (i *Inspector) RunRetries(ctx context.Context, queue string) (int, error) {
	return redisx.Within(ctx, func() (int, error) {
		n, err := i.asynq.RunAllRetryTasks(queue)
		if err != nil && saysNoQueue(err) {
			return 0, nil
		}
		return n, err
	})
}

// ArchivedTasks returns a page of the tasks of a queue that are archived, those that were first in
// front. The first page is 1.
func (i *Inspector) ArchivedTasks(ctx context.Context, queue string, page, size int) ([]*Task, error) {
	return i.listed(ctx, i.asynq.ListArchivedTasks, queue, page, size)
}
