package deadletter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/exactjson"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/tasks/seal"
)

// ReplayOptions is how to replay.
type ReplayOptions struct {
	// DryRun changes nothing and says what would happen.
	DryRun bool
	// Set corrects fields of the payload, by ECPay's names.
	Set map[string]string
	// NotExecuted is a person's word that what was sent without an answer did not
	// happen. It is sent again once it cannot land any more, after a question where ECPay can
	// be asked; see [Result.GoesAt].
	NotExecuted bool
	// Died, when not zero, is the death it is about: a task that died again since is
	// left alone.
	Died time.Time
	// Unnamed means that nobody named this very task, so that it is [ledger.Skipped] when a
	// person stopped it. [Ledger.ReplayAll] takes it so where the filter has no ids.
	Unnamed bool
	// By and Note are for the audit.
	By, Note string
}

func (o ReplayOptions) what() string {
	what := []string{ledger.ActReplay}
	if len(o.Set) > 0 {
		what = append(what, ledger.ActSet)
	}
	if o.NotExecuted {
		what = append(what, ledger.ActNotExecuted)
	}
	return strings.Join(what, ",")
}

// Replay runs one dead task again, with a fresh budget. See [ledger.Store.Revive]
// for why it may be interrupted anywhere and run twice at once. The letter stays
// until the task is done.
func (l *Ledger) Replay(ctx context.Context, id string, o ReplayOptions) (ledger.ActResult, error) {
	r := ledger.Revival{Died: o.Died, Unnamed: o.Unnamed, NotExecuted: o.NotExecuted, DryRun: o.DryRun}
	if len(o.Set) > 0 {
		r.Correct = func(letter ledger.Entry) (tasks.Payload, error) { return corrected(l.keys, letter, o.Set) }
	}
	r.Before = func(ctx context.Context, _ ledger.Entry) error {
		return l.store.Audit(ctx, ledger.AuditEntry{Who: o.By, What: o.what(), ID: id, Note: o.Note, Fields: slices.Sorted(maps.Keys(o.Set))})
	}
	return l.store.Revive(ctx, id, r)
}

// SetError means that a correction cannot be made.
type SetError struct {
	Text string
	// Field is the one that was to be set, empty where the payload as it is stored cannot be read.
	Field string
	// Wrong is what is wrong with the field, nil where it makes the payload larger than may be.
	Wrong *exactjson.Error
	// Sealed is why the payload cannot be opened, nil where that is not the matter.
	Sealed *seal.KeyError
}

// Error implements error.
func (e *SetError) Error() string { return e.Text }

// ZhTW is [SetError.Error] in the Chinese of Taiwan.
func (e *SetError) ZhTW() string {
	switch {
	case e.Sealed != nil:
		return e.Sealed.ZhTW()
	case e.Field == "":
		return "已儲存的任務內容無法讀取"
	case e.Wrong == nil:
		return "欄位「" + e.Field + "」使任務內容過大"
	default:
		return e.Wrong.ZhTW()
	}
}

