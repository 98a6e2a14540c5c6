package ledger

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// AuditEntry is one act of a person or a program on a task, a queue or a merchant. It
// never holds a payload.
type AuditEntry struct {
	At time.Time `json:"at"`
	// Who is as the caller says.
	Who string `json:"who"`
	// What is one of [Acts]; several are joined by commas.
	What string `json:"what"`
	// ID is the task's, and MerchantID the merchant's of an act that is about one; both are
	// empty for an act on many, of which Note names the queue or the schedule.
	ID         string `json:"id"`
	MerchantID string `json:"merchant_id,omitempty"`
	Note       string `json:"note,omitempty"`
	// Fields names what was corrected or replaced, without the values.
	Fields []string `json:"fields,omitempty"`
}

const (
	maxAudit  = 100_000 // entries, about 10 MB: room for many replays of everything
	auditPage = 1_000
)

// Owner is the merchant that an entry is about, or [record.NoOwner].
func (e AuditEntry) Owner() string {
	if e.MerchantID != "" {
		return e.MerchantID
	}
	return record.Owner(e.ID)
}

// Audit writes an entry. It comes before the act: an act without an entry is
// worse than an entry without an act.
func Audit(ctx context.Context, rdb redis.UniversalClient, e AuditEntry) error {
	values := []any{"who", e.Who, "what", e.What, "id", e.ID, "note", e.Note, "fields", strings.Join(e.Fields, ",")}
	if e.MerchantID != "" {
		values = append(values, "merchant", e.MerchantID)
	}
	err := rdb.XAdd(ctx, &redis.XAddArgs{Stream: record.AuditKey, MaxLen: maxAudit, Approx: true, Values: values}).Err()
	if err != nil {
		return fmt.Errorf("write audit: %w", err)
	}
	return nil
}

// Audit writes an entry, as the function of that name does.
func (s *Store) Audit(ctx context.Context, e AuditEntry) error { return Audit(ctx, s.rdb, e) }

// Audits yields the entries that were written since a time, zero for all, the
// newest first. After an error it ends.
func (s *Store) Audits(ctx context.Context, since time.Time) iter.Seq2[AuditEntry, error] {
	return func(yield func(AuditEntry, error) bool) {
		oldest, newest := "-", "+"
		if !since.IsZero() {
			oldest = strconv.FormatInt(since.UnixMilli(), 10)
		}
		for {
			msgs, err := s.rdb.XRevRangeN(ctx, record.AuditKey, newest, oldest, auditPage).Result()
			if err != nil {
				yield(AuditEntry{}, fmt.Errorf("read audit: %w", err))
				return
			}
			for _, m := range msgs {
				if !yield(auditEntry(m), nil) {
					return
				}
			}
			if len(msgs) < auditPage {
				return
			}
			newest = "(" + msgs[len(msgs)-1].ID
		}
	}
}

func auditEntry(m redis.XMessage) AuditEntry {
	text := func(name string) string { s, _ := m.Values[name].(string); return s }
	e := AuditEntry{Who: text("who"), What: text("what"), ID: text("id"), MerchantID: text("merchant"), Note: text("note")}
	if f := text("fields"); f != "" {
		e.Fields = strings.Split(f, ",")
	}
	at, _, _ := strings.Cut(m.ID, "-")
	e.At = tasks.Milli(at).In(ecpay.Taipei)
	return e
}
