package worker

import (
	"context"
	"fmt"
	"sort"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ecpayq/ecpayq/internal/asynqx"
)

// simAsynq is asynq v0.26 as far as a server of it changes Redis: the same keys,
// the same steps. What enqueues, lists and runs tasks is asynq's own client and
// inspector; TestTheModelOfAsynqDoesWhatAsynqDoes holds the rest to the real
// server. Statistics are left out: nothing is decided by them.
type simAsynq struct{ r *simRedis }

// Limits that asynq does not let one choose.
const (
	asynqLease      = 30 * time.Second
	asynqLeaseGrace = 30 * time.Second
)

func asynqKey(queue, name string) string { return "asynq:{" + queue + "}:" + name }

// message is asynq's task as it encodes it, by the numbers of its fields.
type message struct {
	typeName, id, queue string
	payload             []byte
	headers             map[string]string
	retention           int64
	retry, retried      int64
	raw                 []byte
}

// Field numbers of asynq's TaskMessage.
const (
	fieldType, fieldPayload, fieldID, fieldQueue, fieldRetry, fieldRetried, fieldError = 1, 2, 3, 4, 5, 6, 7
	fieldFailedAt, fieldRetention, fieldCompletedAt, fieldHeaders                      = 11, 12, 13, 15
)

func decodeMessage(raw string) message {
	m := message{raw: []byte(raw), headers: map[string]string{}}
	for b := m.raw; len(b) > 0; {
		num, kind, n := protowire.ConsumeTag(b)
		b = b[n:]
		switch kind {
		case protowire.VarintType:
			v, n := protowire.ConsumeVarint(b)
			b = b[n:]
			switch num {
			case fieldRetry:
				m.retry = int64(v)
			case fieldRetried:
				m.retried = int64(v)
			case fieldRetention:
				m.retention = int64(v)
			}
		case protowire.BytesType:
			v, n := protowire.ConsumeBytes(b)
			b = b[n:]
			switch num {
			case fieldType:
				m.typeName = string(v)
			case fieldPayload:
				m.payload = v
			case fieldID:
				m.id = string(v)
			case fieldQueue:
				m.queue = string(v)
			case fieldHeaders:
				key, value := mapEntry(v)
				m.headers[key] = value
			}
		default:
			panic(fmt.Sprintf("asynq's message has a field %d of kind %d", num, kind))
		}
	}
	return m
}

func mapEntry(b []byte) (key, value string) {
	for len(b) > 0 {
		num, _, n := protowire.ConsumeTag(b)
		b = b[n:]
		v, n := protowire.ConsumeBytes(b)
		b = b[n:]
		if num == 1 {
			key = string(v)
		} else {
			value = string(v)
		}
	}
	return key, value
}

// with returns the message with fields replaced: of a field that stands twice,
// protobuf takes the last.
func (m message) with(fields map[protowire.Number]any) string {
	out := append([]byte{}, m.raw...)
	nums := make([]int, 0, len(fields))
	for num := range fields {
		nums = append(nums, int(num))
	}
	sort.Ints(nums)
	for _, n := range nums {
		num := protowire.Number(n)
		switch v := fields[num].(type) {
		case int64:
			out = protowire.AppendVarint(protowire.AppendTag(out, num, protowire.VarintType), uint64(v))
		case string:
			out = protowire.AppendString(protowire.AppendTag(out, num, protowire.BytesType), v)
		}
	}
	return string(out)
}

// dequeue takes the next task of a queue.
func (a simAsynq) dequeue(queue string) (message, bool) {
	if a.r.number("EXISTS", asynqKey(queue, "paused")) == 1 {
		return message{}, false
	}
	id, ok := a.r.direct("RPOPLPUSH", asynqKey(queue, "pending"), asynqKey(queue, "active")).(string)
	if !ok {
		return message{}, false
	}
	key := asynqKey(queue, "t:"+id)
	a.r.direct("HSET", key, "state", "active")
	a.r.direct("HDEL", key, "pending_since")
	a.r.direct("ZADD", asynqKey(queue, "lease"), time.Now().Add(asynqLease).Unix(), id)
	raw, ok := a.r.direct("HGET", key, "msg").(string)
	if !ok {
		return message{}, false // asynq cannot decode it either; the id stays active for ever
	}
	return decodeMessage(raw), true
}

// extend is a heartbeat.
func (a simAsynq) extend(queue, id string) {
	a.r.direct("ZADD", asynqKey(queue, "lease"), "XX", time.Now().Add(asynqLease).Unix(), id)
}

// release takes a task from the active ones. As in asynq's scripts, the first
// step stays done when the second finds nothing.
func (a simAsynq) release(queue, id string) bool {
	return a.r.number("LREM", asynqKey(queue, "active"), 0, id) > 0 && a.r.number("ZREM", asynqKey(queue, "lease"), id) > 0
}

