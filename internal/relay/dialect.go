package relay

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
)

// Table is where intents wait.
const Table = "ecpayq_outbox"

// dialect is what differs between databases. Statements take the same parameters in the same order.
type dialect struct {
	name string
	// begin are statements that a claim begins with.
	begin string
	// claim takes how many bytes of an intent are read at most, an id and how many rows after it. The
	// rows are locked, and their size is told also where the intent is too large to be read.
	claim string
	// wrong keeps the errors of rows, which are in a JSON array of id, en and zh.
	wrong string
	// act are statements that what a person does begins with, and orders those before a query of the shop's.
	act, orders string
	// state takes an id and how many rows after it are looked at, from the first or, with DESC for its @, from
	// the last.
	state string
	// last is the highest id, 0 without a row.
	last string
	// time reads the column process_at as a claim gives it.
	time func(string) (time.Time, error)
	// intent gives that of one row.
	intent string
	// now is the clock, in seconds since 1970
	now string
	// about tells what [Health] has of the table itself.
	about string
	// list takes what claim does, and before the number of rows whether those that are wrong and those that wait
	// are wanted.
	list string
	// partEnd is the id of the row that is wrong, after an id, behind a number of others that are.
	partEnd string
	// retry and discard take an id; retryTo takes two, and is about the rows after the first one.
	retry, retryTo, discard string
	// remove is the statement that deletes rows by id.
	remove func(ids []int64) (string, []any)
	// unconvertible reports whether an error means that text is none, or lacks a character, in the encoding of
	// the database or of the connection.
	unconvertible func(error) bool
	// again reports whether an error means that the transaction came into the way of another.
	again func(error) bool
}

