package schedule

import (
	"context"
	"errors"
	"sync"
	"time"
)

// reconcile has the work of a slot done, and keeps the claim meanwhile. Should the claim be lost, the work is ended: whoever has it
// now does it anew, which asks only.
func (s *Scheduler) reconcile(ctx context.Context, e Entry, slot time.Time, token string) (Report, error) {
	if s.cfg.Reconcile == nil {
		return Report{}, errors.New("this worker cannot compare: it knows no list of merchants")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	through := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(s.cfg.Lease / 3)
		defer tick.Stop()
		for {
			select {
			case <-through:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
				if mine, err := s.keep(ctx, e, token, 0); err == nil && !mine {
					cancel(errLost)
				}
			}
		}
	})
	r, err := s.cfg.Reconcile(ctx, e, slot)
	close(through)
	wg.Wait()
	if errors.Is(context.Cause(ctx), errLost) {
		return r, errLost
	}
	return r, err
}
