package ledger

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/tasks/record"
)

//go:embed names.lua
var namesLua string

var names = redis.NewScript(namesLua)

// NoteName puts a name into a sorted set of names by when they were noted last:
// [record.OwnersKey], or one of merchants.
func NoteName(ctx context.Context, rdb redis.UniversalClient, key, name string) error {
	c := noteName(key, name)
	return names.Run(ctx, rdb, c.Keys, c.Args...).Err()
}

func noteName(key, name string) *record.Call {
	return &record.Call{Keys: []string{key}, Args: []any{name, 0}}
}

// ForgetName takes a name out of such a set. It does nothing when the name was noted
// within the last hour, far longer than any attempt takes.
func ForgetName(ctx context.Context, rdb redis.UniversalClient, key, name string) error {
	return names.Run(ctx, rdb, []string{key}, name, time.Hour.Milliseconds()).Err()
}

// NoteOwner is called before a letter is written, so that no index is without
// its owner in [record.OwnersKey].
func NoteOwner(ctx context.Context, rdb redis.UniversalClient, id string) error {
	if err := NoteName(ctx, rdb, record.OwnersKey, record.Owner(id)); err != nil {
		return fmt.Errorf("note owner of dead letter: %w", err)
	}
	return nil
}

// ForgetOwner is called for an owner without letters.
func ForgetOwner(ctx context.Context, rdb redis.UniversalClient, name string) error {
	return ForgetName(ctx, rdb, record.OwnersKey, name)
}