// corrected returns the letter's payload with fields set. A value is taken as
// JSON where the field is no string, and as text otherwise.
func corrected(keys *seal.Ring, letter ledger.Entry, set map[string]string) (tasks.Payload, error) {
	p, err := keys.Decode(letter.ID, letter.Type, letter.Headers, letter.Payload)
	if err != nil {
		set := &SetError{Text: "the stored payload cannot be corrected: " + err.Error()}
		errors.As(err, &set.Sealed)
		return nil, set
	}
	b, err := tasks.Encode(p)
	if err != nil {
		return nil, err
	}
	for name, value := range set {
		p, err = withField(letter, b, name, value)
		if err != nil {
			return nil, err
		}
		if b, err = tasks.Encode(p); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// withField decodes the payload once more with one field replaced: the strict
// decoder refuses what the type does not have, also a name in another case.
func withField(letter ledger.Entry, payload []byte, name, value string) (tasks.Payload, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(payload, &fields); err != nil {
		return nil, &SetError{Text: "the stored payload cannot be corrected: it is no JSON object"}
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var first error
	for _, v := range []json.RawMessage{text, json.RawMessage(value)} {
		if !json.Valid(v) {
			continue
		}
		fields[name] = v
		b, err := json.Marshal(fields)
		if err != nil {
			return nil, err
		}
		p, err := tasks.Decode(letter.Type, letter.Headers, b)
		if err == nil {
			return p, nil
		}
		if first == nil {
			first = err
		}
	}
	set := &SetError{
		Text: fmt.Sprintf("cannot set %s: %s", name, strings.TrimPrefix(first.Error(), tasks.ErrCorrupt.Error()+": ")), Field: name,
	}
	errors.As(first, &set.Wrong)
	return nil, set
}

// Result is what became of one task of many.
type Result struct {
	ID        string           `json:"id"`
	Kind      ecpay.Kind       `json:"kind"`
	ActResult ledger.ActResult `json:"outcome,omitempty"`
	// Stopped means that a person made the letter: only its id names it.
	Stopped bool `json:"-"`
	// GoesAt is when it is sent at the earliest, nil for at once: with NotExecuted, once what
	// was sent before cannot land any more.
	GoesAt *time.Time `json:"goes_at,omitempty"`
	// Err is why this one could not be replayed; the others go on.
	Err error `json:"-"`
}

// parallel is how many replays run at once.
const parallel = 8

// ReplayAll replays what the filter selects and calls report, one call at a time,
// with each result. Rejected tasks would be rejected again, and ambiguous ones
// need a person to look first, so both are [ledger.Skipped] unless the filter names ids
// or a kind; a correction counts as naming Rejected. What a person stopped is
// [ledger.Skipped] unless the filter names its id. It ends early when Redis is
// away or ctx has ended; calling it again goes on where it ended.
func (l *Ledger) ReplayAll(ctx context.Context, f Filter, o ReplayOptions, report func(Result)) error {
	if o.NotExecuted && len(f.IDs) == 0 && f.Kind == nil {
		return errors.New("say of which tasks: NotExecuted needs ids or a kind")
	}
	f.IDs = unique(f.IDs)
	o.Unnamed = o.Unnamed || len(f.IDs) == 0
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	seen := map[string]bool{} // of the ids that were named
	tell := func(r Result) {
		mu.Lock()
		defer mu.Unlock()
		report(r)
	}
	jobs := make(chan Letter)
	var wg sync.WaitGroup
	for range parallel {
		wg.Go(func() {
			for letter := range jobs {
				o := o
				o.Died = letter.DiedAt
				out, err := l.Replay(ctx, letter.ID, o)
				if err != nil && !isOwn(err) {
					cancel(fmt.Errorf("replay %s: %w", letter.ID, err))
					continue
				}
				tell(Result{
					ID: letter.ID, Kind: letter.Kind, ActResult: out, Stopped: letter.Stopped() || out == ledger.Skipped,
					Err: err, GoesAt: l.goesAt(ctx, letter.ID, o),
				})
			}
		})
	}
	listed, left := f, f.Limit
	listed.Limit = 0 // which counts what is replayed, not what is skipped
	for letter, err := range l.List(ctx, listed) {
		if err != nil {
			cancel(err)
			break
		}
		if len(f.IDs) > 0 {
			seen[letter.ID] = true
		}
		if !f.names(letter, o) {
			tell(Result{ID: letter.ID, Kind: letter.Kind, ActResult: ledger.Skipped, Stopped: letter.Stopped()})
			continue
		}
		select {
		case jobs <- letter:
		case <-ctx.Done():
		}
		if left--; left == 0 || ctx.Err() != nil {
			break
		}
	}
	close(jobs)
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	// Named, and not in the ledger: perhaps archived a moment ago, perhaps done.
	for _, id := range f.IDs {
		if seen[id] {
			continue
		}
		seen[id] = true
		out, err := l.Replay(ctx, id, o)
		if err != nil && !isOwn(err) {
			return fmt.Errorf("replay %s: %w", id, err)
		}
		tell(Result{ID: id, ActResult: out, Err: err, GoesAt: l.goesAt(ctx, id, o)})
	}
	return nil
}

// goesAt is [Result.GoesAt]. The replay has happened, whether that can be read or not.
func (l *Ledger) goesAt(ctx context.Context, id string, o ReplayOptions) *time.Time {
	if !o.NotExecuted || o.DryRun {
		return nil
	}
	at, _ := ledger.GoesAt(ctx, l.rdb, id)
	return record.TimeOrNil(at)
}

// unique drops what was named before, and keeps the order.
func unique(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	var out []string
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

// names reports whether the filter allows to replay a task.
func (f Filter) names(l Letter, o ReplayOptions) bool {
	switch {
	case o.Unnamed && l.Stopped():
		return false
	case len(f.IDs) > 0 || f.Kind != nil:
		return true
	case l.Kind == ecpay.Rejected:
		return len(o.Set) > 0
	default:
		return l.Kind != ecpay.Ambiguous
	}
}

// isOwn reports whether an error is about one task and not about Redis.
func isOwn(err error) bool {
	var invalid *ecpay.ValidationError
	var set *SetError
	var keyless *seal.NoKeyError
	return errors.As(err, &keyless) || errors.As(err, &invalid) || errors.As(err, &set) ||
		errors.Is(err, ledger.ErrOtherID) || errors.Is(err, ledger.ErrNoPayload)
}
