package relay_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/dbtest"
	"github.com/ecpayq/ecpayq/internal/relay"
	"github.com/ecpayq/ecpayq/tasks/record"
)

func TestWhatIsCommittedIsRelayedAndWhatIsRolledBackIsNot(t *testing.T) {
	both(t, func(b *bench) {
		for i := range 700 { // more than one claim
			tx, err := b.shop.BeginTx(b.Context(), nil)
			b.must(err)
			b.insert(tx, trigger(fmt.Sprintf("A%d", i)))
			if i%3 == 0 {
				b.must(tx.Rollback())
			} else {
				b.must(tx.Commit())
			}
		}
		c := b.once(nil)
		if c.Stored != 466 || c.Duplicate != 0 || c.WrongRows() != 0 || len(c.Lags) != 0 && c.Lags[0] < 0 {
			b.Errorf("got %+v, want 466 stored", c)
		}
		for i := range 700 {
			if got := b.inQueue(fmt.Sprintf("A%d", i)); got != (i%3 != 0) {
				b.Errorf("A%d in the queue: %t", i, got)
			}
		}
		if n := b.count("true"); n != 0 {
			b.Errorf("%d rows are left", n)
		}
		if c := b.once(nil); c.Rows != 0 {
			b.Errorf("an empty table gave %+v", c)
		}
	})
}

func TestARelayFindsWhatComes(t *testing.T) {
	both(t, func(b *bench) {
		b.relay(nil)
		for i := range 5 {
			tsr := fmt.Sprintf("B%d", i)
			b.insert(b.shop, trigger(tsr))
			b.eventually(tsr+" is in the queue", func() bool { return b.inQueue(tsr) })
		}
		b.eventually("the table is empty", func() bool { return b.count("true") == 0 })
	})
}

// A row that is relayed a second time is a duplicate, and goes.
func TestARowThatWasRelayedBeforeIsADuplicate(t *testing.T) {
	both(t, func(b *bench) {
		b.insert(b.shop, trigger("TWICE"))
		b.once(nil)
		b.insert(b.shop, trigger("TWICE"))
		if c := b.once(nil); c.Duplicate != 1 || c.Stored != 0 || b.count("true") != 0 {
			b.Errorf("got %+v, and %d rows", c, b.count("true"))
		}
	})
}

