package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/tasks/seal"
)

// Config is what a comparison needs.
type Config struct {
	Reader *record.Reader
	Ask    Ask
	// PageSize is how many invoices are asked for at once, 1 to [ecpay.MaxNumPerPage]. Defaults to [DefaultPageSize].
	PageSize int
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
	// PayloadKeys open what is sealed. Without the key, or with nil, an order whose RelateNumber only a sealed payload has is
	// compared by its number alone.
	PayloadKeys *seal.Ring
}

// Result is what came of a comparison.
type Result struct {
	MerchantID string
	// Day is yyyy-mm-dd in Asia/Taipei.
	Day string
	// Invoices is how many ECPay lists.
	Invoices int
	// From is where the record begins, zero where it has all that ever ended.
	From     time.Time
	Findings []Finding
}

// ErrForeign means that another program wrote the key of the merchant's outcomes.
var ErrForeign = errors.New("another program wrote the key of the merchant's outcomes: they cannot be read")

// Day compares a day of a merchant, by the beginning of the day. It changes nothing.
func Day(ctx context.Context, cfg Config, merchantID string, day time.Time, tsrIsRelateNumber bool) (Result, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.PageSize == 0 {
		cfg.PageSize = DefaultPageSize
	}
	q := Question{MerchantID: merchantID, Day: day.In(ecpay.Taipei), ListedAt: cfg.Now(), TsrIsRelateNumber: tsrIsRelateNumber}
	theirs, err := List(ctx, cfg.Ask, merchantID, q.Day, cfg.PageSize)
	if err != nil {
		return Result{}, err
	}
	ours, err := read(ctx, cfg.Reader, merchantID, q.Day)
	if err != nil {
		return Result{}, err
	}
	look := lookup{reader: cfg.Reader, merchantID: merchantID, keys: cfg.PayloadKeys}
	if err := look.names(ctx, pair(theirs, ours).unpaired); err != nil {
		return Result{}, err
	}
	if err := look.orders(ctx, theirs, &ours); err != nil {
		return Result{}, err
	}
	if err := look.voids(ctx, theirs, ours.Voids); err != nil {
		return Result{}, err
	}
	return Result{
		MerchantID: merchantID, Day: q.day(), Invoices: len(theirs), From: ours.From, Findings: Compare(q, theirs, ours),
	}, nil
}

// read gathers what the feed has that may be about a day: all that ended from the longest delay before it until now.
func read(ctx context.Context, r *record.Reader, merchantID string, day time.Time) (Ours, error) {
	query := record.OutcomeQuery{Merchants: []string{merchantID}, Limit: 1}
	page, err := outcomes(ctx, r, query)
	if err != nil {
		return Ours{}, err
	}
	var from time.Time
	if len(page.Outcomes) > 0 && page.Outcomes[0].Seq > 1 {
		from = page.Outcomes[0].At
	}
	c := newCollector(day)
	began := time.Now()
	for query.Since, query.Limit = day.Add(-longestDelay), record.MaxOutcomes; ; query.After = page.Next {
		if page, err = outcomes(ctx, r, query); err != nil {
			return Ours{}, err
		}
		for _, o := range page.Outcomes {
			c.add(o)
		}
		// What ends meanwhile is no reason to read on for ever.
		if n := len(page.Outcomes); n == 0 || page.Outcomes[n-1].At.After(began.Add(clockMargin)) {
			break
		}
	}
	ours := c.ours()
	ours.From = from
	return ours, nil
}

func outcomes(ctx context.Context, r *record.Reader, q record.OutcomeQuery) (record.OutcomePage, error) {
	page, err := r.Outcomes(ctx, q)
	if err == nil && len(page.Broken) > 0 {
		err = ErrForeign
	}
	if err != nil {
		return page, fmt.Errorf("read outcomes of merchant %s: %w", q.Merchants[0], err)
	}
	return page, nil
}

// lookup finds what the feed leaves open by the ids of tasks.
type lookup struct {
	reader     *record.Reader
	merchantID string
	keys       *seal.Ring // nil for none
}

