package outbox_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ecpayq/ecpayq/enqueue/outbox"
)

// asked is a transaction that counts questions, and asks its own where it has one.
type asked struct {
	*sql.Tx
	times    int
	question string
}

func (a *asked) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	a.times++
	if a.question != "" {
		text = a.question
	}
	return a.Tx.QueryRowContext(ctx, text, args...)
}

// mute can insert, and cannot be asked.
type mute struct{ tx *sql.Tx }

func (m mute) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	return m.tx.ExecContext(ctx, text, args...)
}

func TestTheDatabaseIsAskedOnlyWhereNoOptionSaysIt(t *testing.T) {
	both(t, func(b *bench) {
		tx, err := b.shop.BeginTx(b.Context(), nil)
		b.must(err)
		defer func() { _ = tx.Rollback() }()
		a := &asked{Tx: tx}
		b.must(outbox.Add(b.Context(), a, trigger("SAID"), b.database()))
		if a.times != 0 {
			b.Error("it was asked although the option says it")
		}
		b.must(outbox.Add(b.Context(), a, trigger("ASKED")))
		if a.times != 1 {
			b.Errorf("it was asked %d times, want once", a.times)
		}
		for _, question := range []string{"SELECT 'CockroachDB CCL v24.1.0'", "SELECT ''"} {
			a.question = question
			err := outbox.Add(b.Context(), a, trigger("OTHER"))
			if err == nil || !strings.Contains(err.Error(), "neither PostgreSQL nor MySQL") || !strings.Contains(err.Error(), "outbox.Postgres") {
				b.Errorf("%s: got %v, want what to give", question, err)
			}
			b.must(outbox.Add(b.Context(), a, trigger("OTHER"), b.database()))
		}
		err = outbox.Add(b.Context(), mute{tx}, trigger("MUTE"))
		if err == nil || !strings.Contains(err.Error(), "has no QueryRowContext; give the option outbox.Postgres") {
			b.Errorf("of one that cannot be asked: got %v, want what to give", err)
		}
		b.must(outbox.Add(b.Context(), mute{tx}, trigger("MUTE"), b.database()))
		var n int
		b.must(tx.QueryRowContext(b.Context(), "SELECT count(*) FROM ecpayq_outbox").Scan(&n))
		if n != 5 {
			b.Errorf("%d rows are there, want 5", n)
		}
	})
}

// What is nearly a transaction. Of those the names are as in database/sql and pgx, and the forms are not.
type (
	noContext struct{}
	noTag     struct{}
	noError   struct{}
	noArgs    struct{}
	field     struct {
		Exec func(context.Context, string, ...any) (pgconn.CommandTag, error)
	}
)

func (noContext) Exec(string, ...any) (pgconn.CommandTag, error)                     { panic("called") }
func (noTag) Exec(context.Context, string, ...any) (sql.Result, error)               { panic("called") }
func (noError) Exec(context.Context, string, ...any) pgconn.CommandTag               { panic("called") }
func (noArgs) Exec(context.Context, string, []any) (pgconn.CommandTag, error)        { panic("called") }
func (noArgs) ExecContext(context.Context, string, []any) (pgconn.CommandTag, error) { panic("called") }

func TestWhatCannotInsertIsAnErrorThatSaysWhatCan(t *testing.T) {
	t.Parallel()
	var unset *sql.Tx
	for _, tx := range []any{
		nil, "a string", 17, struct{}{}, noContext{}, noTag{}, noError{}, noArgs{}, field{}, &unset, context.Background(), trigger("A"),
	} {
		for _, opts := range [][]outbox.Option{nil, {outbox.Postgres}, {outbox.MySQL}} {
			err := outbox.Add(t.Context(), tx, trigger("A"), opts...)
			if err == nil || !strings.Contains(err.Error(), "ExecContext of database/sql, as a *sql.Tx") ||
				!strings.Contains(err.Error(), "Exec of pgx, as a pgx.Tx") || strings.Contains(err.Error(), "a string") {
				t.Errorf("%T: got %v, want both in it and no value", tx, err)
			}
		}
	}
}

// pgxLike has the form.
type pgxLike struct{ text *string }

func (p pgxLike) Exec(_ context.Context, text string, args ...any) (pgconn.CommandTag, error) {
	*p.text = text + " " + args[0].(string)
	return pgconn.CommandTag{}, nil
}

func TestAnOptionThatDoesNotFitIsAnError(t *testing.T) {
	t.Parallel()
	var text string
	for option, want := range map[outbox.Database]string{
		outbox.MySQL: "outbox.MySQL does not fit outbox_test.pgxLike", "oracle": "outbox.Postgres or outbox.MySQL",
	} {
		err := outbox.Add(t.Context(), pgxLike{&text}, trigger("A"), option)
		if err == nil || !strings.Contains(err.Error(), want) || text != "" {
			t.Errorf("%s: got %v, want %q, and nothing inserted", option, err, want)
		}
	}
	const want = `INSERT INTO ecpayq_outbox (intent) VALUES ($1) ` +
		`{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"A","PayType":"2"}}`
	if err := outbox.Add(t.Context(), pgxLike{&text}, trigger("A")); err != nil || text != want {
		t.Errorf("got %v and %s, want %s", err, text, want)
	}
}