func TestARowThatIsWrongKeepsItsErrorAndKeepsNobody(t *testing.T) {
	both(t, func(b *bench) {
		wrong := []struct {
			name      string
			intent    any
			kind      relay.Kind
			error, zh string
		}{
			{"no JSON", "order 17", relay.InvalidJSON, "is no JSON object", "不是 JSON"},
			{"half", `{"type":"b2c:trigger_issue","data":{`, relay.InvalidJSON, "JSON", "JSON"},
			{"NULL", nil, relay.NoIntent, "intent is NULL", "intent 為 NULL"},
			{"empty", "", relay.InvalidJSON, "JSON", "JSON"},
			{"an unknown type", `{"type":"b2c:issue_it","data":{"a":1}}`, relay.InvalidField, "type must be one of", "須為下列之一"},
			{"5 MB", `{"type":"b2c:trigger_issue","data":{"MerchantID":"2000132","Tsr":"` + strings.Repeat("x", 5<<20) + `"}}`, relay.TooLarge,
				"at most", "至多"},
			{"a doubled name", `{"type":"b2c:trigger_issue","type":"b2c:invalid","data":{"MerchantID":"2000132","Tsr":"X"}}`,
				relay.InvalidField, "twice", "重複"},
			{"a misspelt name", `{"type":"b2c:trigger_issue","data":{"MerchantId":"2000132","Tsr":"X"}}`, relay.InvalidField,
				`it is "MerchantID"`, "MerchantID"},
			{"a field that is too long", trigger(strings.Repeat("T", 31)), relay.InvalidField, "Tsr", "Tsr"},
			{"a merchant without keys", strings.Replace(trigger("X"), merchant, "3009999", 1), relay.NoMerchant,
				"no keys of the merchant", "金鑰尚未設定"},
			{"a year too far", strings.TrimSuffix(trigger("X"), "}") + `,"process_at":"9999-01-01T00:00:00Z"}`, relay.InvalidField,
				"process_at", "process_at"},
		}
		for i, w := range wrong {
			b.insert(b.shop, trigger(fmt.Sprintf("GOOD%d", i)))
			b.insert(b.shop, w.intent)
		}
		known := func(c *relay.Config) { c.Known = func(id string) bool { return id == merchant } }
		c := b.once(known)
		if c.Stored != len(wrong) || c.WrongRows() != len(wrong) {
			b.Errorf("got %+v, want %d stored and as many wrong", c, len(wrong))
		}
		rows := b.rows(false)
		if len(rows) != len(wrong) {
			b.Fatalf("%d rows are wrong, want %d", len(rows), len(wrong))
		}
		kinds := map[relay.Kind]int{}
		for i, w := range wrong {
			kinds[w.kind]++
			if r := rows[i]; !strings.Contains(r.Error, w.error) || !strings.Contains(r.ErrorZh, w.zh) || r.Attempts != 1 || len(r.Error) > 2000 {
				b.Errorf("%s: got %q, %q after %d attempts", w.name, r.Error, r.ErrorZh, r.Attempts)
			}
		}
		for k, n := range kinds {
			if c.Wrong[k] != n {
				b.Errorf("%d rows are %s, want %d", c.Wrong[k], k, n)
			}
		}
		// They are not claimed again by themselves, and once more when a person says so.
		if c := b.once(known); c.Rows != 0 {
			b.Errorf("claimed again: %+v", c)
		}
		b.must(b.admin().Retry(b.Context(), rows[9].ID))
		if c := b.once(nil); c.Stored != 1 { // the keys are there by now
			b.Errorf("after a retry: %+v", c)
		}
		if n, err := b.admin().RetryAll(b.Context()); err != nil || n != int64(len(wrong)-1) {
			b.Errorf("retry all: %d, %v", n, err)
		}
		if c := b.once(known); c.WrongRows() != len(wrong)-1 {
			b.Errorf("after a retry of all: %+v", c)
		}
		if got := b.rows(false)[0].Attempts; got != 2 {
			b.Errorf("%d attempts, want 2", got)
		}
		for _, r := range b.rows(false) {
			b.must(b.admin().Discard(b.Context(), r.ID))
		}
		if n := b.count("true"); n != 0 {
			b.Errorf("%d rows are left", n)
		}
		if err := b.admin().Discard(b.Context(), 1); err == nil {
			b.Error("discarded what is not there")
		}
	})
}

func TestWhatDiffersFromTheEarlierTaskIsToldAtTheRow(t *testing.T) {
	both(t, func(b *bench) {
		intent := `{"type":"b2b:invalid","data":{"MerchantID":"2000132","InvoiceNumber":"VG00000001","InvoiceDate":"2026-11-01","Reason":"%s"}}`
		b.insert(b.shop, fmt.Sprintf(intent, "A"))
		b.insert(b.shop, fmt.Sprintf(intent, "B"))
		c := b.once(nil)
		if c.Stored != 1 || c.Wrong[relay.Differs] != 1 {
			b.Errorf("got %+v", c)
		}
		if r := b.rows(false); len(r) != 1 || !strings.Contains(r[0].Error, "Reason") || !strings.Contains(r[0].ErrorZh, "Reason") ||
			r[0].TaskID == "" {
			b.Errorf("got %+v", r)
		}
	})
}

func TestATimeIsThatOfTheColumnOrOfTheIntent(t *testing.T) {
	both(t, func(b *bench) {
		far := "2226-01-31T09:00:00+08:00"
		b.insert(b.shop, strings.TrimSuffix(trigger("INTENT"), "}")+`,"process_at":"`+far+`"}`)
		b.exec("INSERT INTO ecpayq_outbox (intent, process_at) VALUES ('" + trigger("COLUMN") + "', '" + far + "')")
		b.exec("INSERT INTO ecpayq_outbox (intent, process_at) VALUES ('" +
			strings.TrimSuffix(trigger("BOTH"), "}") + `,"process_at":"2226-01-31T08:00:00+08:00"}` + "', '" + far + "')")
		wrong := map[string]string{
			"postgres": "infinity", "mysql": "2226-01-31 09:00:00",
		}[b.kind]
		b.exec("INSERT INTO ecpayq_outbox (intent, process_at) VALUES ('" + trigger("WRONG") + "', '" + wrong + "')")
		if c := b.once(nil); c.Stored != 3 || c.Wrong[relay.InvalidField] != 1 {
			b.Errorf("got %+v", c)
		}
		want, err := time.Parse(time.RFC3339, far)
		b.must(err)
		for _, tsr := range []string{"INTENT", "COLUMN", "BOTH"} {
			at := b.rdb.ZScore(b.Context(), asynqx.Key("trigger_issue", asynqx.Scheduled), "b2c.trigger_issue."+merchant+"."+tsr).Val()
			if at != float64(want.Unix()) {
				b.Errorf("%s is scheduled for %v, want %d", tsr, at, want.Unix())
			}
		}
	})
}

