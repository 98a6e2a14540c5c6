package asynqx

import (
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
)

// Run is what became of one run of a task. The zero value has it run again at once: nothing is taken
// for done that does not say so.
type Run struct {
	// Done completes the task.
	Done bool
	// Delay is how long the task waits for its next run at least.
	Delay time.Duration
	// Early lets the next run come up to a second earlier: asynq drops what is no whole second.
	Early bool
	// Counts is whether it counts as one that failed.
	Counts bool
	// Archive gives the task up.
	Archive bool
	// Text is what people read of it.
	Text string
}

// Err is what a handler of asynq's returns to have that, nil for a task that is done.
func (r Run) Err() error {
	switch {
	case r.Archive:
		return fmt.Errorf("%s: %w", r.Text, asynq.SkipRetry)
	case r.Done:
		return nil
	}
	return &runError{r}
}

// runError makes asynq run a task again after a delay.
type runError struct{ Run }

// Error implements error.
func (e *runError) Error() string { return e.Text }

// Counts reports whether a run that ended with err counts as one that failed. That of a process that
// died does: else a task that kills its worker would come back for ever.
func Counts(err error) bool {
	var r *runError
	return !errors.As(err, &r) || r.Run.Counts
}

// DelayAfter is how long asynq is to wait after a run that ended with err, and false where no run says
// so, since its process died.
func DelayAfter(err error) (time.Duration, bool) {
	var r *runError
	switch {
	case !errors.As(err, &r):
		return 0, false
	case r.Early:
		return r.Delay, true
	}
	return r.Delay + time.Second - time.Millisecond, true
}
