package enqueue

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/tasks/record"
)

// Outcome is one end of a task; see [record.Outcome].
type Outcome = record.Outcome

// ErrCursor means that what was given as a cursor is none.
var ErrCursor = record.ErrCursor

// OutcomeGapError tells that something would be missed or read twice; see [record.OutcomeGapError].
type OutcomeGapError = record.OutcomeGapError

// OutcomeQueryError is a mistake in what is asked for.
type OutcomeQueryError = record.OutcomeQueryError

// Feed says which outcomes [Client.Outcomes] yields.
type Feed struct {
	// After is the Cursor of the last outcome that was dealt with, empty to begin with the oldest
	// that is kept.
	After string
	// Merchants are those that are wanted, none for all.
	Merchants []string
	// Follow waits for more at the end, until ctx is done or the loop is left.
	Follow bool
	// Broken is told merchants whose outcomes cannot be read, since another program wrote their key
	// in Redis, when they are first met. The outcomes of the others are read; nil tells nobody.
	Broken func(merchants []string)
}

// followWait is how long one look of a reader who follows lasts.
const followWait = 20 * time.Second

// Outcomes yields how tasks ended, as it was recorded: each end once, in order within a merchant,
// numbered by [Outcome].Seq without a gap. Store the Cursor of an outcome together with what you
// did about it, and begin there the next time. After an error it ends: one that wraps [ErrCursor]
// or is a [*OutcomeGapError], which says where to go on, or one that wraps [ErrRedis].
func (c *Client) Outcomes(ctx context.Context, f Feed) iter.Seq2[Outcome, error] {
	q := record.OutcomeQuery{After: f.After, Merchants: f.Merchants, Limit: record.MaxOutcomes}
	if f.Follow {
		q.Wait = followWait
	}
	return func(yield func(Outcome, error) bool) {
		var broken []string
		for {
			page, err := c.OutcomePage(ctx, q)
			if err != nil {
				yield(Outcome{}, err)
				return
			}
			if !slices.Equal(page.Broken, broken) && len(page.Broken) > 0 && f.Broken != nil {
				f.Broken(page.Broken)
			}
			broken = page.Broken
			for _, o := range page.Outcomes {
				if !yield(o, nil) {
					return
				}
			}
			if len(page.Outcomes) == 0 && !f.Follow {
				return
			}
			q.After = page.Next
		}
	}
}

// OutcomePage returns the outcomes after a cursor, and waits for one as long as the query says.
func (c *Client) OutcomePage(ctx context.Context, q record.OutcomeQuery) (record.OutcomePage, error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout+max(0, q.Wait))
	defer cancel()
	page, err := obey(ctx, c.own, func() (record.OutcomePage, error) { return c.reader.Outcomes(ctx, q) })
	var gap *OutcomeGapError
	var query *OutcomeQueryError
	switch {
	case err == nil, errors.Is(err, ErrCursor), errors.As(err, &gap), errors.As(err, &query):
		return page, err
	case caller.Err() != nil:
		return page, fmt.Errorf("outcomes: %w", context.Cause(caller))
	}
	err = record.PlainError(err)
	if ctx.Err() != nil {
		err = fmt.Errorf("%w (%s)", context.Cause(ctx), strings.TrimSpace(err.Error()))
	}
	return page, fmt.Errorf("outcomes: %w: %w", ErrRedis, err)
}
