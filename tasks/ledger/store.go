// Package ledger has the steps by which a dead task gets into the ledger and back into asynq,
// and by which it ends ([Store]), and the audit of them. enqueue and worker/deadletter take the
// same steps. What is stored, and how it is read, is in tasks/record; worker/deadletter lists
// the ledger and acts on it for people.
package ledger

import (
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/seal"
)

// Store moves dead tasks between asynq and the ledger. It is safe for concurrent
// use.
type Store struct {
	rdb       redis.UniversalClient
	topology  redisx.Topology
	inspector *asynqx.Inspector
	client    *asynqx.Client
	retention time.Duration
	now       func() time.Time
	spread    *tasks.Spread
	keys      *seal.Ring
}

// New returns a Store that uses rdb and never closes it. retention is that
// of the tasks it enqueues.
func New(rdb redis.UniversalClient, retention time.Duration, now func() time.Time) *Store {
	return &Store{
		rdb: rdb, topology: redisx.TopologyOf(rdb), inspector: asynqx.NewInspector(rdb), client: asynqx.NewClient(rdb),
		retention: retention, now: now, spread: tasks.NewSpread(tasks.Every(0)),
	}
}

// Spread makes the tasks that are run again stand in their merchants' lines, and
// returns s.
func (s *Store) Spread(spread *tasks.Spread) *Store {
	s.spread = spread
	return s
}

// PayloadKeys makes payloads that are sealed readable, and those that are corrected sealed, and returns
// s.
func (s *Store) PayloadKeys(keys *seal.Ring) *Store {
	s.keys = keys
	return s
}
