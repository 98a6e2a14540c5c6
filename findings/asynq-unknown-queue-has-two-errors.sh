#!/usr/bin/env bash
# asynq v0.26.0: of a queue that no task was ever put into, half of the Inspector does not return ErrQueueNotFound.
#
# The package exports ErrQueueNotFound and says that it is what a missing queue is told by. The methods on one task and
# the lists return it. GetQueueInfo, History and everything that is done to all tasks of a queue (RunAllRetryTasks,
# RunAllArchivedTasks, DeleteAllArchivedTasks, ArchiveAllPendingTasks and their siblings) return an error that
# errors.Is does not recognise; its text begins with NOT_FOUND or INTERNAL_ERROR and has the type nowhere, since that
# is of an internal package. So a program that makes queues as it needs them, one for each customer say, and asks for the
# size of one before its first task, takes "there is nothing yet" for a fault. PauseQueue of such a queue succeeds all
# the same. What is left is to compare the text, or to look into the list of Queues() first.
#
# What runs: asynq's Inspector on an empty Redis of its own. It passes while each method says what is listed here, and
# fails when that changes. Seconds.
#
# Seen on 2026-11-29 with asynq v0.26.0, Redis 7.0.15, Go 1.26.
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
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/hibiken/asynq"
)

func main() {
	i := asynq.NewInspector(asynq.RedisClientOpt{Addr: os.Args[1]})
	defer i.Close()
	for n := 0; n < 100; n++ {
		if _, err := i.Queues(); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	one := func(_ any, err error) error { return err }
	changed := false
	for _, m := range []struct {
		name string
		err  error
		is   bool // ErrQueueNotFound
	}{
		{"ListPendingTasks", one(i.ListPendingTasks("q")), true},
		{"ListArchivedTasks", one(i.ListArchivedTasks("q")), true},
		{"GetTaskInfo", one(i.GetTaskInfo("q", "id")), true},
		{"RunTask", i.RunTask("q", "id"), true},
		{"DeleteQueue", i.DeleteQueue("q", false), true},
		{"GetQueueInfo", one(i.GetQueueInfo("q")), false},
		{"History", one(i.History("q", 3)), false},
		{"RunAllRetryTasks", one(i.RunAllRetryTasks("q")), false},
		{"RunAllArchivedTasks", one(i.RunAllArchivedTasks("q")), false},
		{"DeleteAllArchivedTasks", one(i.DeleteAllArchivedTasks("q")), false},
		{"ArchiveAllPendingTasks", one(i.ArchiveAllPendingTasks("q")), false},
	} {
		is := errors.Is(m.err, asynq.ErrQueueNotFound)
		fmt.Printf("%-22s ErrQueueNotFound: %-5v  %v\n", m.name, is, m.err)
		changed = changed || is != m.is || m.err == nil
	}
	fmt.Printf("%-22s %v\n", "PauseQueue", i.PauseQueue("q"))
	if changed {
		fmt.Println("it is not so any more")
		os.Exit(1)
	}
}
GO
go get github.com/hibiken/asynq@v0.26.0 2>/dev/null
go list -m github.com/hibiken/asynq
redis-server --version | cut -d ' ' -f 3
go run . "127.0.0.1:$port"
