package relay

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/intents"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Claim is what became of some rows.
type Claim struct {
	Rows int
	// Stored, Replaced and Duplicate are in Redis, and deleted from the table.
	Stored, Replaced, Duplicate int
	// Wrong keep their error.
	Wrong map[Kind]int
	// Left are as they were, and are claimed again: Redis did not take or not confirm them.
	Left int
	// Lags are how long after its insertion Redis had each, as far as they are not duplicates.
	Lags []time.Duration

	why  error // why some are left
	scan time.Duration
	last int64
	full bool // there may be more
}

// WrongRows counts them.
func (c Claim) WrongRows() (n int) {
	for _, v := range c.Wrong {
		n += v
	}
	return n
}

func (c *Claim) add(o Claim) {
	c.Rows, c.Left = c.Rows+o.Rows, c.Left+o.Left
	if o.why != nil {
		c.why = o.why
	}
	c.Stored, c.Replaced, c.Duplicate = c.Stored+o.Stored, c.Replaced+o.Replaced, c.Duplicate+o.Duplicate
	for k, n := range o.Wrong {
		c.wrong(k, n)
	}
}

func (c *Claim) wrong(k Kind, n int) {
	if c.Wrong == nil {
		c.Wrong = map[Kind]int{}
	}
	c.Wrong[k] += n
}

// claim takes some rows after an id to Redis, within one transaction. It begins at READ COMMITTED,
// whatever the default: at REPEATABLE READ, MariaDB locks the gaps between rows, and with them every
// producer. After an empty claim the transaction ends at once.
//
// When the process dies before Redis has answered, the database ends the transaction and the rows are
// there for the next claim. When it dies after that, or the answer to the commit is lost, their intents
// are duplicates for the next claim, or the rows are gone.
func (r *Relay) claim(ctx context.Context, after int64, most int) (Claim, error) {
	c, err := r.claimBy(ctx, r.cfg.Database.claimRows, after, most)
	if c.Rows == 0 && r.cfg.Database.unconvertible(err) {
		return r.claimBy(ctx, r.cfg.Database.claimApart, after, most)
	}
	return c, err
}

// claimer locks some rows after an id, and reads no intent that is larger.
type claimer func(ctx context.Context, tx *sql.Tx, after int64, n, largest int) ([]row, error)

func (r *Relay) claimBy(ctx context.Context, find claimer, after int64, most int) (c Claim, err error) {
	d := r.cfg.Database.dialect
	tx, err := r.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return c, fmt.Errorf("begin a claim: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // which does nothing after a commit
	if d.begin != "" {
		if _, err := tx.ExecContext(ctx, d.begin); err != nil {
			return c, fmt.Errorf("begin a claim: %w", err)
		}
	}
	var last int64
	if after == math.MinInt64 && r.at.slow {
		// There may be many rows that cannot be claimed: the next claim need not pass them again. What is
		// committed after this is behind them.
		if err := tx.QueryRowContext(ctx, d.last).Scan(&last); err != nil {
			return c, fmt.Errorf("read the last row of the outbox: %w", err)
		}
	}
	start := time.Now()
	rows, err := find(ctx, tx, after, most, intents.MaxSize)
	if err != nil {
		return c, fmt.Errorf("claim rows of the outbox: %w", err)
	}
	if c.Rows = len(rows); c.Rows > 0 {
		c.last = rows[c.Rows-1].id
	}
	if c.Rows < most {
		c.last = max(c.last, last)
	}
	c.scan = time.Since(start)
	if c.Rows == 0 {
		return c, nil
	}
	done, errs := r.store(ctx, &c, rows, start)
	if len(done) > 0 {
		text, args := d.remove(done)
		res, err := tx.ExecContext(ctx, text, args...)
		if err != nil {
			return c, fmt.Errorf("delete rows of the outbox: %w", err)
		}
		if n, err := res.RowsAffected(); err == nil && n != int64(len(done)) {
			return c, fmt.Errorf("the database deleted %d of %d rows of the outbox: a policy or a trigger keeps the others", n, len(done))
		}
	}
	if len(errs) > 0 {
		kept, err := d.keep(ctx, tx, errs)
		if err != nil {
			return c, fmt.Errorf("keep the errors of rows of the outbox: %w", err)
		}
		if !kept { // they are as they were
			c.Left, c.Wrong, errs = c.Left+len(errs), nil, nil
			c.why = cmp.Or(c.why, errNotKept)
		}
	}
	if err := tx.Commit(); err != nil {
		return c, fmt.Errorf("commit a claim: %w", err)
	}
	for _, e := range errs {
		r.cfg.Logger.Warn().Int64("row", e.id).Str("kind", string(e.kind)).Str("reason", e.En).Str("reason_zh", e.Zh).
			Msg("row of the outbox is wrong")
	}
	if errors.Is(c.why, enqueue.ErrRedis) {
		return c, c.why
	}
	return c, nil
}

// slowScan is longer than a search takes that finds what it looks for at once.
const slowScan = 5 * time.Millisecond

// errNotKept is why rows that are wrong stay as they were.
var errNotKept = errors.New("the database does not keep the errors of rows: a trigger changes them back, or a policy hides the rows")

// keep writes the errors of rows, in one statement: of a database that is far away each takes long. Where it
// cannot hold their characters, what is ASCII of them is kept, and nothing in Chinese. kept means that the
// rows have their errors then, and are not claimed again.
func (d dialect) keep(ctx context.Context, tx *sql.Tx, errs []wrongRow) (kept bool, err error) {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT kept"); err != nil {
		return false, err
	}
	list := make([]keptError, len(errs))
	ids := make([]int64, len(errs))
	for i, e := range errs {
		ids[i], list[i] = e.id, keptError{e.id, record.Clip(e.En, maxError), new(record.Clip(e.Zh, maxError))}
	}
	err = d.write(ctx, tx, list)
	if d.unconvertible(err) {
		if _, err := tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT kept"); err != nil {
			return false, err
		}
		for i := range list {
			list[i].En, list[i].Zh = ascii(list[i].En), nil
		}
		err = d.write(ctx, tx, list)
	}
	if err != nil {
		return false, err
	}
	open := 0
	err = tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM ecpayq_outbox WHERE error IS NULL AND id IN ("+joined(ids)+")").Scan(&open)
	return open == 0, err
}