// Redis is away, and then it is there again: the rows stay until then.
func TestRowsStayWhileRedisIsAway(t *testing.T) {
	both(t, func(b *bench) {
		b.redis.Kill()
		short, err := enqueue.New(enqueue.Config{RedisURL: b.redis.URL(), Timeout: 300 * time.Millisecond})
		b.must(err)
		defer short.Close()
		failed := make(chan error, 1000)
		b.relay(func(c *relay.Config) {
			c.Client = short
			c.Observe = func(_ relay.Claim, err error) {
				if err != nil {
					select {
					case failed <- err:
					default:
					}
				}
			}
		})
		for i := range 300 {
			b.insert(b.shop, trigger(fmt.Sprintf("R%d", i)))
		}
		for range 3 {
			<-failed
		}
		if n := b.count("error IS NULL"); n != 300 {
			b.Errorf("%d rows, want all 300 as they were", n)
		}
		b.must(b.redis.Restart(b.Context()))
		b.eventually("all are relayed", func() bool { return b.count("true") == 0 })
		for i := range 300 {
			if !b.inQueue(fmt.Sprintf("R%d", i)) {
				b.Fatalf("R%d is lost", i)
			}
		}
	})
}

// With statement-based binary logs, InnoDB refuses READ COMMITTED; the doctor says so.
func TestACheckFailsWhereARelayWould(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		kind, change, want string
		args               []string
	}{
		"statement": {"mysql", "", "binlog_format", []string{"--log-bin=binlog", "--server-id=1", "--binlog-format=STATEMENT"}},
		"no table":  {"mysql", "DROP TABLE ecpayq_outbox", "outbox schema", nil},
		"no right":  {"postgres", "REVOKE DELETE ON ecpayq_outbox FROM @", "lacks a right", nil},
		"nor this":  {"postgres", "REVOKE UPDATE ON ecpayq_outbox FROM @", "lacks a right", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := servers[row.kind]
			if row.args != nil {
				server = starts[row.kind](t, dbtest.Options{Args: row.args})
			}
			b := newBench(t, row.kind, server)
			if row.args == nil {
				if h, err := b.admin().Check(b.Context()); err != nil || h.Server == "" || h.Wakes != (b.kind == "postgres") {
					t.Errorf("before: %+v, %v", h, err)
				}
				b.exec(strings.ReplaceAll(row.change, "@", b.user))
			}
			_, err := b.admin().Check(b.Context())
			if err == nil || !strings.Contains(b.database.Hint(err).En, row.want) {
				t.Errorf("got %v with the hint %q, want %q in it", err, b.database.Hint(err).En, row.want)
			}
		})
	}
}

// newBenchEncoded is [newBench] with a PostgreSQL whose text is in an encoding.
func newBenchEncoded(t *testing.T, encoding string) *bench {
	b := newBench(t, "postgres", servers["postgres"])
	name := b.user + strings.ToLower(encoding)
	b.exec("CREATE DATABASE " + name + " ENCODING '" + encoding + "' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
	b.shop = b.server.OpenDatabase(t, name)
	text, err := relay.Schema("postgres", relay.SchemaOptions{Relay: b.user})
	b.must(err)
	var ascii []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "COMMENT") && !strings.HasPrefix(line, "--") {
			ascii = append(ascii, line)
		}
	}
	b.exec(strings.Join(ascii, ""))
	u, err := url.Parse(b.url)
	b.must(err)
	u.Path = "/" + name
	b.database, err = relay.ParseURL(u.String())
	b.must(err)
	return b
}

