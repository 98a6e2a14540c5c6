package dashboard

import (
	"context"
	"errors"
	"sync"
)

// errFull means that a room, or the line of one client before it, is full.
var errFull = errors.New("too many at once")

// room lets in a few at a time, and of one client fewer, so that nobody keeps the
// others out.
type room struct {
	slots chan struct{}
	// kept are slots for clients in good standing only; nil for none.
	kept chan struct{}
	// each is how many slots one client may have, line how many of its requests may
	// wait, and crowd how many of all clients'.
	each, line, crowd int

	mu      sync.Mutex
	clients map[string]*client
	inside  int // of all clients, with those that wait
}

// client is who has requests in a room or before it.
type client struct {
	requests int
	slots    chan struct{}
}

func newRoom(slots, kept, each, line, crowd int) *room {
	r := &room{slots: make(chan struct{}, slots), each: each, line: line, crowd: crowd, clients: map[string]*client{}}
	if kept > 0 {
		r.kept = make(chan struct{}, kept)
	}
	return r
}

// enter waits for a slot, and returns how to leave it. It returns [errFull] at once
// where there is no room to wait, and the context's error.
func (r *room) enter(ctx context.Context, who string, goodStanding bool) (leave func(), err error) {
	c, err := r.join(who)
	if err != nil {
		return nil, err
	}
	if _, err := take(ctx, c.slots, nil); err != nil {
		r.part(who)
		return nil, err
	}
	kept := r.kept
	if !goodStanding {
		kept = nil
	}
	slot, err := take(ctx, r.slots, kept)
	if err != nil {
		<-c.slots
		r.part(who)
		return nil, err
	}
	return func() {
		<-slot
		<-c.slots
		r.part(who)
	}, nil
}

// take waits for a slot in either, the first if both have one, and returns which it is.
func take(ctx context.Context, first, second chan struct{}) (chan struct{}, error) {
	select {
	case first <- struct{}{}:
		return first, nil
	default:
	}
	select {
	case first <- struct{}{}:
		return first, nil
	case second <- struct{}{}: // never, without one
		return second, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *room) join(who string) (*client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.clients[who]
	if c == nil {
		c = &client{slots: make(chan struct{}, r.each)}
	}
	if c.requests >= r.each+r.line || r.inside >= cap(r.slots)+cap(r.kept)+r.crowd {
		return nil, errFull
	}
	c.requests++
	r.inside++
	r.clients[who] = c
	return c, nil
}

func (r *room) part(who string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inside--
	c := r.clients[who]
	if c.requests--; c.requests == 0 {
		delete(r.clients, who)
	}
}
