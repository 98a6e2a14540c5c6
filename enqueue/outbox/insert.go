package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

var insertInto = map[Database]string{
	Postgres: "INSERT INTO ecpayq_outbox (intent) VALUES ($1)",
	MySQL:    "INSERT INTO ecpayq_outbox (intent) VALUES (?)",
}

// inserter returns what inserts an intent with tx, without use of it so far.
func inserter(tx any, d Database) (func(ctx context.Context, intent string) error, error) {
	if _, known := insertInto[d]; !known && d != "" {
		return nil, errors.New("the option for the database is none; it is outbox.Postgres or outbox.MySQL")
	}
	if std, ok := tx.(execer); ok {
		return func(ctx context.Context, intent string) error { return insertStd(ctx, std, d, intent) }, nil
	}
	exec, ok := pgxExec(tx)
	switch {
	case !ok:
		return nil, fmt.Errorf("cannot insert by %T: it has neither the ExecContext of database/sql, as a *sql.Tx has it, "+
			"nor the Exec of pgx, as a pgx.Tx has it", tx)
	case d == MySQL:
		return nil, fmt.Errorf("outbox.MySQL does not fit %T, which is PostgreSQL's", tx)
	}
	return func(ctx context.Context, intent string) error {
		out := exec.Call([]reflect.Value{reflect.ValueOf(ctx), reflect.ValueOf(insertInto[Postgres]), reflect.ValueOf(intent)})
		err, _ := out[1].Interface().(error)
		return inserted(err)
	}, nil
}

// execer is what database/sql and those who wrap it have in common.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func insertStd(ctx context.Context, tx execer, d Database, intent string) error {
	if d == "" {
		var err error
		if d, err = ask(ctx, tx); err != nil {
			return fmt.Errorf("ask what database it is: %w", err)
		}
	}
	_, err := tx.ExecContext(ctx, insertInto[d], intent)
	return inserted(err)
}

func inserted(err error) error {
	if err != nil {
		return fmt.Errorf("insert the intent: %w", err)
	}
	return nil
}

var errDatabase = errors.New("it is neither PostgreSQL nor MySQL or MariaDB; if it is like one of them, " +
	"give the option outbox.Postgres or outbox.MySQL")

// ask asks the server. The version of MySQL and MariaDB begins with a number.
func ask(ctx context.Context, tx execer) (Database, error) {
	asks, ok := tx.(interface {
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	})
	if !ok {
		return "", fmt.Errorf("%T has no QueryRowContext; give the option outbox.Postgres or outbox.MySQL", tx)
	}
	var version string
	err := asks.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version)
	switch {
	case err != nil:
		return "", err
	case strings.HasPrefix(version, "PostgreSQL"):
		return Postgres, nil
	case version != "" && '0' <= version[0] && version[0] <= '9':
		return MySQL, nil
	}
	return "", errDatabase
}

// pgxExec is the method of a pgx.Tx, *pgx.Conn or *pgxpool.Pool
//
//	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
//
// found by its form, for an interface would have to name the type of a driver that other shops do
// not use. Its name is a constant, since with any other the linker keeps all methods of a program.
func pgxExec(tx any) (reflect.Value, bool) {
	if tx == nil {
		return reflect.Value{}, false
	}
	exec := reflect.ValueOf(tx).MethodByName("Exec")
	if !exec.IsValid() {
		return reflect.Value{}, false
	}
	t := exec.Type()
	return exec, t.NumIn() == 3 && t.IsVariadic() &&
		t.In(0) == reflect.TypeFor[context.Context]() && t.In(1) == reflect.TypeFor[string]() && t.In(2) == reflect.TypeFor[[]any]() &&
		t.NumOut() == 2 && t.Out(0).Name() == "CommandTag" && t.Out(1) == reflect.TypeFor[error]()
}