// A database that cannot hold the Chinese of an error holds the English one, and its good rows go.
func TestADatabaseInAnotherEncodingKeepsNobody(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"EUC_TW", "LATIN1", "SQL_ASCII"} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			b := newBenchEncoded(t, encoding)
			b.insert(b.shop, "order 17")
			b.insert(b.shop, trigger("GOOD"))
			b.insert(b.shop, `{"type":"b2c:trigger_issue","data":{"Nam\u00e9":1}}`)
			if c := b.once(nil); c.Stored != 1 || c.WrongRows() != 2 {
				t.Errorf("got %+v", c)
			}
			rows := b.rows(false)
			if len(rows) != 2 || !strings.Contains(rows[0].Error, "JSON") || !strings.Contains(rows[1].Error, "Nam") {
				t.Errorf("got %+v", rows)
			}
			if h, err := b.admin().Check(b.Context()); err != nil || h.Encoding != encoding {
				t.Errorf("check: %+v, %v", h, err)
			}
		})
	}
}

// A database may hold bytes that are no text in UTF-8. Rows with them are wrong, and keep nobody.
func TestARowThatCannotBeConvertedKeepsNobody(t *testing.T) {
	t.Parallel()
	for encoding, bytes := range map[string]string{"SQL_ASCII": `\xa4\xa4`, "WIN1252": `\x81`} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			b := newBenchEncoded(t, encoding)
			for i := range 600 {
				b.insert(b.shop, trigger(fmt.Sprintf("BEFORE%d", i)))
				if i%200 == 100 {
					b.exec("INSERT INTO ecpayq_outbox (intent) VALUES (E'" + strings.Replace(trigger("BAD@"), "@", bytes, 1) + "')")
				}
			}
			all := b.rows(true)
			if len(all) != 603 || all[0].TaskID == "" || all[602].TaskID == "" {
				t.Errorf("%d rows are listed, want 603 and the task of each that can be read", len(all))
			}
			if c := b.once(nil); c.Stored != 600 || c.Wrong[relay.InvalidJSON] != 3 {
				t.Errorf("got %+v, want 600 stored and 3 wrong", c)
			}
			rows := b.rows(false)
			if len(rows) != 3 || !strings.Contains(rows[0].Error, "UTF-8") || rows[0].Attempts != 1 {
				t.Errorf("got %+v", rows)
			}
			b.must(b.admin().Late(b.Context(), func(relay.Row) error { return nil }))
		})
	}
}

// Rows that Redis has not confirmed as wanted stay, and are told of.
func TestWhatIsNotConfirmedStays(t *testing.T) {
	t.Parallel()
	b := newBench(t, "postgres", servers["postgres"])
	client, err := enqueue.New(enqueue.Config{RedisURL: b.redis.URL(), Confirm: enqueue.Confirm{Replicas: 1, Timeout: 50 * time.Millisecond}})
	b.must(err)
	defer client.Close()
	b.insert(b.shop, trigger("LONELY"))
	var got tally
	b.relay(func(c *relay.Config) { c.Client, c.Observe = client, got.observe })
	b.eventually("it is told", got.failed)
	if n := b.count("error IS NULL"); n != 1 || !b.inQueue("LONELY") {
		t.Errorf("%d rows, want one that stays and whose task is there", n)
	}
}

// Relays tell in Redis where their tables stand, for pages that do not reach the database.
func TestRelaysTellWhereTheTableStands(t *testing.T) {
	both(t, func(b *bench) {
		b.must(b.rdb.HSet(b.Context(), record.OutboxKey, "gone", `{"database":"gone","at":"2020-01-01T00:00:00Z"}`, "broken", "{").Err())
		b.insert(b.shop, "order 17")
		b.once(nil)
		b.relay(func(c *relay.Config) { c.Status = b.rdb })
		b.eventually("it tells, and forgets what is gone", func() bool {
			all, err := relay.ReadStatus(b.Context(), b.rdb, time.Now())
			b.must(err)
			return len(all) == 1 && all[0].Wrong == 1 && all[0].Database == b.database.String() && !all[0].Silent(time.Now()) &&
				b.rdb.HLen(b.Context(), record.OutboxKey).Val() == 1
		})
		all, err := relay.ReadStatus(b.Context(), b.rdb, time.Now().Add(2*time.Minute))
		b.must(err)
		if !all[0].Silent(time.Now().Add(2*time.Minute)) || all[0].Stuck() {
			b.Errorf("after two minutes: %+v", all[0])
		}
	})
}
