package ledger

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

//go:embed names.lua
var namesLua string

type namesKeys struct{ Names string }

type namesArgs struct {
	Name      string
	UnseenFor time.Duration `unit:"ms"` // to forget it: how long ago the last one must be; 0 notes it
}

var names = redisx.NewScript[namesKeys, namesArgs, int64](namesLua)

// NoteName puts a name into a sorted set of names by when they were noted last:
// [record.OwnersKey], or one of merchants.
func NoteName(ctx context.Context, rdb redis.UniversalClient, key, name string) error {
	_, err := names.Run(ctx, rdb, namesKeys{key}, namesArgs{Name: name})
	return err
}

// ForgetName takes a name out of such a set. It does nothing when the name was noted
// within the last hour, far longer than any attempt takes.
func ForgetName(ctx context.Context, rdb redis.UniversalClient, key, name string) error {
	_, err := names.Run(ctx, rdb, namesKeys{key}, namesArgs{name, time.Hour})
	return err
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
