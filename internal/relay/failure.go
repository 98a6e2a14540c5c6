package relay

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ecpayq/ecpayq/tasks/record"
)

// DatabaseError is one of the shop's database. It is no error of Redis, also where the network is to
// blame, so that it does not unwrap.
type DatabaseError struct {
	What string
	Err  error
}

// Error implements error.
func (e *DatabaseError) Error() string { return e.What + ": " + e.Err.Error() }

// Is tells the end of a context.
func (e *DatabaseError) Is(target error) bool { return errors.Is(e.Err, target) }

func failed(what string, err error) error { return &DatabaseError{what, err} }

// failedIn is failed, of what may have been interrupted: a database says that in words of its own.
func failedIn(ctx context.Context, what string, err error) error {
	return failed(what, cmp.Or(context.Cause(ctx), err))
}

// advice is what a person can do about errors that have one cause.
var (
	noTable = record.Text{
		En: "the table is not there: ecpayq outbox schema prints the SQL that makes it",
		Zh: "資料表不存在，請執行 ecpayq outbox schema 印出的 SQL",
	}
	noRight = record.Text{
		En: "the user lacks a right: ecpayq outbox schema --relay USER prints the grants, and a query of --orders needs SELECT on its tables",
		Zh: "資料庫使用者權限不足：ecpayq outbox schema --relay USER 會印出授權指令，--orders 的查詢則需要其資料表的 SELECT",
	}
	otherTypes = record.Text{
		En: "the columns are not those that ecpayq outbox schema prints: intent is text, process_at timestamptz",
		Zh: "欄位型別與 ecpayq outbox schema 印出的不同：intent 須為 text，process_at 須為 timestamptz",
	}
	refused = record.Text{
		En: "the database refuses the user or the password of ECPAYQ_OUTBOX_URL",
		Zh: "資料庫拒絕 ECPAYQ_OUTBOX_URL 的帳號或密碼",
	}
	noDatabase = record.Text{
		En: "the database that ECPAYQ_OUTBOX_URL names is not there: it is the last part of the path",
		Zh: "ECPAYQ_OUTBOX_URL 指定的資料庫不存在：即路徑的最後一段",
	}
	binlog = record.Text{
		En: "set binlog_format to ROW: with STATEMENT, claims at READ COMMITTED are refused",
		Zh: "請將 binlog_format 設為 ROW：設為 STATEMENT 時，READ COMMITTED 的取件會被拒絕",
	}
	readsOnly = record.Text{
		En: "ECPAYQ_OUTBOX_URL must lead to the server that is written to, not to a replica or one that is set to read only",
		Zh: "ECPAYQ_OUTBOX_URL 須指向可寫入的主要資料庫，而非複本或設為唯讀的伺服器",
	}
	locked = record.Text{
		En: "another transaction has the row or the table: nothing was changed; end it, or run this again later",
		Zh: "該列或資料表正由其他交易鎖定，未做任何變更；請結束該交易，或稍後再執行",
	}
	full = record.Text{
		En: "the database has as many connections as it allows: close some, or raise max_connections",
		Zh: "資料庫連線數已達上限：請關閉部分連線，或調高 max_connections",
	}
	badQuery = record.Text{
		En: "mend the query of --orders: it is SQL of the shop's database, and must not write",
		Zh: "請修正 --orders 的查詢：須為商店資料庫的 SQL，且不得寫入",
	}
	silentDatabase = record.Text{
		En: "the database of ECPAYQ_OUTBOX_URL does not answer in time: look whether it runs, waits for a lock or for a standby",
		Zh: "ECPAYQ_OUTBOX_URL 的資料庫未在時限內回應：請確認是否執行中，或正在等待鎖定或待命伺服器",
	}
	away = record.Text{
		En: "check that the database of ECPAYQ_OUTBOX_URL runs and can be reached",
		Zh: "請確認 ECPAYQ_OUTBOX_URL 的資料庫已啟動且可連線",
	}
	hidden = record.Text{
		En: "give the user BYPASSRLS, or a policy FOR ALL that is USING (true), and no restrictive one",
		Zh: "資料列安全性政策可能隱藏部分資料列：請授予 BYPASSRLS，或建立 FOR ALL 且為 USING (true) 的政策",
	}
)

// causes are the codes of PostgreSQL, and the numbers of MySQL and MariaDB, with an advice.
var causes = []struct {
	postgres []string
	mysql    []uint16
	record.Text
}{
	{[]string{"42P01"}, []uint16{1146}, noTable},
	{[]string{"42501"}, []uint16{1142, 1143, 1044, 1227}, noRight},
	{[]string{"42883", "42703", "42804"}, []uint16{1054}, otherTypes},
	{[]string{"28P01", "28000"}, []uint16{1045}, refused},
	{[]string{"3D000"}, []uint16{1049}, noDatabase},
	{nil, []uint16{1665}, binlog},
	{[]string{"25006"}, []uint16{1290, 1792, 1836}, readsOnly},
	{[]string{"55P03"}, []uint16{1205}, locked},
	{[]string{"53300"}, []uint16{1040, 1203}, full},
	{[]string{"57014"}, nil, silentDatabase},
}

// Hint says what a person can do about a [*DatabaseError], or [ErrHidden], and nothing where nothing is known:
// the network's errors of Redis look like those of the database.
func (db *Database) Hint(err error) record.Text {
	if errors.Is(err, ErrHidden) {
		return hidden
	}
	var d *DatabaseError
	if !errors.As(err, &d) {
		return record.Text{}
	}
	err = d.Err
	ofOrders := strings.HasPrefix(d.What, readOrders)
	var pg *pgconn.PgError
	var my *mysql.MySQLError
	var wire *net.OpError
	var name *net.DNSError
	if errors.As(err, &pg) || errors.As(err, &my) {
		for _, c := range causes {
			if pg != nil && slices.Contains(c.postgres, pg.Code) || pg == nil && slices.Contains(c.mysql, my.Number) {
				if ofOrders && (c.Text == noTable || c.Text == otherTypes || c.Text == readsOnly) {
					return badQuery
				}
				return c.Text
			}
		}
		if ofOrders {
			return badQuery
		}
		return record.Text{}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, mysql.ErrInvalidConn):
		return silentDatabase
	case errors.As(err, &wire), errors.As(err, &name), errors.Is(err, driver.ErrBadConn):
		return away
	}
	return record.Text{}
}
