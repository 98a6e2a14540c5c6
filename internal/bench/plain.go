package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/hibiken/asynq"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks"
)

// This file is the other side: what a good engineer writes with asynq alone. The
// request, its encryption and its exchange are those of ecpayq's own client, so
// that only the queue is compared. What it lacks is the point of ecpayq: it
// sends again without asking, and forgets what it did with the task.

// plainType and the id are as long as ecpayq's, so that bytes in Redis compare.
const plainType = "b2c:trigger_issue"

// plainTask is the i-th intent as a plain task.
func plainTask(i int, more ...asynq.Option) (*asynq.Task, error) {
	p := intent(i)
	payload, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	options := append([]asynq.Option{
		asynq.TaskID("b2c.trigger_issue." + p.MerchantID + "." + p.Tsr), asynq.Queue(queue), asynq.MaxRetry(25),
		asynq.Timeout(asynqx.Timeout), asynq.Retention(tasks.DefaultRetention),
	}, more...)
	return asynq.NewTask(plainType, payload, options...), nil
}

// plainHandler carries a plain task to ECPay.
type plainHandler struct {
	client    *ecpay.Client
	merchants map[string]*ecpay.Merchant
}

// ProcessTask implements asynq.Handler.
func (h *plainHandler) ProcessTask(ctx context.Context, t *asynq.Task) error {
	var p tasks.B2CTriggerIssue
	if err := json.Unmarshal(t.Payload(), &p); err != nil {
		return fmt.Errorf("%w: %w", err, asynq.SkipRetry)
	}
	err := h.trigger(ctx, &p)
	var e *ecpay.Error
	if errors.As(err, &e) && e.Kind == ecpay.Rejected {
		return fmt.Errorf("%w: %w", err, asynq.SkipRetry)
	}
	return err
}

// trigger sends the request.
func (h *plainHandler) trigger(ctx context.Context, p *tasks.B2CTriggerIssue) error {
	m := h.merchants[p.MerchantID]
	if m == nil {
		return fmt.Errorf("no keys of %s: %w", p.MerchantID, asynq.SkipRetry)
	}
	_, err := h.client.B2CTriggerIssue(ctx, m, p.Request().(*ecpay.B2CTriggerIssueRequest))
	return err
}

// startPlain runs plain Servers in this process.
func startPlain(o order) (ready, func(), error) {
	h, err := newPlainHandler(o)
	if err != nil {
		return ready{}, nil, err
	}
	opt, err := asynq.ParseRedisURI(o.RedisURL)
	if err != nil {
		return ready{}, nil, err
	}
	mux := asynq.NewServeMux()
	mux.Handle(plainType, h)
	n := max(1, o.Servers)
	var servers []*asynq.Server
	stop := func() {
		var wg sync.WaitGroup
		for _, s := range servers {
			wg.Go(s.Shutdown)
		}
		wg.Wait()
	}
	for i := range n {
		s := asynq.NewServer(opt, asynq.Config{
			Concurrency: o.Concurrency/n + min(1, max(0, o.Concurrency%n-i)), // together Concurrency
			Queues:      tasks.Queues(), TaskCheckInterval: o.CheckInterval, LogLevel: asynq.WarnLevel,
		})
		if err := s.Start(mux); err != nil {
			stop()
			return ready{}, nil, err
		}
		servers = append(servers, s)
	}
	return ready{Servers: n}, stop, nil
}

func newPlainHandler(o order) (*plainHandler, error) {
	base, err := url.Parse(o.ECPayURL)
	if err != nil {
		return nil, err
	}
	h := &plainHandler{}
	if h.client, err = ecpay.New(ecpay.Config{BaseURL: base, Timeout: o.HTTPTimeout, MaxConns: max(64, o.Concurrency)}); err != nil {
		return nil, err
	}
	h.merchants, err = merchantTable()
	return h, err
}

// merchantTable is every merchant with its keys.
func merchantTable() (map[string]*ecpay.Merchant, error) {
	table := map[string]*ecpay.Merchant{}
	for i := range merchants {
		m, err := ecpay.NewMerchant(ecpay.MerchantConfig{
			MerchantID: merchantID(i),
			HashKey:    ecpay.NewSecret(ecpaytest.StageHashKey), HashIV: ecpay.NewSecret(ecpaytest.StageHashIV),
		})
		if err != nil {
			return nil, err
		}
		table[m.ID()] = m
	}
	return table, nil
}

// producer enqueues the i-th intent, in one of the two ways. at is when it is to
// run, zero for at once.
type producer interface {
	enqueue(ctx context.Context, i int, at time.Time) error
	Close() error
}

type plainProducer struct{ *asynq.Client }

func newPlainProducer(redisURL string) (producer, error) {
	opt, err := asynq.ParseRedisURI(redisURL)
	if err != nil {
		return nil, err
	}
	return plainProducer{asynq.NewClient(opt)}, nil
}

func (p plainProducer) enqueue(ctx context.Context, i int, at time.Time) error {
	var more []asynq.Option
	if !at.IsZero() {
		more = append(more, asynq.ProcessAt(at))
	}
	t, err := plainTask(i, more...)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err = p.EnqueueContext(ctx, t)
	return err
}

type ourProducer struct {
	*enqueue.Client
	options []enqueue.Option
}

func newOurProducer(redisURL string, options ...enqueue.Option) (producer, error) {
	c, err := enqueue.New(enqueue.Config{RedisURL: redisURL, Interval: tasks.Every(0)}) // plain asynq spreads nothing either
	return ourProducer{c, options}, err
}

func (p ourProducer) enqueue(ctx context.Context, i int, at time.Time) error {
	options := p.options
	if !at.IsZero() {
		options = append(options[:len(options):len(options)], enqueue.ProcessAt(at))
	}
	r, err := p.TriggerIssue(ctx, *intent(i), options...)
	if err == nil && r.Duplicate {
		err = fmt.Errorf("task %s is a duplicate", r.ID)
	}
	return err
}
