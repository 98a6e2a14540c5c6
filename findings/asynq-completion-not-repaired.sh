#!/usr/bin/env bash
# asynq v0.26.0: a task whose completion could not be written once runs a second time, a minute later.
#
# asynq has a part that is there to repair this: when the write by which a finished task is completed fails, it
# hands the write to its "syncer", which tries again every 5 seconds. One would guess that a single failed write,
# with Redis well again a millisecond later, costs nothing. But what the syncer is handed holds the context of the
# attempt, which is cancelled as soon as the attempt's function returns. So every later try fails at once with
# "context canceled", the task stays active until its lease has ended, and its handler runs again some 60 seconds
# after. A client with more retries of its own hides it; the repair never works.
#
# What runs: asynq's own client, server and inspector on a Redis of its own, with a go-redis hook that fails the
# first completion once, as a lost connection would. It passes while the handler runs twice, and fails when that
# changes. About 90 seconds.
#
# Seen on 2026-11-28 with asynq v0.26.0, go-redis v9.23.0, Redis 7.0.15, Go 1.26.
set -euo pipefail

dir=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
redis-server --port "$port" --bind 127.0.0.1 --dir "$dir" --save '' --appendonly no >"$dir/redis.log" &
redis=$!
trap 'kill "$redis" 2>/dev/null || true; wait "$redis" 2>/dev/null || true; rm -rf "$dir"' EXIT

mkdir "$dir/run"
cd "$dir/run"
cat >go.mod <<'MOD'
module finding

go 1.25
MOD
cat >main.go <<'GO'
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// failOnce fails the first script after the handler has returned: that is the completion.
type failOnce struct {
	finished *atomic.Int64
	failed   atomic.Bool
}

func (f *failOnce) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (f *failOnce) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook { return next }

func (f *failOnce) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		// A completion names the task's own key first; the look for new tasks names the queue's list.
		if a := cmd.Args(); f.finished.Load() > 0 && len(a) > 3 && (a[0] == "evalsha" || a[0] == "eval") &&
			fmt.Sprint(a[3]) == "asynq:{default}:active" && f.failed.CompareAndSwap(false, true) {
			err := errors.New("the connection is lost")
			cmd.SetErr(err)
			return err
		}
		return next(ctx, cmd)
	}
}

func main() {
	var runs atomic.Int64
	began := time.Now()
	again := make(chan time.Duration, 1)
	hook := &failOnce{finished: &runs}
	rdb := redis.NewClient(&redis.Options{Addr: os.Args[1]})
	rdb.AddHook(hook)

	srv := asynq.NewServerFromRedisClient(rdb, asynq.Config{
		Concurrency: 1, LogLevel: asynq.FatalLevel,
		RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return 0 },
	})
	if err := srv.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		if runs.Add(1) == 2 {
			again <- time.Since(began)
		}
		return nil
	})); err != nil {
		fmt.Println(err)
		os.Exit(2)
	}
	client := asynq.NewClientFromRedisClient(redis.NewClient(&redis.Options{Addr: os.Args[1]}))
	if _, err := client.Enqueue(asynq.NewTask("once", nil)); err != nil {
		fmt.Println(err)
		os.Exit(2)
	}
	second := false
	select {
	case after := <-again:
		second = true
		fmt.Printf("the handler returned nil, one write failed, Redis was well; the handler ran again after %.0f s\n", after.Seconds())
	case <-time.After(150 * time.Second):
		fmt.Println("the handler ran once within 150 s")
	}
	srv.Shutdown()
	if !hook.failed.Load() {
		fmt.Println("no completion was seen: asynq's scripts have changed")
		os.Exit(2)
	}
	if !second {
		os.Exit(1)
	}
}
GO
go mod edit -require github.com/hibiken/asynq@v0.26.0 -require github.com/redis/go-redis/v9@v9.23.0
go mod tidy >/dev/null 2>&1
go list -m github.com/hibiken/asynq github.com/redis/go-redis/v9
redis-server --version | cut -d ' ' -f 1-3
go build -o finding .
./finding "127.0.0.1:$port"
