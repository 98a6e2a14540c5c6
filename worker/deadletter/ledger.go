// Package deadletter is the ledger of dead tasks: what needs a person or a
// replay. asynq keeps only the newest few thousand dead tasks, and those for 90
// days; the ledger keeps each until it is done or resolved.
//
// A letter is written by the same script that records the verdict, before asynq
// archives the task (worker/gate). A [Sweeper] copies what asynq archived without
// a verdict. A [Ledger] lists, replays and resolves. The steps themselves are in
// tasks/ledger, since package enqueue needs them too.
package deadletter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/tasks/seal"
)

// Config configures a [Ledger].
type Config struct {
	// Redis is used and never closed.
	Redis redis.UniversalClient
	// Retention is how long asynq keeps a replayed task once it is done. Defaults
	// to 24 h.
	Retention time.Duration
	// FinishTTL is how long a resolved task is recognised. Defaults to [tasks.DefaultFinishTTL].
	FinishTTL time.Duration
	// Interval is the spacing of a merchant's requests, along which replayed tasks are
	// given times. Defaults to 200 ms for all; 0 is none.
	Interval func(merchantID string) time.Duration
	// PayloadKeys open and seal payloads with data of buyers; nil for none. Without them such letters are
	// listed, resolved and replayed as they are, and cannot be corrected.
	PayloadKeys *seal.Ring
	// Now is the clock. Defaults to [time.Now].
	Now func() time.Time
}

// Ledger reads the ledger and acts on it. It is safe for concurrent use.
type Ledger struct {
	rdb       redis.UniversalClient
	store     *ledger.Store
	finishTTL time.Duration
	retention time.Duration
	keys      *seal.Ring
}

