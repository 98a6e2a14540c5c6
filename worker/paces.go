package worker

import (
	"sync"

	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/worker/gate"
)

// paces warns, once of each merchant, that another process wants a longer interval for it than
// this one: the longest counts for all. A nil one warns of nothing.
type paces struct {
	log zerolog.Logger

	mu     sync.Mutex
	warned map[string]bool
}

func newPaces(log zerolog.Logger) *paces { return &paces{log: log, warned: map[string]bool{}} }

func (p *paces) heed(a *attempt, t gate.Turn) {
	if p == nil || t.Stricter == 0 {
		return
	}
	id := a.payload.Request().Merchant()
	p.mu.Lock()
	known := p.warned[id]
	p.warned[id] = true
	p.mu.Unlock()
	if !known {
		p.log.Warn().Str("merchant_id", id).Stringer("interval", t.Stricter).
			Msg("another process keeps a longer interval for this merchant; it counts for all until 5 minutes after its last use: give all workers the same")
	}
}
