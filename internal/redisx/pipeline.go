package redisx

import (
	"context"
	"errors"
	"slices"

	"github.com/redis/go-redis/v9"
)

// Exec runs a pipeline. A missing value is no error, wherever it stands: go-redis
// returns the first error only, which may hide one that matters. A key of the
// wrong type reads as missing, so that one that was tampered with does not keep
// all others from being read.
func Exec(ctx context.Context, pipe redis.Pipeliner) error {
	cmds, err := pipe.Exec(ctx)
	if Missing(err) {
		for _, c := range cmds {
			if err := c.Err(); !Missing(err) {
				return err
			}
		}
		return nil
	}
	return err
}

// ExecEach runs a pipeline each of whose commands has its answer or its error
// afterwards. go-redis (v9.23) tells the commands nothing when it found no connection
// to send them on: they would look as if they had been answered with nothing.
func ExecEach(ctx context.Context, pipe redis.Pipeliner) {
	cmds, err := pipe.Exec(ctx)
	if err == nil || slices.ContainsFunc(cmds, func(c redis.Cmder) bool { return c.Err() != nil }) {
		return
	}
	for _, c := range cmds {
		c.SetErr(err)
	}
}

// Missing reports whether the error of a command is one that [Exec] reads as a missing value.
func Missing(err error) bool {
	return err == nil || errors.Is(err, redis.Nil) || IsWrongType(err)
}

// IsWrongType reports whether a key has another type than ours: another program wrote it.
func IsWrongType(err error) bool { return redis.HasErrorPrefix(err, "WRONGTYPE") }
