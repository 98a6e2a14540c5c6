package webhook

import (
	"context"
	"crypto/x509"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/tasks/record"
)

// RetryAfterOf reads a Retry-After, and PauseAfter is how long to wait after a try that failed.
var (
	RetryAfterOf = retryAfterOf
	PauseAfter   = pauseAfter
)

// Trust has a sender take certificates that pool vouches for.
func (s *Sender) Trust(pool *x509.CertPool) {
	s.transport.TLSClientConfig.RootCAs = pool
}

// Scripts are those that one delivery of an endpoint runs.
type Scripts struct {
	queue *queue
	one   delivery
}

// ScriptsOf returns those of an outcome.
func ScriptsOf(rdb redis.UniversalClient, endpoint string, o record.Outcome) (Scripts, error) {
	d, err := encode(o)
	return Scripts{newQueue(rdb, endpoint), d}, err
}

// Put stores the task of the delivery, and moves the position of the merchant.
func (s Scripts) Put(ctx context.Context, merchant, from, to string) (bool, error) {
	return s.queue.forward(ctx, s.one, merchant, from, to)
}

// Begin asks whether it may be sent.
func (s Scripts) Begin(ctx context.Context, interval time.Duration) (wait time.Duration, why string, err error) {
	a, err := s.queue.begin(ctx, s.one, interval)
	return a.Wait, a.Why, err
}

// Finish records how a try ended.
func (s Scripts) Finish(ctx context.Context, a Answer, last bool) (disabled string, givenUp bool, next string, err error) {
	end, err := s.queue.finish(ctx, s.one, a, last)
	return end.Disabled, end.GivenUp, end.Next, err
}

// Skip moves a position over outcomes that were missed.
func (s Scripts) Skip(ctx context.Context, merchant, from, to string, missed int64) (bool, error) {
	return s.queue.skip(ctx, merchant, from, to, missed)
}
