package redisx

import "time"

// What a client's connections to one node are bounded by where nothing else is set.
const (
	// DefaultPool is how many there are at most.
	DefaultPool = 64
	// DefaultIdle is how many stay open while none is used.
	DefaultIdle = 32
	// DefaultIdleTimeout is how long one is idle at most before it is closed rather than used again:
	// less than firewalls and NAT gateways commonly keep a silent one.
	DefaultIdleTimeout = 5 * time.Minute
)
