#!/usr/bin/env bash
# Go 1.26 net/http: a read deadline that a handler sets for a slow body cancels the whole request when it passes.
#
# A handler that takes long uploads gives each read of the body a deadline of its own, by ResponseController's
# SetReadDeadline, and deals with os.ErrDeadlineExceeded when nothing comes: keeps what it has, answers what became of
# it. One would guess that the deadline is about reading alone. But the server reads the connection for the handler,
# takes the error as a client that is gone, and cancels the context of the request. Whatever the handler does after
# that with r.Context(), as a transaction that it wants to commit or rows that it wants to store, fails with "context
# canceled" although the client is there and waits; and code that looks at the context first, as most does, says that
# the client has left. The answer itself still goes out. A handler that sees the deadline pass must go on with a
# context that was taken off the request before (context.WithoutCancel).
#
# What runs: the standard library alone, a client on loopback that sends half of its body and waits for the answer. It
# passes while the context is canceled and the answer arrives, and fails when that changes. A few seconds.
#
# Seen on 2026-11-29 with Go 1.26.8, HTTP/1.1.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'MOD'
module finding

go 1.25
MOD
cat >main.go <<'GO'
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"time"
)

func main() {
	said := make(chan string, 1)
	canceled := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		before := r.Context().Err()
		_ = control.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		part, err := io.ReadAll(r.Body)
		time.Sleep(100 * time.Millisecond)
		canceled = errors.Is(r.Context().Err(), context.Canceled)
		w.Header().Set("Connection", "close")
		fmt.Fprintf(w, "%d bytes came", len(part))
		said <- fmt.Sprintf("body: %d bytes, deadline passed: %v; context before: %v, after: %v",
			len(part), errors.Is(err, os.ErrDeadlineExceeded), before, r.Context().Err())
	}))
	defer server.Close()
	conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf!")
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		panic(err)
	}
	body, err := io.ReadAll(resp.Body)
	fmt.Println(runtime.Version())
	fmt.Println(<-said)
	fmt.Printf("the client, which never left, reads: %s %q %v\n", resp.Status, body, err)
	if !canceled || resp.StatusCode != 200 {
		fmt.Println("this has changed")
		os.Exit(1)
	}
}
GO
go run .