// lookedAtOnce is how many tasks are read at once.
const lookedAtOnce = 200

// each reads tasks, in pieces. What is not there, or cannot be run, is passed over.
func (l lookup) each(ctx context.Context, ids []string, f func(n int, t record.Task)) error {
	n := 0
	for chunk := range slices.Chunk(ids, lookedAtOnce) {
		for _, found := range l.reader.GetAll(ctx, chunk) {
			switch {
			case errors.Is(found.Err, record.ErrNotFound), errors.Is(found.Err, record.ErrStuck), redisx.IsWrongType(found.Err):
			case found.Err != nil:
				return fmt.Errorf("look up a task of merchant %s: %w", l.merchantID, found.Err)
			default:
				f(n, found.Task)
			}
			n++
		}
	}
	return nil
}

// names gives orders the RelateNumber that the payload of their task has, as long as it is kept.
func (l lookup) names(ctx context.Context, orders []*Order) error {
	var open []*Order
	var ids []string
	for _, o := range orders {
		if o.Number == "" && o.RelateNumber == "" {
			open, ids = append(open, o), append(ids, o.TaskID)
		}
	}
	return l.each(ctx, ids, func(n int, t record.Task) {
		stored := t.Payload
		if l.keys != nil {
			stored, _ = l.keys.Open(t.ID, t.Type, stored) // nothing, without the key
		}
		var payload struct{ RelateNumber string }
		if json.Unmarshal(stored, &payload) == nil {
			open[n].RelateNumber = payload.RelateNumber
		}
	})
}

// orders adds those of invoices that none is known of, by the ids that their tasks would have.
func (l lookup) orders(ctx context.Context, theirs []Invoice, ours *Ours) error {
	p := pair(theirs, *ours)
	var ids, numbers []string
	for n, i := range theirs {
		if p.of[n] != nil || p.twin[n] != "" || i.RelateNumber == "" {
			continue
		}
		for _, by := range [][2]string{{typeIssue, "RelateNumber"}, {typeTrigger, "Tsr"}, {typeDelay, "Tsr"}} {
			if id, ok := l.id(by[0], map[string]string{by[1]: i.RelateNumber}); ok {
				ids, numbers = append(ids, id), append(numbers, i.RelateNumber)
			}
		}
	}
	return l.each(ctx, ids, func(n int, t record.Task) {
		if s := standingNow(t); s != Unknown {
			ours.Orders = append(ours.Orders, &Order{Standing: s, TaskID: t.ID, RelateNumber: numbers[n]})
		}
	})
}

// voids adds those of invoices that ECPay shows as void and of which none is known.
func (l lookup) voids(ctx context.Context, theirs []Invoice, known map[string]Void) error {
	var ids, numbers []string
	for _, i := range theirs {
		if !i.Voided || i.Created.IsZero() || known[i.Number].Standing != Unknown {
			continue
		}
		subject := map[string]string{"InvoiceNo": i.Number, "InvoiceDate": i.Created.Format(time.DateOnly)}
		if id, ok := l.id(typeInvalid, subject); ok {
			ids, numbers = append(ids, id), append(numbers, i.Number)
		}
	}
	return l.each(ctx, ids, func(n int, t record.Task) {
		if s := standingNow(t); s != Unknown {
			known[numbers[n]] = Void{Standing: s, TaskID: t.ID, Number: numbers[n]}
		}
	})
}

func (l lookup) id(name string, subject map[string]string) (string, bool) {
	typ, ok := tasks.ByName(name)
	if !ok {
		return "", false
	}
	return typ.IDOf(l.merchantID, subject)
}

// standingNow is that of a task, by its state. One that was withdrawn before it was begun, or waits to be, has done nothing.
func standingNow(t record.Task) Standing {
	switch {
	case t.State == record.StateCompleted && t.Kind != nil && *t.Kind == ecpay.Stopped:
		return Unknown
	case t.State == record.StateCompleted:
		return Done
	case t.State == record.StateDead:
		return Dead
	case t.State == record.StateActive || t.Attempts > 0:
		return Underway
	}
	return Unknown
}