var postgres = dialect{
	name: "postgres",
	// By SET LOCAL, since behind a pooler the session is not this client's. Without fresh statistics, which a
	// table has that fills and empties in seconds, the planner takes a NULL for rare, and sorts the whole table
	// for every claim: 120 ms at 50,000 rows. What is left to it here is to follow the primary key.
	begin: fmt.Sprintf(`SELECT set_config('idle_in_transaction_session_timeout', '%d', true), set_config('statement_timeout', '%d', true),
  set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('enable_seqscan', 'off', true)`,
		idleInClaim.Milliseconds(), netTimeout.Milliseconds()),
	claim: `SELECT id, CASE WHEN octet_length(intent) <= $1 THEN intent END, coalesce(octet_length(intent), -1),
  '@' || extract(epoch FROM process_at)::text,
  CASE WHEN isfinite(created_at) THEN extract(epoch FROM clock_timestamp() - created_at)::float8 ELSE 0 END
FROM ecpayq_outbox WHERE error IS NULL AND id > $2 ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED`,
	wrong: `UPDATE ecpayq_outbox AS o SET attempts = o.attempts + 1, error = e.en, error_zh = e.zh
FROM json_to_recordset($1::json) AS e(id bigint, en text, zh text) WHERE o.id = e.id`,
	act: fmt.Sprintf(`SELECT set_config('lock_timeout', '%d', true), set_config('statement_timeout', '%d', true)`,
		lockTimeout.Milliseconds(), netTimeout.Milliseconds()),
	orders: fmt.Sprintf(`SELECT set_config('statement_timeout', '%d', true)`, ordersTimeout.Milliseconds()),
	state: `SELECT count(*) FILTER (WHERE waits), count(*) FILTER (WHERE NOT waits), coalesce(max(id), 0),
  coalesce(extract(epoch FROM clock_timestamp() - min(created_at) FILTER (WHERE waits AND isfinite(created_at)))::float8, 0)
FROM (SELECT id, error IS NULL AS waits, created_at FROM ecpayq_outbox WHERE id > $1 ORDER BY id @ LIMIT $2) AS r`,
	last:   `SELECT coalesce(max(id), 0) FROM ecpayq_outbox`,
	time:   epochTime,
	intent: `SELECT intent FROM ecpayq_outbox WHERE id = $1`,
	list: `SELECT id, CASE WHEN octet_length(intent) <= $1 THEN intent END, extract(epoch FROM created_at)::float8, attempts,
  coalesce(error, ''), coalesce(error_zh, '')
FROM ecpayq_outbox WHERE id > $2 AND (error IS NOT NULL AND $3 OR error IS NULL AND $4) ORDER BY id LIMIT $5`,
	// A policy that lets the user see all rows hides none, unless another one restricts it.
	about: `SELECT EXISTS (SELECT 1 FROM pg_trigger WHERE tgrelid = 'ecpayq_outbox'::regclass AND NOT tgisinternal AND tgenabled <> 'D'),
  current_setting('server_encoding'),
  row_security_active('ecpayq_outbox') AND (
    EXISTS (SELECT 1 FROM pg_policy WHERE polrelid = 'ecpayq_outbox'::regclass AND NOT polpermissive)
    OR NOT EXISTS (SELECT 1 FROM pg_policy WHERE polrelid = 'ecpayq_outbox'::regclass AND polpermissive
      AND polcmd IN ('*', 'r') AND pg_get_expr(polqual, polrelid) = 'true'
      AND EXISTS (SELECT 1 FROM unnest(polroles) AS role WHERE role = 0 OR pg_has_role(role, 'MEMBER')))),
  n.nspname || '.' || c.relname,
  (SELECT count(*) FROM pg_class AS o WHERE o.relname = c.relname AND o.relkind IN ('r', 'p', 'v') AND o.oid <> c.oid),
  c.relpersistence = 'p',
  coalesce((SELECT string_agg(attname || ' is ' || format_type(atttypid, NULL), ', ') FROM pg_attribute WHERE attrelid = c.oid
    AND (attname = 'intent' AND atttypid NOT IN ('text'::regtype, 'varchar'::regtype)
      OR attname = 'process_at' AND atttypid <> 'timestamptz'::regtype)), '')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = 'ecpayq_outbox'::regclass`,
	now:     `SELECT extract(epoch FROM clock_timestamp())::float8`,
	retry:   `UPDATE ecpayq_outbox SET error = NULL, error_zh = NULL WHERE error IS NOT NULL AND id = $1`,
	retryTo: `UPDATE ecpayq_outbox SET error = NULL, error_zh = NULL WHERE error IS NOT NULL AND id > $1 AND id <= $2`,
	discard: `DELETE FROM ecpayq_outbox WHERE error IS NOT NULL AND id = $1`,
	partEnd: `SELECT id FROM ecpayq_outbox WHERE error IS NOT NULL AND id > $1 ORDER BY id LIMIT 1 OFFSET $2`,
	remove: func(ids []int64) (string, []any) {
		return `DELETE FROM ecpayq_outbox WHERE id = ANY($1::bigint[])`, []any{"{" + joined(ids) + "}"}
	},
	unconvertible: func(err error) bool {
		var pg *pgconn.PgError
		return errors.As(err, &pg) && (pg.Code == "22P05" || pg.Code == "22021")
	},
	again: func(err error) bool {
		var pg *pgconn.PgError
		return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01" || pg.Code == "55P03")
	},
}

