package worker

import (
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// intervalWarning warns, once of each merchant, that another process wants a longer interval for
// it than this one: the longest counts for all. A nil one warns of nothing.
type intervalWarning struct {
	log zerolog.Logger

	mu     sync.Mutex
	warned map[string]bool // by MerchantID
}

func newIntervalWarning(log zerolog.Logger) *intervalWarning {
	return &intervalWarning{log: log, warned: map[string]bool{}}
}

// about takes the interval that counts instead of this process', 0 when its own does.
func (w *intervalWarning) about(merchantID string, stricter time.Duration) {
	if w == nil || stricter == 0 {
		return
	}
	w.mu.Lock()
	known := w.warned[merchantID]
	w.warned[merchantID] = true
	w.mu.Unlock()
	if !known {
		w.log.Warn().Str("merchant_id", merchantID).Stringer("interval", stricter).
			Msg("another process keeps a longer interval for this merchant; it counts for all until 5 minutes after its last use: " +
				"give all workers the same")
	}
}
