#!/usr/bin/env bash
# asynq v0.26.0: a server that is started on a Redis which has reached maxmemory never takes a task, although each task that
# is done would free memory, and it asks Redis for one thousands of times a second meanwhile.
#
# With maxmemory-policy noeviction, which a queue needs, one would guess that a full Redis refuses what is new, and that
# workers go on with what is there and so make room: a task that is done is deleted. But asynq takes a task by RPOPLPUSH,
# which moves an element from one list to another. Redis counts that among the commands that may need memory and refuses
# it while it is full, as it refuses the extension of leases and the heartbeat. So no task is taken, nothing is freed, and a
# restart changes nothing: the backlog waits for memory that only its own end would free. asynq pauses after it has
# found all queues empty, and not after an error: it asks again at once. (A server that runs when the limit is just
# reached may go on, as long as what its tasks free at their end is more than what others take.)
#
# What runs: asynq's own client and server on a Redis of its own. 2,000 tasks are enqueued, maxmemory is set to what is in
# use, and a server runs for 5 seconds, twice. Then maxmemory is raised, and all are done within seconds, after which
# Redis uses less than the first limit. It passes while no task is taken on a full Redis and the server asks at least
# 500 times a second, and fails when that changes. Under a minute.
#
# Seen on 2026-11-28 with asynq v0.26.0, go-redis v9.23.0, Redis 7.0.15, Go 1.26.
set -euo pipefail

dir=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
redis-server --port "$port" --bind 127.0.0.1 --dir "$dir" --save '' --appendonly no --maxmemory-policy noeviction >"$dir/redis.log" &
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
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

var ctx = context.Background()

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(2)
	}
}

// number reads one number of INFO.
func number(rdb *redis.Client, section, format string) (n int64) {
	info, err := rdb.Info(ctx, section).Result()
	must(err)
	for _, line := range strings.Split(info, "\r\n") {
		if _, err := fmt.Sscanf(line, format, &n); err == nil {
			return n
		}
	}
	return 0
}

func used(rdb *redis.Client) int64    { return number(rdb, "memory", "used_memory:%d") }
func refused(rdb *redis.Client) int64 { return number(rdb, "errorstats", "errorstat_OOM:count=%d") }

// serve runs a server until enough says so, and returns how many tasks it did.
func serve(rdb *redis.Client, enough func(done int64) bool) int64 {
	var done atomic.Int64
	srv := asynq.NewServerFromRedisClient(rdb, asynq.Config{Concurrency: 10, LogLevel: asynq.FatalLevel})
	must(srv.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		done.Add(1)
		return nil
	})))
	for !enough(done.Load()) {
		time.Sleep(50 * time.Millisecond)
	}
	srv.Shutdown()
	return done.Load()
}

func main() {
	rdb := redis.NewClient(&redis.Options{Addr: os.Args[1]})
	const tasks, lasts = 2000, 5 * time.Second
	client := asynq.NewClientFromRedisClient(rdb)
	for range tasks {
		_, err := client.Enqueue(asynq.NewTask("work", make([]byte, 300)))
		must(err)
	}
	limit := used(rdb)
	must(rdb.ConfigSet(ctx, "maxmemory", fmt.Sprint(limit)).Err())

	same := true
	for _, what := range []string{"a server on a full Redis", "the same restarted"} {
		before, end := refused(rdb), time.Now().Add(lasts)
		done := serve(rdb, func(int64) bool { return time.Now().After(end) })
		asked := (refused(rdb) - before) / int64(lasts/time.Second)
		fmt.Printf("%s: %d of %d tasks done in %s, refused %d times a second\n", what, done, tasks, lasts, asked)
		same = same && done == 0 && asked >= 500
	}

	must(rdb.ConfigSet(ctx, "maxmemory", fmt.Sprint(2*limit)).Err())
	end := time.Now().Add(30 * time.Second)
	done := serve(rdb, func(n int64) bool { return n == tasks || time.Now().After(end) })
	after := used(rdb)
	fmt.Printf("with more memory: %d of %d tasks done; Redis uses %d bytes, and was full at %d\n", done, tasks, after, limit)
	if !same || done != tasks || after >= limit {
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
