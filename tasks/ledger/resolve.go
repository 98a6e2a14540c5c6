package ledger

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"time"

	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

//go:embed resolve.lua
var resolveLua string

var resolve = redisx.NewScript[resolveKeys, resolveArgs, string](record.ScriptText(record.ReplicationLua + EndedLua + resolveLua))

type resolveKeys struct {
	Task, Done, Dead, Lock, Replication string
	record.OutcomeKeys
}

type resolveArgs struct {
	ID        string
	Died      string // the death it is about, see died
	Who, Note string
	DoneTTL   time.Duration `unit:"ms"` // of the finish marker, 0 for none
	RecordTTL time.Duration `unit:"ms"`
	Clock     time.Time     `unit:"ms"` // the caller's
	IfUnbegun bool          // only if it was never begun
	Enqueued  time.Time     `unit:"ms"` // by the producer's clock
	Owner     string        // of the outcomes
	Reason    string        // who ended it, and why
	ReasonZh  string
	Nonce     string // of its enqueue
}

// Resolve ends a dead task by a person's word. The death is the one in the entry, which
// the person saw. doneTTL is the life of the finish marker, 0 for none. The answer is
// one of resolve.lua.
func (s *Store) Resolve(ctx context.Context, e Entry, who, note string, doneTTL, recordTTL time.Duration) (string, error) {
	return s.end(ctx, e, who, note, doneTTL, recordTTL, false)
}

func (s *Store) end(ctx context.Context, e Entry, who, note string, doneTTL, recordTTL time.Duration, unbegun bool) (string, error) {
	keys := resolveKeys{
		record.TaskKey(e.ID), record.DoneKey(e.ID), record.DeadKey(e.ID), record.LockKey(e.ID), record.ReplicationKey(s.topology, e.ID),
		record.OutcomeKeysOf(s.topology, record.Owner(e.ID)),
	}
	if err := NoteOutcomes(ctx, s.rdb, s.topology, record.Owner(e.ID)); err != nil {
		return "", err
	}
	why := reasonOf(who, note, unbegun)
	headers := tasks.ParseHeaders(e.Headers)
	v, err := resolve.Run(ctx, s.rdb, keys, resolveArgs{
		e.ID, died(e), who, note, doneTTL, recordTTL, s.now(), unbegun, headers.Enqueued, record.Owner(e.ID),
		why.En, why.Zh, headers.Nonce,
	})
	if err != nil {
		return "", fmt.Errorf("resolve: %w", err)
	}
	return v, nil
}

// reasonOf is why a task has ended that a person ended.
func reasonOf(who, note string, cancelled bool) record.Text {
	what := record.Text{En: "resolved by " + who, Zh: "由 " + who + " 結案"}
	if cancelled {
		what = record.Text{En: "cancelled by " + who + " before it was begun; nothing was sent", Zh: "尚未開始即由 " + who + " 取消，未送出任何請求"}
	}
	return what.About(record.Plain(note))
}

// died names one death in scripts.
func died(e Entry) string {
	if e.Died.IsZero() {
		return ""
	}
	return strconv.FormatInt(e.Died.UnixMilli(), 10)
}