var mysqlDialect = dialect{
	name: "mysql",
	claim: `SELECT id, IF(OCTET_LENGTH(intent) <= ?, intent, NULL), COALESCE(OCTET_LENGTH(intent), -1),
  process_at, COALESCE(TIMESTAMPDIFF(MICROSECOND, created_at, NOW(6)) / 1000000, 0)
FROM ecpayq_outbox WHERE error IS NULL AND id > ? ORDER BY id LIMIT ? FOR UPDATE SKIP LOCKED`,
	wrong: `UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
    id BIGINT PATH '$.id', en VARCHAR(2000) CHARACTER SET utf8mb4 PATH '$.en', zh VARCHAR(2000) CHARACTER SET utf8mb4 PATH '$.zh'
  )) AS e STRAIGHT_JOIN ecpayq_outbox AS o ON o.id = e.id
SET o.attempts = o.attempts + 1, o.error = e.en, o.error_zh = e.zh`,
	state: `SELECT COALESCE(SUM(waits), 0), COALESCE(SUM(NOT waits), 0), COALESCE(MAX(id), 0),
  COALESCE(TIMESTAMPDIFF(MICROSECOND, MIN(IF(waits, created_at, NULL)), NOW(6)) / 1000000, 0)
FROM (SELECT id, error IS NULL AS waits, created_at FROM ecpayq_outbox WHERE id > ? ORDER BY id @ LIMIT ?) AS r`,
	last:   `SELECT COALESCE(MAX(id), 0) FROM ecpayq_outbox`,
	time:   textTime,
	intent: `SELECT intent FROM ecpayq_outbox WHERE id = ?`,
	list: `SELECT id, IF(OCTET_LENGTH(intent) <= ?, intent, NULL), UNIX_TIMESTAMP(created_at), attempts,
  COALESCE(error, ''), COALESCE(error_zh, '')
FROM ecpayq_outbox WHERE id > ? AND (error IS NOT NULL AND ? OR error IS NULL AND ?) ORDER BY id LIMIT ?`,
	about: `SELECT false, '', false, CONCAT(DATABASE(), '.ecpayq_outbox'), 0, NOT EXISTS (SELECT 1 FROM information_schema.TABLES
  WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'ecpayq_outbox' AND ENGINE <> 'InnoDB'), ''`,
	now:     `SELECT UNIX_TIMESTAMP(NOW(6))`,
	retry:   `UPDATE ecpayq_outbox SET error = NULL, error_zh = NULL WHERE error IS NOT NULL AND id = ?`,
	retryTo: `UPDATE ecpayq_outbox SET error = NULL, error_zh = NULL WHERE error IS NOT NULL AND id > ? AND id <= ?`,
	discard: `DELETE FROM ecpayq_outbox WHERE error IS NOT NULL AND id = ?`,
	partEnd: `SELECT id FROM ecpayq_outbox WHERE error IS NOT NULL AND id > ? ORDER BY id LIMIT 1 OFFSET ?`,
	// A list of ids (IN) makes the optimizer read a small table from its beginning, through rows
	// that another relay has claimed, which ends in a deadlock. So the ids come first.
	remove: func(ids []int64) (string, []any) {
		return `DELETE o FROM JSON_TABLE('[` + joined(ids) + `]', '$[*]' COLUMNS (id BIGINT PATH '$')) AS c
STRAIGHT_JOIN ecpayq_outbox AS o ON o.id = c.id`, nil
	},
	unconvertible: func(error) bool { return false }, // the columns are utf8mb4
	again: func(err error) bool {
		var my *mysql.MySQLError
		return errors.As(err, &my) && (my.Number == 1213 || my.Number == 1205 || my.Number == 1020)
	},
}

func joined(ids []int64) string {
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(id, 10))
	}
	return b.String()
}

// claimRows locks some rows after an id.
func (d dialect) claimRows(ctx context.Context, tx *sql.Tx, after int64, n, most int) ([]row, error) {
	rows, err := tx.QueryContext(ctx, d.claim, most, after, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []row
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.id, &r.intent, &r.size, &r.processAt, &r.age); err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

// claimApart is [dialect.claimRows], and reads each intent for itself: one that the database cannot convert
// makes the statement fail that reads many.
func (d dialect) claimApart(ctx context.Context, tx *sql.Tx, after int64, n, most int) ([]row, error) {
	rows, err := d.claimRows(ctx, tx, after, n, 0)
	for i := range rows {
		r := &rows[i]
		if r.size <= 0 || r.size > int64(most) {
			continue
		}
		if _, err := tx.ExecContext(ctx, "SAVEPOINT apart"); err != nil {
			return nil, err
		}
		err := tx.QueryRowContext(ctx, d.intent, r.id).Scan(&r.intent)
		if !d.unconvertible(err) {
			if err != nil {
				return nil, err
			}
			continue
		}
		r.unconvertible = err
		if _, err := tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT apart"); err != nil {
			return nil, err
		}
	}
	return rows, err
}
