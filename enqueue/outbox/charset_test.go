package outbox_test

import (
	"database/sql"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/enqueue/outbox"
	"github.com/ecpayq/ecpayq/internal/intents"
)

// reason has what the character sets of a connection make other characters of: a backslash as the
// second byte of Big5 (許功蓋), quotes, and what is two \uXXXX in JSON.
const reason = `訂單取消許功蓋 "\'🧾é`

func TestNoCharacterSetChangesAnIntent(t *testing.T) {
	t.Parallel()
	for _, with := range []string{"CHARACTER SET latin1", "CHARACTER SET big5", "CHARACTER SET utf8mb4"} {
		for _, query := range []string{
			"?charset=latin1", "?charset=big5", "?charset=gbk", "?charset=utf8mb4", "?charset=latin1&interpolateParams=true",
			"?charset=big5&interpolateParams=true", "?charset=latin1&interpolateParams=true&sql_mode=%27NO_BACKSLASH_ESCAPES%27",
		} {
			t.Run("mysql "+with+query, func(t *testing.T) {
				t.Parallel()
				b := newBench(t, "mysql", with)
				b.survives("mysql", "root@tcp("+b.address+")/"+b.name+query)
			})
		}
	}
	for with, queries := range map[string][]string{
		"ENCODING 'SQL_ASCII'": {"", "&client_encoding=LATIN1"}, "ENCODING 'EUC_TW'": {"", "&client_encoding=BIG5"},
		"ENCODING 'UTF8'": {"", "&client_encoding=BIG5", "&client_encoding=LATIN1"},
	} {
		for _, query := range queries {
			t.Run("postgres "+with+query, func(t *testing.T) {
				t.Parallel()
				b := newBench(t, "postgres", with+" TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
				b.survives("pgx", b.url+query)
			})
		}
	}
}

// survives inserts an intent by a connection of the shop's, and looks at what is in Redis.
func (b *bench) survives(driver, dsn string) {
	b.Helper()
	shop, err := sql.Open(driver, dsn)
	b.must(err)
	defer shop.Close()
	p := void("VG00000001", reason)
	b.must(outbox.Add(b.Context(), shop, p))
	if c := b.relay(); c.Stored != 1 || !b.stored(p) {
		b.Errorf("got %+v, want one stored as it was", c)
	}
}

// The test above would show nothing if text in UTF-8 survived, too.
func TestALatin1ConnectionSpoilsWhatIsNotASCII(t *testing.T) {
	t.Parallel()
	b := newBench(t, "mysql", "")
	cfg, err := mysql.ParseDSN("root@tcp(" + b.address + ")/" + b.name + "?charset=latin1")
	b.must(err)
	connector, err := mysql.NewConnector(cfg)
	b.must(err)
	shop := sql.OpenDB(connector)
	defer shop.Close()
	_, err = shop.ExecContext(t.Context(), "INSERT INTO ecpayq_outbox (intent) VALUES (?)",
		`{"type":"b2b:invalid","data":{"MerchantID":"2000132","InvoiceNumber":"VG00000001","InvoiceDate":"2026-11-01","Reason":"作廢"}}`)
	b.must(err)
	if c := b.relay(); c.Stored != 1 || b.stored(void("VG00000001", "作廢")) {
		b.Errorf("got %+v, want one stored that is another", c)
	}
}

func TestAnIntentIsReadAsItWas(t *testing.T) {
	t.Parallel()
	dead, later := outbox.ReplaceDead(), outbox.ProcessAt(time.Now())
	for _, opts := range [][]outbox.Option{nil, {dead}, {later}, {dead, later}} {
		reads(t, reason, opts...)
	}
}

func FuzzAnIntentIsReadAsItWas(f *testing.F) {
	for _, s := range []string{reason, "a", "\u2028\u2029", "\U0010ffff", "\ufeff", "\x7f\u0080", `\u0041\`, "&<>", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if void("VG00000001", text).Validate() == nil {
			reads(t, text)
		}
	})
}

// reads adds an intent, and reads it as the relay does.
func reads(t *testing.T, text string, opts ...outbox.Option) {
	t.Helper()
	var row string
	p := void("VG00000001", text)
	if err := outbox.Add(t.Context(), pgxLike{&row}, p, opts...); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsFunc(row, func(c rune) bool { return c >= utf8.RuneSelf }) {
		t.Errorf("%q is not ASCII", row)
	}
	_, intent, _ := strings.Cut(row, "VALUES ($1) ")
	item, err := intents.Parse([]byte(intent))
	if err != nil {
		t.Fatalf("%s: %v", intent, err)
	}
	if diff := cmp.Diff(p, item.Payload); diff != "" || len(item.Options) != len(opts) {
		t.Errorf("%d options, want %d (-want +got):\n%s", len(item.Options), len(opts), diff)
	}
}
