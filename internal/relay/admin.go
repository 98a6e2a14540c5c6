package relay

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/intents"
	"github.com/ecpayq/ecpayq/tasks"
)

// What is looked at of a table to say where it stands: a look costs the same, however many rows there are.
// The last rows show whether anything waits behind many that are wrong.
const (
	lookedAtFirst = 100_000
	lookedAtLast  = 1000
)

// State is where the table stands, by its first 100,000 rows and its last 1,000.
type State struct {
	// Waiting are to be relayed, and Wrong have an error.
	Waiting int `json:"waiting"`
	Wrong   int `json:"wrong"`
	// Oldest is for how many seconds the oldest of those that wait has been there.
	Oldest float64 `json:"oldest_seconds"`
}

// Stuck reports whether a row has waited for a minute.
func (s State) Stuck() bool { return s.Oldest > settled.Seconds() }

// Admin is what a person does with the rows.
type Admin struct {
	db *sql.DB
	d  dialect
}

// NewAdmin returns an Admin that uses db, which is of the database, and never closes it.
func NewAdmin(database *Database, db *sql.DB) *Admin { return &Admin{db, database.dialect} }

// State reads where the table stands.
func (a *Admin) State(ctx context.Context) (State, error) {
	first, last, err := a.look(ctx, "", math.MinInt64, lookedAtFirst)
	if err != nil || first.Waiting+first.Wrong < lookedAtFirst {
		return first, err
	}
	rest, _, err := a.look(ctx, "DESC", last, lookedAtLast)
	return State{first.Waiting + rest.Waiting, first.Wrong + rest.Wrong, max(first.Oldest, rest.Oldest)}, err
}

// look looks at some rows after an id, and tells the last of them.
func (a *Admin) look(ctx context.Context, order string, after int64, n int) (s State, last int64, err error) {
	text := strings.Replace(a.d.state, "@", order, 1)
	if err := a.db.QueryRowContext(ctx, text, after, n).Scan(&s.Waiting, &s.Wrong, &last, &s.Oldest); err != nil {
		return s, 0, failed("read the outbox", err)
	}
	s.Oldest = max(s.Oldest, 0)
	return s, last, nil
}

// Wrong counts the rows that are wrong, all of them.
func (a *Admin) Wrong(ctx context.Context) (n int, err error) {
	err = a.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM ecpayq_outbox WHERE error IS NOT NULL").Scan(&n)
	if err != nil {
		return 0, failed("read the outbox", err)
	}
	return n, nil
}

// Row is one of the table, without what it asks for.
type Row struct {
	ID int64 `json:"id"`
	// Type and TaskID are those of the intent, empty where it is none.
	Type      string    `json:"type,omitempty"`
	TaskID    string    `json:"task_id,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	Attempts  int       `json:"attempts"`
	Error     string    `json:"error,omitempty"`
	ErrorZh   string    `json:"error_zh,omitempty"`
}

// List yields rows by id: those that are wrong, or all.
func (a *Admin) List(ctx context.Context, all bool, yield func(Row) error) error {
	return a.each(ctx, true, all, yield)
}

// each yields rows by id, those that are wrong and those that wait.
func (a *Admin) each(ctx context.Context, wrong, waiting bool, yield func(Row) error) error {
	const page = 500
	for after := int64(math.MinInt64); ; {
		n := page
		rows, err := a.page(ctx, intents.MaxSize, after, wrong, waiting, n)
		if a.d.unconvertible(err) { // one by one, and of the one that it is about what can be read
			n = 1
			if rows, err = a.page(ctx, intents.MaxSize, after, wrong, waiting, n); a.d.unconvertible(err) {
				rows, err = a.page(ctx, 0, after, wrong, waiting, n)
			}
		}
		if err != nil {
			return failed("read the outbox", err)
		}
		for _, r := range rows {
			if err := yield(r); err != nil {
				return err
			}
			after = r.ID
		}
		if len(rows) < n {
			return nil
		}
	}
}

// latest is the end of the year 9998, in seconds since 1970.
const latest = 253370764799

func (a *Admin) page(ctx context.Context, args ...any) ([]Row, error) {
	rows, err := a.db.QueryContext(ctx, a.d.list, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []Row
	for rows.Next() {
		var r Row
		var intent, en, zh sql.NullString // a mode of MariaDB's takes '' for NULL
		var created float64
		if err := rows.Scan(&r.ID, &intent, &created, &r.Attempts, &en, &zh); err != nil {
			return nil, err
		}
		r.Error, r.ErrorZh = en.String, zh.String
		// PostgreSQL has times of which JSON has none, and infinity.
		r.CreatedAt = time.UnixMicro(int64(min(max(created, 0), latest) * 1e6)).In(ecpay.Taipei)
		if item, err := intents.Parse([]byte(strings.TrimSpace(intent.String))); err == nil && item.Payload.Validate() == nil {
			r.Type, r.TaskID = tasks.TypeOf(item.Payload).Name, tasks.ID(item.Payload)
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

// ErrNoRow means that no row with this id is wrong.
var ErrNoRow = errors.New("no row with this id has an error")

// Retry has a row that is wrong claimed again.
func (a *Admin) Retry(ctx context.Context, id int64) error { return a.one(ctx, a.d.retry, id) }

// Discard deletes a row that is wrong.
func (a *Admin) Discard(ctx context.Context, id int64) error { return a.one(ctx, a.d.discard, id) }

func (a *Admin) one(ctx context.Context, statement string, id int64) error {
	n, err := a.exec(ctx, statement, id)
	if err == nil && n == 0 {
		return fmt.Errorf("row %d: %w", id, ErrNoRow)
	}
	return err
}

// RetryAll has all rows that are wrong claimed again, and tells how many they are, also of those before an
// error. It goes through them in parts, so that no statement and no transaction takes long.
func (a *Admin) RetryAll(ctx context.Context) (done int64, err error) {
	const part = 10_000
	last, err := a.last(ctx)
	for after := int64(math.MinInt64); err == nil; {
		to := last
		switch err = a.db.QueryRowContext(ctx, a.d.partEnd, after, part-1).Scan(&to); {
		case errors.Is(err, sql.ErrNoRows): // fewer are left
			n, err := a.exec(ctx, a.d.retryTo, after, last)
			return done + n, err
		case err != nil:
			return done, failed("read the outbox", err)
		}
		var n int64
		n, err = a.exec(ctx, a.d.retryTo, after, to)
		done, after = done+n, to
	}
	return done, err
}

// last is the highest id of the table.
func (a *Admin) last(ctx context.Context) (id int64, err error) {
	if err := a.db.QueryRowContext(ctx, a.d.last).Scan(&id); err != nil {
		return 0, failed("read the outbox", err)
	}
	return id, nil
}

// exec changes rows in a transaction of its own: what is interrupted, or waits longer for a lock than anybody
// waits for it, has changed nothing. At READ COMMITTED, MariaDB locks no row that is not changed.
func (a *Admin) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	const what = "change the outbox"
	tx, err := a.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return 0, failedIn(ctx, what, err)
	}
	defer func() { _ = tx.Rollback() }()
	if a.d.act != "" {
		if _, err := tx.ExecContext(ctx, a.d.act); err != nil {
			return 0, failedIn(ctx, what, err)
		}
	}
	res, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, failedIn(ctx, what, err)
	}
	n, err := res.RowsAffected()
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return 0, failedIn(ctx, what+", which may have been done", err)
	}
	return n, nil
}
