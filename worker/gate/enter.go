package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Request is one request of an attempt that wants to go out.
type Request struct {
	// Name tells it from the others of the attempt.
	Name string
	// Interval is the least time between two requests of the merchant, 0 for none, and
	// InFlight how many there may be at once.
	Interval time.Duration
	InFlight int
	// Rank orders it among the merchant's requests.
	Rank Rank
	// Life is how long it may take at most.
	Life time.Duration
	// Now is the worker's clock.
	Now time.Time
	// Scope names the keys that seal it, see [Scope].
	Scope string
	// Egress is the state of the egress as the process knows it: nothing goes out before the end
	// of its pause.
	Egress EgressState
	// Peek asks how long to wait, and takes no permission.
	Peek bool

	// Write marks a write, by the clock that stamps it; Repeats means that an earlier one
	// is still unanswered.
	Write   bool
	Stamp   time.Time
	Repeats bool
	// Before is what is remembered with the mark, see [Gate.Before].
	Before string
}

// Rank orders the requests of a merchant.
type Rank uint8

// The ranks, as pace.lua has them.
const (
	InLine Rank = iota // one after the other, in the order in which they first wanted to go
	Ahead              // likewise, and before those in line
	// Next goes before all others. It is for the second and later requests of an attempt: these
	// are few, since the first had to wait for its turn, and its answer would be out of date
	// after a long wait.
	Next
	// Behind goes only where none in line waits, and one behind the other.
	Behind
)

// Scope names what ECPay may refuse for the keys of a merchant: a service of it, for
// which each is enabled apart, with one key pair.
func Scope(c ecpay.Category, fingerprint string) string { return string(c) + ":" + fingerprint }

// NoKeys stands for the fingerprint of keys that are missing.
const NoKeys = "none"

// Why says for what a request has to wait.
type Why uint8

// The reasons, as pace.lua and egress.lua have them.
const (
	ForTurn    Why = iota + 1 // its turn at the merchant's pace, or one of its requests in flight
	ForBan                    // the end of a pause that ECPay asked for
	ForDenial                 // the end of a pause because ECPay refuses the keys
	ForAddress                // the end of a pause because ECPay bans the address
	ForOutage                 // the end of a pause because ECPay answers nobody
	ForRate                   // its turn at the egress' rate
)

// Turn is the answer to a request that wants to go out.
type Turn struct {
	// Wait is how long to wait before asking again; 0 is the permission, which holds for
	// this moment.
	Wait time.Duration
	Why  Why
	// Probes means that the keys were refused and that this request is the one that
	// tries them again: [Gate.Answered] has to be told what it brings.
	Probes bool
	// Stricter is the interval that is kept because another process wants it, where it is
	// longer than the one asked for; 0 for none.
	Stricter time.Duration
}

// Enter permits a request, by the merchant's pace in the fleet and outside of the
// pauses that ECPay asks for or that its refusals cause, and marks a write with it.
// It returns [ErrSuperseded], [redisx.ErrNotConfirmed] or a Redis error when nothing
// must be sent.
func (g *Gate) Enter(ctx context.Context, a Attempt, r Request) (Turn, error) {
	defer g.since(stepEnter, time.Now())
	keys := enterKeys{a.Keys.Task, a.Keys.Lock, a.Keys.Pace, a.Keys.Flight}
	args := enterArgs{Token: a.Token, Clock: r.Now, requestArgs: r.args(a), IsRepeated: r.Repeats, Before: r.Before}
	if r.Peek || r.Egress.Why != 0 {
		args.egressState = &egressState{r.Egress.Until, r.Egress.Why, r.Peek}
	}
	confirm := g.confirm
	if !r.Write || r.Peek {
		confirm = redisx.Confirm{}
	}
	v, err := enterScript.RunConfirmed(ctx, g.rdb, confirm, keys, args)
	switch {
	case err != nil:
		return Turn{}, fmt.Errorf("mark request: %w", err)
	case !v.IsCurrent:
		return Turn{}, ErrSuperseded
	}
	return Turn{Wait: v.Wait, Why: v.Why, Probes: v.IsProbe, Stricter: v.Stricter}, nil
}

func (r Request) args(a Attempt) requestArgs {
	return requestArgs{
		Request: a.Token + ":" + r.Name, Interval: r.Interval, InFlight: r.InFlight,
		Rank: r.Rank, Life: r.Life, IsWrite: r.Write, Stamp: r.Stamp, Scope: r.Scope,
	}
}

// Before is the [Request.Before] of the write in flight; empty where it had none.
func (g *Gate) Before(ctx context.Context, a Attempt) (string, error) {
	before, err := g.rdb.HGet(ctx, a.Keys.Task, record.FieldBefore).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("read what was there before: %w", err)
	}
	return before, nil
}
