package redishealth

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// lookTimeout bounds each look at a port.
const lookTimeout = 500 * time.Millisecond

// Diagnose looks again where an error does not say enough: what ended or does not answer
// may be a port with TLS, or without, or a server with too many clients; what is refused
// in a script is not named; a Sentinel is no Redis. It returns the error with what it
// found, or as it is. It takes at most about a second more, and less when ctx ends.
func Diagnose(ctx context.Context, rdb redis.UniversalClient, err error) error {
	switch ReasonOf(err) {
	case Timeout, BrokenOff:
		if r := lookAtPorts(ctx, rdb); r != "" {
			return &Error{Reason: r, Err: err}
		}
	case Unsupported:
		if info, e := rdb.Info(ctx, "server").Result(); e == nil && strings.Contains(info, "redis_mode:sentinel") {
			return &Error{Reason: IsSentinel, Err: err}
		}
	case Denied:
		if refused(err) == "" {
			if what := findRefused(ctx, rdb); what != "" {
				return &Error{Denied, what, err}
			}
		}
	}
	return err
}

// lookAtPorts looks at where the client connects to. A client of Sentinels connects to
// what they name; its own addresses are not known to it.
func lookAtPorts(ctx context.Context, rdb redis.UniversalClient) Reason {
	network, addresses, secure := redisx.TopologyOf(rdb).Addresses()
	var away Reason
	for _, addr := range addresses {
		r, reached := lookAt(ctx, network, addr, secure)
		if reached {
			return r
		}
		away = r
	}
	return away
}

func lookAt(ctx context.Context, network, addr string, secure *tls.Config) (r Reason, reached bool) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return ReasonOf(err), false // a deadline that ended while it was tried again hides it
	}
	defer conn.Close()
	// A server with too many clients says so before it is asked.
	if greeting := readSome(conn, lookTimeout/4); greeting != "" {
		return ReasonOf(answer(strings.TrimPrefix(strings.TrimSpace(greeting), "-"))), true
	}
	if secure != nil {
		_, _ = conn.Write([]byte("PING\r\n"))
		if reply := readSome(conn, lookTimeout/2); strings.HasPrefix(reply, "+") || strings.HasPrefix(reply, "-") {
			return IsPlain, true
		}
		return "", true
	}
	// Whose certificate it is does not matter: nothing is sent by this connection.
	shake := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: secureName(addr)})
	err = shake.HandshakeContext(ctx)
	var alert tls.AlertError
	if err == nil || errors.As(err, &alert) || strings.Contains(err.Error(), "remote error: tls:") {
		return IsTLS, true
	}
	return "", true
}

func secureName(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return host
}

// readSome reads what comes within a time.
func readSome(conn net.Conn, limit time.Duration) string {
	_ = conn.SetReadDeadline(time.Now().Add(limit))
	defer func() { _ = conn.SetReadDeadline(time.Time{}) }()
	buf := make([]byte, 256)
	n, _ := conn.Read(buf)
	return string(buf[:n])
}

// needed are the commands that ecpayq's and asynq's scripts run, each as it does nothing
// or next to nothing to a key of the probe's own.
func needed(key string) [][]any {
	return [][]any{
		{"TIME"}, {"INFO", "replication"}, {"PING"},
		{"EXISTS", key}, {"GET", key}, {"TTL", key}, {"PTTL", key}, {"DEL", key}, {"EXPIRE", key, 60}, {"PEXPIRE", key, 60000},
		{"HGET", key, "f"}, {"HMGET", key, "f"}, {"HGETALL", key}, {"HDEL", key, "f"}, {"HEXISTS", key, "f"}, {"HLEN", key},
		{"ZREM", key, "m"}, {"ZSCORE", key, "m"}, {"ZRANGE", key, 0, 0}, {"ZCARD", key}, {"ZCOUNT", key, 0, 1}, {"ZREMRANGEBYSCORE", key, 0, 1},
		{"ZRANGEBYSCORE", key, 0, 1}, {"LRANGE", key, 0, 0}, {"LLEN", key}, {"LINDEX", key, 0},
		{"LREM", key, 1, "m"}, {"RPOPLPUSH", key, key}, {"LTRIM", key, 0, 1},
		{"SREM", key, "m"}, {"SMEMBERS", key}, {"SISMEMBER", key, "m"},
		{"SET", key, "1", "PX", 60000}, {"INCR", key}, {"DECR", key}, {"DEL", key},
		{"HSET", key, "f", "1"}, {"HINCRBY", key, "f", 1}, {"DEL", key},
		{"ZADD", key, 1, "m"}, {"DEL", key}, {"LPUSH", key, "m"}, {"RPUSH", key, "m"},
		{"RPOP", key}, {"DEL", key}, {"SADD", key, "m"}, {"DEL", key},
		{"PUBLISH", asynqx.CancelChannel + ":probe", ""},
	}
}

// findRefused names the first command that the user may not run, or the keys.
func findRefused(ctx context.Context, rdb redis.UniversalClient) string {
	_, key := record.ProbeKeys(0)
	pipe := rdb.Pipeline()
	var cmds []*redis.Cmd
	for _, args := range needed(key + ":commands") {
		cmds = append(cmds, pipe.Do(ctx, args...))
	}
	redisx.ExecEach(ctx, pipe)
	for _, cmd := range cmds {
		switch err := cmd.Err(); {
		case ReasonOf(err) != Denied:
		case keysRefused(err):
			return "keys asynq:*"
		default:
			return strings.ToUpper(cmd.Name())
		}
	}
	return ""
}
