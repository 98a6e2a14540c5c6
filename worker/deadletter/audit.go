package deadletter

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/tasks/record"
)

// AuditEntry is one act of a person or a schedule on a dead task. It never holds
// a payload.
type AuditEntry struct {
	At time.Time `json:"at"`
	// Who is as the caller says.
	Who string `json:"who"`
	// What is replay, set, not-executed or resolve; several joined by commas.
	What string `json:"what"`
	ID   string `json:"id"`
	Note string `json:"note,omitempty"`
	// Fields names what was corrected, without the values.
	Fields []string `json:"fields,omitempty"`
}

// maxAudit bounds the audit, about 10 MB: room for many replays of everything.
const maxAudit = 100_000

// audit is written before the act: an act without an entry is worse than an entry
// without an act.
func (l *Ledger) audit(ctx context.Context, e AuditEntry) error {
	err := l.rdb.XAdd(ctx, &redis.XAddArgs{
		Stream: record.AuditKey, MaxLen: maxAudit, Approx: true,
		Values: []any{"who", e.Who, "what", e.What, "id", e.ID, "note", e.Note, "fields", strings.Join(e.Fields, ",")},
	}).Err()
	if err != nil {
		return fmt.Errorf("write audit: %w", err)
	}
	return nil
}

// Audit returns the newest entries, at most n, newest first.
func (l *Ledger) Audit(ctx context.Context, n int) ([]AuditEntry, error) {
	msgs, err := l.rdb.XRevRangeN(ctx, record.AuditKey, "+", "-", int64(n)).Result()
	if err != nil {
		return nil, fmt.Errorf("read audit: %w", err)
	}
	entries := make([]AuditEntry, len(msgs))
	for i, m := range msgs {
		text := func(name string) string { s, _ := m.Values[name].(string); return s }
		entries[i] = AuditEntry{Who: text("who"), What: text("what"), ID: text("id"), Note: text("note")}
		if f := text("fields"); f != "" {
			entries[i].Fields = strings.Split(f, ",")
		}
		at, _, _ := strings.Cut(m.ID, "-")
		if ms, err := strconv.ParseInt(at, 10, 64); err == nil {
			entries[i].At = time.UnixMilli(ms)
		}
	}
	return entries, nil
}
