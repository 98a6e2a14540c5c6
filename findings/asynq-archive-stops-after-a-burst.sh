#!/usr/bin/env bash
# asynq v0.26.0: when 8,000 archived tasks of a queue expire together, no task of that queue can be archived any more.
#
# asynq keeps dead tasks for 90 days and drops what is older whenever it archives the next one. One would guess that
# this works for any number. But it hands all expired ids to one Redis command by Lua's unpack, whose stack takes
# some 8,000: with 7,000 the archive is trimmed, with 8,000 the script fails. Redis does not take back what a script
# had done by then, so the task that was to be archived is in the archive, while its hash still says active: the
# Inspector says that it runs, and will neither run nor delete it. Every later death in that queue ends likewise. An
# outage that kills 8,000 tasks within a day, which nobody tidies up, is enough, 90 days later.
#
# What runs: asynq's own client, server and inspector on a Redis of its own. The archive is filled by tasks that asynq
# archived itself; only their scores are set back by 91 days, which stands for the time that passes. It passes while
# 7,000 are trimmed and 8,000 are not, and fails when that changes. Under a minute.
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
	"os"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(2)
	}
}

// expire puts n tasks of a queue into asynq's archive and lets 91 days pass for them.
func expire(rdb *redis.Client, queue string, n int) {
	client, inspector := asynq.NewClientFromRedisClient(rdb), asynq.NewInspectorFromRedisClient(rdb)
	for i := range n {
		_, err := client.Enqueue(asynq.NewTask("old", nil), asynq.Queue(queue), asynq.TaskID(fmt.Sprintf("old%d", i)))
		must(err)
	}
	_, err := inspector.ArchiveAllPendingTasks(queue)
	must(err)
	key := "asynq:{" + queue + "}:archived"
	ids, err := rdb.ZRange(context.Background(), key, 0, -1).Result()
	must(err)
	var old []redis.Z
	for _, id := range ids {
		old = append(old, redis.Z{Score: float64(time.Now().Add(-91 * 24 * time.Hour).Unix()), Member: id})
	}
	must(rdb.ZAdd(context.Background(), key, old...).Err())
}

// die lets a handler give a task up, and returns what the inspector says of it and how many are archived.
func die(rdb *redis.Client, queue string) (state string, run error, archived int64) {
	began := make(chan struct{})
	srv := asynq.NewServerFromRedisClient(rdb, asynq.Config{Concurrency: 1, LogLevel: asynq.FatalLevel, Queues: map[string]int{queue: 1}})
	must(srv.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		close(began)
		return fmt.Errorf("given up: %w", asynq.SkipRetry)
	})))
	_, err := asynq.NewClientFromRedisClient(rdb).Enqueue(asynq.NewTask("new", nil), asynq.Queue(queue), asynq.TaskID("new"))
	must(err)
	<-began
	srv.Shutdown() // waits for the handler and for what becomes of its task
	inspector := asynq.NewInspectorFromRedisClient(rdb)
	state, err = rdb.HGet(context.Background(), "asynq:{"+queue+"}:t:new", "state").Result()
	must(err)
	archived, err = rdb.ZCard(context.Background(), "asynq:{"+queue+"}:archived").Result()
	must(err)
	return state, inspector.RunTask(queue, "new"), archived
}

func main() {
	rdb := redis.NewClient(&redis.Options{Addr: os.Args[1]})
	same := true
	for _, row := range []struct {
		n       int
		trimmed bool
	}{{7000, true}, {8000, false}} {
		queue := fmt.Sprintf("expired%d", row.n)
		expire(rdb, queue, row.n)
		state, run, archived := die(rdb, queue)
		fmt.Printf("%d expired: the dead task's hash says %q, %d in the archive, Inspector.RunTask: %v\n", row.n, state, archived, run)
		trimmed := state == "archived" && run == nil && archived == 1
		stuck := state == "active" && run != nil && archived == int64(row.n)+1
		same = same && (row.trimmed && trimmed || !row.trimmed && stuck) && !errors.Is(run, asynq.ErrTaskNotFound)
	}
	if !same {
		fmt.Println("this has changed")
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
