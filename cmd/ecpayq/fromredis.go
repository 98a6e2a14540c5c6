package main

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// redisErrors notes which errors a Redis client met, other than those that Redis itself
// answered: a command's own error is not to be taken for one.
type redisErrors struct {
	mu  sync.Mutex
	met []error
}

const maxMet = 100

func (r *redisErrors) note(err error) error {
	var answer redis.Error
	if err == nil || errors.As(err, &answer) || errors.Is(err, context.Canceled) {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.met) < maxMet {
		r.met = append(r.met, err)
	}
	return err
}

// caused reports whether an error comes from one that the client met. asynq passes only
// the text on.
func (r *redisErrors) caused(err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, met := range r.met {
		if errors.Is(err, met) || strings.Contains(err.Error(), met.Error()) {
			return true
		}
	}
	return false
}

// DialHook implements [redis.Hook].
func (r *redisErrors) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := next(ctx, network, addr)
		return conn, r.note(err)
	}
}

// ProcessHook implements [redis.Hook].
func (r *redisErrors) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { return r.note(next(ctx, cmd)) }
}

// ProcessPipelineHook implements [redis.Hook].
func (r *redisErrors) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		for _, cmd := range cmds {
			_ = r.note(cmd.Err())
		}
		return r.note(err)
	}
}
