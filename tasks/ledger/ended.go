package ledger

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// EndedLua is shared by the scripts that end a task; ended.lua says what they pass. It stands
// before them, after the text of [record.ScriptText]. They have the keys Task and Dead and
// those of [record.OutcomeKeys].
//
//go:embed ended.lua
var EndedLua string

// NoteOutcomes is called before an end is recorded, so that on a cluster no merchant has outcomes
// without being in the set of those that have. Elsewhere the script that records the end does
// both.
func NoteOutcomes(ctx context.Context, rdb redis.UniversalClient, of redisx.Topology, owner string) error {
	if !of.Cluster() {
		return nil
	}
	if err := rdb.SAdd(ctx, record.OutcomeOwnersKey, owner).Err(); err != nil {
		return fmt.Errorf("note merchant of outcomes: %w", err)
	}
	return nil
}