// doneScript is what follows a handler that returned nil: a script, which a client may put
// another before. As in [simAsynq.release], the first step stays done when the second finds
// nothing.
var doneScript = redis.NewScript(`
local id, ends, msg = ARGV[1], ARGV[2], ARGV[3]
if redis.call('LREM', KEYS[1], 0, id) == 0 or redis.call('ZREM', KEYS[2], id) == 0 then
  return redis.error_reply('NOT FOUND')
end
if ends == '0' then
  redis.call('DEL', KEYS[4])
elseif redis.call('ZADD', KEYS[3], ends, id) == 1 then
  redis.call('HSET', KEYS[4], 'msg', msg, 'state', 'completed')
end
return redis.status_reply('OK')`)

// complete runs it by asynq's client.
func (simAsynq) complete(rdb redis.Scripter, m message) error {
	now, ends := time.Now().Unix(), int64(0)
	if m.retention > 0 {
		ends = now + m.retention
	}
	var keys []string
	for _, name := range []string{"active", "lease", "completed", "t:" + m.id} {
		keys = append(keys, asynqKey(m.queue, name))
	}
	return doneScript.Run(context.Background(), rdb, keys, m.id, ends, m.with(map[protowire.Number]any{fieldCompletedAt: now})).Err()
}

// retryAt is what follows a handler that returned an error, or a lease that
// expired.
func (a simAsynq) retryAt(m message, at time.Time, text string, failure bool) bool {
	if !a.release(m.queue, m.id) {
		return false
	}
	fields := map[protowire.Number]any{fieldError: text, fieldFailedAt: time.Now().Unix()}
	if failure {
		fields[fieldRetried] = m.retried + 1
	}
	a.r.direct("ZADD", asynqKey(m.queue, "retry"), at.Unix(), m.id)
	a.r.direct("HSET", asynqKey(m.queue, "t:"+m.id), "msg", m.with(fields), "state", "retry")
	return true
}

// archive is what follows a handler that returned SkipRetry, or the last retry.
// Trimming is left out: no simulation has thousands of tasks.
func (a simAsynq) archive(m message, text string) bool {
	if !a.release(m.queue, m.id) {
		return false
	}
	a.r.direct("ZADD", asynqKey(m.queue, "archived"), time.Now().Unix(), m.id)
	a.r.direct("HSET", asynqKey(m.queue, "t:"+m.id), "msg",
		m.with(map[protowire.Number]any{fieldError: text, fieldFailedAt: time.Now().Unix()}), "state", "archived")
	return true
}

// requeue is what a shutdown does with a task that did not end in time.
func (a simAsynq) requeue(m message) bool {
	if !a.release(m.queue, m.id) {
		return false
	}
	a.r.direct("RPUSH", asynqKey(m.queue, "pending"), m.id)
	a.r.direct("HSET", asynqKey(m.queue, "t:"+m.id), "state", "pending")
	return true
}

// forward makes tasks pending whose time has come.
func (a simAsynq) forward(queue string) {
	now := time.Now()
	for _, from := range []string{"scheduled", "retry"} {
		for _, id := range a.r.list("ZRANGEBYSCORE", asynqKey(queue, from), "-inf", now.Unix()) {
			a.r.direct("LPUSH", asynqKey(queue, "pending"), id)
			a.r.direct("ZREM", asynqKey(queue, from), id)
			a.r.direct("HSET", asynqKey(queue, "t:"+id), "state", "pending", "pending_since", now.UnixNano())
		}
	}
}

// recover gives tasks back whose lease has expired long enough ago.
func (a simAsynq) recover(queue string) {
	cutoff := time.Now().Add(-asynqLeaseGrace).Unix()
	for _, id := range a.r.list("ZRANGEBYSCORE", asynqKey(queue, "lease"), "-inf", cutoff) {
		raw, ok := a.r.direct("HGET", asynqKey(queue, "t:"+id), "msg").(string)
		if !ok {
			continue
		}
		m := decodeMessage(raw)
		err := fmt.Errorf("asynq: task lease expired")
		if m.retried >= m.retry {
			a.archive(m, err.Error())
		} else {
			a.retryAt(m, time.Now().Add(retryDelay(int(m.retried), err, nil)), err.Error(), asynqx.Counts(err))
		}
	}
}

// next is when something happens by itself: a retry or a schedule comes due.
func (a simAsynq) next(queue string) (time.Time, bool) {
	var first time.Time
	for _, from := range []string{"scheduled", "retry"} {
		w := a.r.list("ZRANGE", asynqKey(queue, from), 0, 0, "WITHSCORES")
		if len(w) < 2 {
			continue
		}
		score, _ := strconv.ParseFloat(w[1], 64)
		if at := time.Unix(int64(score), 0); first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first, !first.IsZero()
}

// waiting counts the tasks of a queue that are not at an end.
func (a simAsynq) waiting(queue string) (n int) {
	for _, list := range []string{"pending", "active"} {
		n += a.r.number("LLEN", asynqKey(queue, list))
	}
	for _, set := range []string{"scheduled", "retry"} {
		n += a.r.number("ZCARD", asynqKey(queue, set))
	}
	return n
}
