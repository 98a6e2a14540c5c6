package deadletter

import "context"

// Hasten runs a task now that waits for a time, see [ledger.Store.Hasten].
func (l *Ledger) Hasten(ctx context.Context, id string) error { return l.store.Hasten(ctx, id) }