// New returns a Ledger.
func New(cfg Config) *Ledger {
	if cfg.Retention == 0 {
		cfg.Retention = tasks.DefaultRetention
	}
	if cfg.FinishTTL == 0 {
		cfg.FinishTTL = tasks.DefaultFinishTTL
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Interval == nil {
		cfg.Interval = tasks.Every(tasks.DefaultInterval)
	}
	store := ledger.New(cfg.Redis, cfg.Retention, cfg.Now).Spread(tasks.NewSpread(cfg.Interval)).PayloadKeys(cfg.PayloadKeys)
	return &Ledger{
		rdb: cfg.Redis, store: store,
		finishTTL: cfg.FinishTTL, retention: cfg.Retention, keys: cfg.PayloadKeys,
	}
}

// Letter is one dead task.
type Letter struct {
	ID    string `json:"id"`
	Type  string `json:"type"`
	Queue string `json:"queue"`
	// MerchantID is empty for a task whose id does not say.
	MerchantID string     `json:"merchant_id,omitempty"`
	Kind       ecpay.Kind `json:"kind"`
	HTTPStatus int        `json:"http_status,omitempty"`
	TransCode  int        `json:"trans_code,omitempty"`
	RtnCode    int64      `json:"rtn_code,omitempty"`
	RtnMsg     string     `json:"rtn_msg,omitempty"`
	// Reason is why it died, Advice what to do; in English, and beside it in Traditional
	// Chinese.
	Reason   string `json:"reason,omitempty"`
	ReasonZh string `json:"reason_zh,omitempty"`
	Advice   string `json:"advice"`
	AdviceZh string `json:"advice_zh"`
	Attempts int    `json:"attempts"`
	// State is where the task is now: dead, or one of asynq's states while it is
	// run again. It is empty when it was not asked for.
	State string `json:"state,omitempty"`
	// By is worker for a verdict, sweeper for a task that asynq archived without, and
	// "by hand: " with who it was for one that a person archived.
	By        string     `json:"by"`
	DiedAt    time.Time  `json:"died_at"`
	FirstAt   *time.Time `json:"first_at,omitempty"`
	LastAt    *time.Time `json:"last_at,omitempty"`
	LastError string     `json:"last_error,omitempty"`
	// InFlightAt is when a write was sent of which nobody knows what became.
	InFlightAt *time.Time `json:"in_flight_at,omitempty"`
	// GoesAt is when that is sent again on a person's word that it did not happen. Only
	// [Ledger.Get] tells.
	GoesAt *time.Time `json:"goes_at,omitempty"`
	// Corrected means that the payload is a correction that was not run yet.
	Corrected bool `json:"corrected,omitempty"`

	// SealedBy is the id of the key with which Payload is sealed, where it is not among
	// Config.PayloadKeys.
	SealedBy string `json:"sealed_by,omitempty"`

	// Payload, Original (before it was corrected) and Headers are as stored, and what is sealed is
	// opened where its key is there. Their JSON form is that of [Letter.Full].
	Payload  []byte            `json:"-"`
	Original []byte            `json:"-"`
	Headers  map[string]string `json:"-"`
}

// Why is the reason in both languages.
func (l Letter) Why() record.Text { return record.Text{En: l.Reason, Zh: l.ReasonZh} }

// ToDo is the advice in both languages.
func (l Letter) ToDo() record.Text { return record.Text{En: l.Advice, Zh: l.AdviceZh} }

// Stopped reports whether a person made the letter, see [record.Record.Stopped].
func (l Letter) Stopped() bool {
	_, ok := record.ArchivedByHand(l.By)
	return ok
}

// FullLetter is a letter with its payload.
type FullLetter struct {
	Letter
	// Payload is there when it is JSON, PayloadBase64 when it is anything else.
	Payload       json.RawMessage   `json:"payload,omitempty"`
	PayloadBase64 []byte            `json:"payload_base64,omitempty"`
	Original      json.RawMessage   `json:"original,omitempty"`
	Headers       map[string]string `json:"headers,omitempty"`
}

// Full returns the form with the payload.
func (l Letter) Full() FullLetter {
	f := FullLetter{Letter: l, Headers: l.Headers}
	if isJSON(l.Payload) {
		f.Payload = l.Payload
	} else {
		f.PayloadBase64 = l.Payload
	}
	if isJSON(l.Original) {
		f.Original = l.Original
	}
	return f
}

func isJSON(b []byte) bool { return utf8.Valid(b) && json.Valid(b) }

// opened is what is stored for a task, opened where it can be, and the id of the key that is missing.
func (l *Ledger) opened(e ledger.Entry, stored []byte) (payload []byte, sealedBy string) {
	payload, err := l.keys.Open(e.ID, e.Type, stored)
	if missing := (*seal.KeyError)(nil); errors.As(err, &missing) {
		sealedBy = missing.Key
	}
	if err != nil {
		return stored, sealedBy
	}
	return payload, ""
}

func (l *Ledger) letter(e ledger.Entry, state string) Letter {
	payload, sealedBy := l.opened(e, e.Payload)
	out := Letter{
		ID: e.ID, Type: e.Type, Queue: e.Queue, Kind: e.Death.Kind, HTTPStatus: e.Death.HTTPStatus, TransCode: e.Death.TransCode,
		RtnCode: e.Death.RtnCode, RtnMsg: e.Death.RtnMsg, Reason: e.Death.Reason.En, ReasonZh: e.Death.Reason.Zh,
		Attempts: e.Attempts, State: state, By: e.By,
		DiedAt: e.Died.In(ecpay.Taipei), FirstAt: record.TimeOrNil(e.First),
		LastAt: record.TimeOrNil(e.Last), InFlightAt: record.TimeOrNil(e.InFlight),
		LastError: e.LastErr, Corrected: e.Corrected, Payload: payload, SealedBy: sealedBy, Headers: e.Headers,
	}
	if e.Original != nil {
		out.Original, _ = l.opened(e, e.Original)
	}
	if owner := record.Owner(e.ID); owner != record.NoOwner {
		out.MerchantID = owner
	}
	advice := Advice(out)
	out.Advice, out.AdviceZh = advice.En, advice.Zh
	return out
}

// ErrNotFound means that the ledger has no such task.
var ErrNotFound = errors.New("no dead letter with this id")

// Get returns one letter, or [ErrNotFound].
func (l *Ledger) Get(ctx context.Context, id string) (Letter, error) {
	letters, err := l.read(ctx, []string{id}, true)
	if err != nil {
		return Letter{}, err
	}
	if len(letters) == 0 {
		return Letter{}, ErrNotFound
	}
	if letters[0].InFlightAt != nil {
		at, err := ledger.GoesAt(ctx, l.rdb, id)
		if err != nil {
			return Letter{}, err
		}
		letters[0].GoesAt = record.TimeOrNil(at)
	}
	return letters[0], nil
}

// read reads letters, those that are in the ledger, in the order of ids.
func (l *Ledger) read(ctx context.Context, ids []string, live bool) ([]Letter, error) {
	all, err := l.store.Entries(ctx, ids)
	if err != nil {
		return nil, err
	}
	states := make([]*redis.StringCmd, len(all))
	if live {
		pipe := l.rdb.Pipeline()
		for i, r := range all {
			if r.InLedger && r.Queue != "" {
				states[i] = pipe.HGet(ctx, asynqx.TaskKey(r.Queue, r.ID), "state")
			}
		}
		if err := redisx.Exec(ctx, pipe); err != nil {
			return nil, fmt.Errorf("read live states: %w", err)
		}
	}
	letters := make([]Letter, 0, len(all))
	for i, r := range all {
		if !r.InLedger {
			continue
		}
		state := ""
		if live {
			state = liveState(states[i], r.State)
		}
		letters = append(letters, l.letter(r, state))
	}
	return letters, nil
}

// liveState trusts asynq for where the task is. A task that it does not have is
// dead: the ledger would not have it otherwise.
func liveState(cmd *redis.StringCmd, ours record.State) string {
	if cmd == nil {
		return record.StateDead
	}
	switch s := cmd.Val(); s {
	case "", "archived":
		return record.StateDead
	case "retry":
		if ours == record.Held || ours == record.Queued {
			return record.StateHeld
		}
		return s
	default:
		return s
	}
}

// State is where a task is now, dead or not: one of the states of [record.Task], empty
// when nothing is known of it.
func (l *Ledger) State(ctx context.Context, id string) (string, error) {
	if _, _, err := tasks.ParseID(id); err != nil {
		return "", nil
	}
	t, err := record.NewReader(l.rdb).Get(ctx, id)
	switch {
	case errors.Is(err, record.ErrStuck):
		return record.StateDead, nil
	case errors.Is(err, record.ErrNotFound):
		return "", nil
	}
	return t.State, err
}

// Cancelled reports whether a task was withdrawn before it was ever begun, and not begun since.
func (l *Ledger) Cancelled(ctx context.Context, id string) (bool, error) {
	there, err := l.rdb.HExists(ctx, record.TaskKey(id), record.FieldCancelled).Result()
	if err != nil {
		return false, fmt.Errorf("look whether %s was cancelled: %w", id, err)
	}
	return there, nil
}

// Resolve ends a dead task by a person's word: the effect is there, or is not
// wanted any more. The finish marker and the removal from the ledger are one
// script, so that no run of the task sends anything after it. note must say why.
func (l *Ledger) Resolve(ctx context.Context, id, by, note string) (ledger.ActResult, error) {
	if strings.TrimSpace(note) == "" {
		return "", errors.New("a note is required: say why nothing more has to happen")
	}
	for range 8 {
		letter, err := l.store.Entry(ctx, id)
		if err != nil {
			return "", err
		}
		queue := letter.Queue
		if queue == "" {
			typ, _, err := tasks.ParseID(id)
			if err != nil {
				return ledger.NotFound, nil
			}
			queue = typ.Queue
		}
		at, err := l.store.Look(ctx, queue, id)
		switch {
		case err != nil:
			return "", err
		case at != asynqx.NoTask && at != asynqx.Completed && !at.Dead():
			return ledger.Busy, nil
		case letter.Finished: // also after a call that did not get to its end
			return ledger.AlreadyDone, l.dropDead(ctx, queue, id, at)
		case !letter.InLedger && !at.Dead():
			if letter.State == record.Done {
				return ledger.AlreadyDone, nil
			}
			return ledger.NotFound, nil
		case !letter.InLedger:
			if _, err := l.store.Deposit(ctx, queue, id, tasks.NewNonce()); err != nil {
				return "", err
			}
			continue
		}
		out, err := l.resolve(ctx, letter, queue, at, by, note)
		if out != "" || err != nil {
			return out, err
		}
	}
	return ledger.Busy, nil
}

func (l *Ledger) resolve(
	ctx context.Context, letter ledger.Entry, queue string, at asynqx.State, by, note string,
) (ledger.ActResult, error) {
	if err := l.store.Audit(ctx, ledger.AuditEntry{Who: by, What: ledger.ActResolve, ID: letter.ID, Note: note}); err != nil {
		return "", err
	}
	doneTTL, recordTTL := l.finishTTL, l.finishTTL
	if p, err := l.keys.Decode(letter.ID, letter.Type, letter.Headers, letter.Payload); err == nil && !tasks.WantedOnce(p) {
		// The same question may be asked again tomorrow: there is no marker by which
		// a sweep would know it, so the ledger lets go last.
		doneTTL, recordTTL = 0, l.retention
		if err := l.dropDead(ctx, queue, letter.ID, at); err != nil {
			return "", err
		}
	}
	v, err := l.store.Resolve(ctx, letter, by, note, doneTTL, recordTTL)
	switch {
	case err != nil:
		return "", err
	case v == "running":
		return ledger.Busy, nil
	case v == "ok":
		return ledger.Resolved, l.dropDead(ctx, queue, letter.ID, at)
	}
	return "", nil // done, gone, or it died again: look anew
}

func (l *Ledger) dropDead(ctx context.Context, queue, id string, at asynqx.State) error {
	if !at.Dead() {
		return nil
	}
	_, err := l.store.Drop(ctx, queue, id)
	return err
}
