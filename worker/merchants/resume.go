package merchants

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

//go:embed lift.lua
var liftLua string

var lift = redisx.NewScript[liftKeys, liftArgs, []any](gate.PaceScript(liftLua))

type liftKeys struct{ Pace string }

type liftArgs struct {
	BanEnds time.Time `unit:"us"` // the end of the ban that was seen, zero for none
	Denials []any     // scopes whose keys were refused, each with the end of its pause (Unix microseconds)
}

// heldKinds are those of tasks that are held for their merchant.
var heldKinds = []string{ecpay.Denied.String(), ecpay.Throttled.String(), ecpay.Operator.String()}

// Resumed is what [Inspector.Resume] did.
type Resumed struct {
	ID string `json:"merchant_id"`
	// Banned is until when it would have been banned, nil when it was not.
	Banned *time.Time `json:"banned_until,omitempty"`
	// Denied are the services and fingerprints that were refused.
	Denied []string `json:"denied,omitempty"`
	Woken
}

// Resume ends the pauses of a merchant on a person's word, and wakes all its tasks that
// are held for it, along its pace; not those that wait for something of their own,
// like an unanswered write for its fence. It may be interrupted and run twice. It
// returns [ErrNotFound] when nothing is known of the merchant.
func (m *Inspector) Resume(ctx context.Context, id, by, note string) (Resumed, error) {
	r := Resumed{ID: id}
	shown, err := m.Get(ctx, id)
	if err != nil {
		return r, err
	}
	if err := ledger.Audit(ctx, m.rdb, ledger.AuditEntry{Who: by, What: ledger.ActResume, MerchantID: id, Note: note}); err != nil {
		return r, err
	}
	was, err := lift.Run(ctx, m.rdb, liftKeys{record.KeysOf(id).Pace}, shown.pauses())
	if err != nil {
		return r, fmt.Errorf("end pauses: %w", err)
	}
	for i, v := range was {
		switch v := v.(type) {
		case int64:
			if i == 0 && v > 0 {
				until := time.UnixMicro(v).In(ecpay.Taipei)
				r.Banned = &until
			}
		case string:
			r.Denied = append(r.Denied, v)
		}
	}
	// A task may have been held this moment, and asynq may not have it back yet.
	for range resumeRounds {
		w, err := m.Wake(ctx, id, 0, nil, heldKinds...)
		r.Tasks += w.Tasks
		r.Running = w.Running
		if err != nil || w.Running == 0 {
			return r, err
		}
		select {
		case <-time.After(resumePause):
		case <-ctx.Done():
			return r, ctx.Err()
		}
	}
	return r, nil
}

// pauses are those of the merchant, as lift.lua wants to know them.
func (m Merchant) pauses() liftArgs {
	var seen liftArgs
	if m.Ban != nil {
		seen.BanEnds = m.Ban.Until
	}
	for _, d := range m.Denied {
		seen.Denials = append(seen.Denials, gate.Scope(ecpay.Category(d.Service), d.Fingerprint), d.NextProbe.UnixMicro())
	}
	return seen
}

const (
	resumeRounds = 5
	resumePause  = 200 * time.Millisecond
)
