package ledger

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"time"

	"github.com/ecpayq/ecpayq/tasks/record"
)

//go:embed resolve.lua
var resolveLua string

var resolve = record.NewScript(EndedLua + resolveLua)

// Resolve ends a dead task by a person's word. The death is the one in the entry, which
// the person saw. doneTTL is the life of the finish marker, 0 for none. The answer is
// one of resolve.lua.
func (s *Store) Resolve(ctx context.Context, e Entry, who, note string, doneTTL, recordTTL time.Duration) (string, error) {
	return s.end(ctx, e, who, note, doneTTL, recordTTL, false)
}

func (s *Store) end(ctx context.Context, e Entry, who, note string, doneTTL, recordTTL time.Duration, unbegun bool) (string, error) {
	keys := []string{record.TaskKey(e.ID), record.DoneKey(e.ID), record.DeadKey(e.ID), record.LockKey(e.ID)}
	v, err := resolve.Run(ctx, s.rdb, keys,
		e.ID, died(e), who, note, doneTTL.Milliseconds(), recordTTL.Milliseconds(), s.now().UnixMilli(), flag(unbegun)).Text()
	if err != nil {
		return "", fmt.Errorf("resolve: %w", err)
	}
	return v, nil
}

// died names one death in scripts.
func died(e Entry) string {
	if e.Died.IsZero() {
		return ""
	}
	return strconv.FormatInt(e.Died.UnixMilli(), 10)
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}
