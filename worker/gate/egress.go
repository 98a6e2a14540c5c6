package gate

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/tasks/record"
)

// Egress is the state that all requests of the fleet share which leave by one address. It is
// safe for concurrent use.
//
// Its keys are in a slot of their own, so that asking it costs a round trip. While there
// is no rate and nothing is wrong, workers do not ask for each request: they look once a
// second.
type Egress struct {
	rdb   redis.UniversalClient
	keys  egressKeys
	apart time.Duration
}

// NewEgress returns the egress of a name, which permits so many requests in a second; 0
// is no limit. It uses rdb and never closes it.
func NewEgress(rdb redis.UniversalClient, name string, rate float64) *Egress {
	k := record.EgressKeys(name)
	e := &Egress{rdb: rdb, keys: egressKeys{k[0], k[1], k[2]}}
	if rate > 0 {
		e.apart = time.Duration(float64(time.Second) / rate)
	}
	return e
}

// Limited reports whether there is a rate, so that every request has to ask.
func (e *Egress) Limited() bool { return e.apart > 0 }

// EgressState is how an egress is.
type EgressState struct {
	// Why says what pauses it, [ForAddress] or [ForOutage]; 0 for nothing.
	Why Why
	// Until is when the pause ends, by Redis' clock. It may have passed: then one request goes
	// first, and [Egress.Ask] decides which.
	Until time.Time
}

// Look returns the state. answered says that ECPay answered this process since it looked
// last.
func (e *Egress) Look(ctx context.Context, answered bool) (EgressState, error) {
	_, s, err := e.run(ctx, egressArgs{Op: "look", IsAnswered: answered})
	return s, err
}

// Ask asks for the permission of one request.
func (e *Egress) Ask(ctx context.Context, a Attempt, life time.Duration) (Turn, EgressState, error) {
	return e.run(ctx, egressArgs{Op: "ask", Token: a.Token, Life: life, Apart: e.apart})
}

// Forbidden tells that a request of a merchant met a 403, after which ECPay wants a pause.
// Three merchants within a minute pause the egress, and so does a request that went
// first after a pause.
func (e *Egress) Forbidden(ctx context.Context, a Attempt, merchantID string, pause time.Duration) (EgressState, error) {
	_, s, err := e.run(ctx, egressArgs{Op: "forbidden", Token: a.Token, MerchantID: merchantID, Pause: pause})
	return s, err
}

// Unavailable tells that a request of a merchant was not answered, or answered only that ECPay
// is not available. Three merchants within a minute pause the egress, when nobody was answered
// for 10 seconds; so does a request that went first after a pause. The pause is 15 seconds, and
// doubles up to 5 minutes. answered is as for Look.
func (e *Egress) Unavailable(ctx context.Context, a Attempt, merchantID string, answered bool) (EgressState, error) {
	_, s, err := e.run(ctx, egressArgs{Op: "unavailable", IsAnswered: answered, Token: a.Token, MerchantID: merchantID})
	return s, err
}

// Answered tells that the request that went first was answered: the pause is over.
func (e *Egress) Answered(ctx context.Context, a Attempt) (EgressState, error) {
	_, s, err := e.run(ctx, egressArgs{Op: "answered", IsAnswered: true, Token: a.Token})
	return s, err
}

// Unused tells that the request that was to go first was not sent.
func (e *Egress) Unused(ctx context.Context, a Attempt) (EgressState, error) {
	_, s, err := e.run(ctx, egressArgs{Op: "unused", Token: a.Token})
	return s, err
}

func (e *Egress) run(ctx context.Context, args egressArgs) (Turn, EgressState, error) {
	v, err := egressScript.Run(ctx, e.rdb, e.keys, args)
	if err != nil {
		return Turn{}, EgressState{}, fmt.Errorf("egress: %w", err)
	}
	s := EgressState{Why: v.Kind}
	if s.Why != 0 {
		s.Until = time.UnixMicro(v.Ends)
	}
	return Turn{Wait: v.Wait, Why: v.Why, Probes: v.IsProbe}, s, nil
}
