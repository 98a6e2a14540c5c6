// Package asynqxtest brings tasks of asynq's into states for tests.
package asynqxtest

import (
	"context"
	"errors"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ecpayq/ecpayq/internal/asynqx"
)

// GiveUp archives a task as asynq (v0.26) does by itself when its handler says so: with
// the text and the time of the failure, which tell it from one that a person archived.
func GiveUp(ctx context.Context, rdb redis.UniversalClient, queue, id string) error {
	if err := asynq.NewInspectorFromRedisClient(rdb).ArchiveTask(queue, id); err != nil {
		return err
	}
	key := asynqx.TaskKey(queue, id)
	msg, err := rdb.HGet(ctx, key, "msg").Bytes()
	if err != nil {
		return err
	}
	const text, failedAt = 7, 11 // numbers of fields; of one that stands twice protobuf takes the last
	now := time.Now().Unix()
	msg = protowire.AppendString(protowire.AppendTag(msg, text, protowire.BytesType), "dead: "+asynq.SkipRetry.Error())
	msg = protowire.AppendVarint(protowire.AppendTag(msg, failedAt, protowire.VarintType), uint64(now))
	at := redis.Z{Score: float64(now), Member: id}
	return errors.Join(rdb.HSet(ctx, key, "msg", msg).Err(), rdb.ZAdd(ctx, asynqx.Key(queue, asynqx.Archived), at).Err())
}
