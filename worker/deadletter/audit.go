package deadletter

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/tasks/ledger"
)

// AuditFilter selects entries of the audit; its zero value selects all.
// Conditions are joined.
type AuditFilter struct {
	ID string
	// MerchantID selects one merchant; [record.NoOwner] the tasks whose id names none.
	MerchantID string
	Who        string
	// What is one of [ledger.Acts], alone or among others.
	What string
	// NewerThan is the greatest age; 0 for any.
	NewerThan time.Duration
	// Limit ends the list after that many; 0 for no end.
	Limit int
}

func (f AuditFilter) matches(e ledger.AuditEntry) bool {
	return (f.ID == "" || e.ID == f.ID) && (f.Who == "" || e.Who == f.Who) &&
		(f.What == "" || slices.Contains(strings.Split(e.What, ","), f.What)) &&
		(f.MerchantID == "" || e.Owner() == f.MerchantID)
}

// Audit yields who did what to which task or merchant, the newest first. After an error
// it ends.
func (l *Ledger) Audit(ctx context.Context, f AuditFilter) iter.Seq2[ledger.AuditEntry, error] {
	return func(yield func(ledger.AuditEntry, error) bool) {
		var since time.Time
		if f.NewerThan > 0 {
			now, err := l.rdb.Time(ctx).Result()
			if err != nil {
				yield(ledger.AuditEntry{}, err)
				return
			}
			since = now.Add(-f.NewerThan)
		}
		found := 0
		for e, err := range l.store.Audits(ctx, since) {
			if err == nil && !f.matches(e) {
				continue
			}
			if !yield(e, err) || err != nil {
				return
			}
			if found++; f.Limit > 0 && found >= f.Limit {
				return
			}
		}
	}
}