// keptError is one as [dialect.wrong] takes it.
type keptError struct {
	ID int64   `json:"id"`
	En string  `json:"en"`
	Zh *string `json:"zh"`
}

func (d dialect) write(ctx context.Context, tx *sql.Tx, list []keptError) error {
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, d.wrong, string(text))
	return err
}

func ascii(text string) string {
	return strings.Map(func(c rune) rune {
		if c > 126 {
			return '?'
		}
		return c
	}, text)
}

// maxError is how many bytes of an error a row keeps.
const maxError = 2000

// wrongRow is a row with its error.
type wrongRow struct {
	id int64
	*wrong
}

// store takes the intents of rows to Redis. It returns the rows that Redis has, and those that are wrong.
func (r *Relay) store(ctx context.Context, c *Claim, rows []row, start time.Time) (done []int64, errs []wrongRow) {
	items := make([]enqueue.Item, 0, len(rows))
	of := make([]row, 0, len(rows))
	refuse := func(id int64, w *wrong) {
		errs = append(errs, wrongRow{id, w})
		c.wrong(w.kind, 1)
	}
	for _, row := range rows {
		item, w := row.item(r.cfg.Database.dialect)
		if w == nil {
			w = r.unknown(item.Payload)
		}
		if w != nil {
			refuse(row.id, w)
			continue
		}
		items, of = append(items, item), append(of, row)
	}
	answered := 0
	for res := range r.cfg.Client.Batch(ctx, slices.Values(items)) {
		row := of[res.Index]
		answered++
		switch w, ok := judge(res); {
		case w != nil:
			refuse(row.id, w)
		case !ok:
			c.Left++
			if c.why == nil || errors.Is(res.Err, enqueue.ErrRedis) {
				c.why = res.Err
			}
		default:
			done = append(done, row.id)
			c.count(res.Receipt, time.Since(start)+time.Duration(row.age*float64(time.Second)))
		}
	}
	if answered < len(items) { // ctx has ended
		c.Left += len(items) - answered
		c.why = fmt.Errorf("%w: %w", enqueue.ErrRedis, context.Cause(ctx))
	}
	return done, errs
}

func (c *Claim) count(r enqueue.Receipt, lag time.Duration) {
	switch {
	case r.Duplicate:
		c.Duplicate++
		return
	case r.Replaced:
		c.Replaced++
	default:
		c.Stored++
	}
	c.Lags = append(c.Lags, max(lag, 0))
}

// unknown says that there are no keys of the merchant, so that nothing could carry its tasks.
func (r *Relay) unknown(p tasks.Payload) *wrong {
	if r.cfg.Known == nil {
		return nil
	}
	id := record.Owner(tasks.ID(p))
	if r.cfg.Known(id) {
		return nil
	}
	return &wrong{NoMerchant, record.Text{
		En: "no keys of the merchant are configured; add them, then run ecpayq outbox retry",
		Zh: "此特店的金鑰尚未設定，請設定後執行 ecpayq outbox retry",
	}}
}
