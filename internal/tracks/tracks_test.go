package tracks_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/redistest"
	"github.com/ecpayq/ecpayq/internal/tracks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

const merchantID = "2000132"

// word is a range of general numbers of the term of November and December 2026, unless it says another.
func word(start, end, last string, status ecpay.Code, change ...func(*ecpay.UsedInvoiceWord)) ecpay.UsedInvoiceWord {
	w := ecpay.UsedInvoiceWord{
		TrackID: "1", InvoiceYear: "115", InvoiceNo: ecpay.Text(last), UseStatus: status,
		InvoiceWord: ecpay.InvoiceWord{
			InvoiceTerm: 6, InvType: "07", InvoiceHeader: "AA", InvoiceStart: ecpay.Text(start), InvoiceEnd: ecpay.Text(end),
		},
	}
	for _, f := range change {
		f(&w)
	}
	return w
}

func nextTerm(w *ecpay.UsedInvoiceWord) { w.InvoiceYear, w.InvoiceTerm = "116", 1 }

func special(w *ecpay.UsedInvoiceWord) { w.InvType = "08" }

// bench is what ECPay and the record have.
type bench struct {
	rdb      *redis.Client
	b2c, b2b []ecpay.UsedInvoiceWord
	refusal  map[ecpay.Category]*ecpay.Error
	asked    []string
}

func (b *bench) ask(_ context.Context, q ecpay.Request) (ecpay.Response, error) {
	var query ecpay.InvoiceWordQuery
	all := b.b2c
	switch r := q.(type) {
	case *ecpay.B2CGetInvoiceWordSettingRequest:
		query = r.InvoiceWordQuery
	case *ecpay.B2BGetInvoiceWordSettingRequest:
		query, all = r.InvoiceWordQuery, b.b2b
	}
	c := q.Operation().Category
	b.asked = append(b.asked, fmt.Sprintf("%s %s-%d", c, query.InvoiceYear, query.InvoiceTerm))
	if e := b.refusal[c]; e != nil {
		return nil, e
	}
	found := ecpay.Nested[[]ecpay.UsedInvoiceWord]{Present: true}
	for _, w := range all {
		if string(w.InvoiceYear) == query.InvoiceYear && int(w.InvoiceTerm) == query.InvoiceTerm {
			found.Value = append(found.Value, w)
		}
	}
	switch {
	case len(found.Value) == 0:
		return nil, &ecpay.Error{Kind: ecpay.NotFound, TransCode: 1, RtnCode: 7}
	case c == ecpay.B2B:
		return &ecpay.B2BGetInvoiceWordSettingResponse{InvoiceInfo: found}, nil
	}
	return &ecpay.B2CGetInvoiceWordSettingResponse{InvoiceInfo: found}, nil
}

// issued appends so many issues to the outcomes, within the days before a time.
func (b *bench) issued(t *testing.T, n int, days int, now time.Time) {
	t.Helper()
	pipe := b.rdb.Pipeline()
	from := now.Add(-time.Duration(days)*24*time.Hour + time.Minute).UnixMilli()
	before := int64(0)
	for i := range n {
		ms := from + int64(i)
		pipe.XAdd(t.Context(), &redis.XAddArgs{
			Stream: record.OwnerOutcomesKey(merchantID), ID: fmt.Sprintf("%d-%d", ms, i+1),
			Values: []any{"id", fmt.Sprintf("b2c.issue.%s.R%d", merchantID, i), "state", "done", "kind", "OK", "since", ms - before, "off", 0},
		})
		before = ms
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func at(day string) time.Time {
	d, err := time.ParseInLocation(time.DateOnly, day, ecpay.Taipei)
	if err != nil {
		panic(err)
	}
	return d.Add(12 * time.Hour)
}

// forecast is a row: what there is, and what is to be told of it.
type forecast struct {
	b           bench
	now         time.Time
	issued, ago int // invoices, and since how many days
	want        []string
	err         bool
}

func forecasts() map[string]forecast {
	disabled := &ecpay.Error{Kind: ecpay.Denied, TransCode: 115}
	return map[string]forecast{
		"none, and nothing issued": {now: at("2026-11-10")},
		"enough": {
			b: bench{b2c: []ecpay.UsedInvoiceWord{word("10000000", "10000999", "10000099", ecpay.WordInUse)}}, now: at("2026-11-10"),
			want: []string{"B2C 115-6 07 left 900 off 0 a day 10 days 90"},
		},
		"by what outcomes show, where that is more": {
			b: bench{b2c: []ecpay.UsedInvoiceWord{word("10000000", "10000999", "10000099", ecpay.WordInUse)}}, now: at("2026-11-10"),
			issued: 1050, ago: 7, want: []string{"B2C 115-6 07 left 900 off 0 a day 150 days 6 warns for 6 day(s) at 150 a day; apply for more"},
		},
		"by the days that are kept": {
			b: bench{b2c: []ecpay.UsedInvoiceWord{word("10000000", "10000999", "", ecpay.WordInUse)}}, now: at("2026-11-10"),
			issued: 300, ago: 2, want: []string{"B2C 115-6 07 left 1000 off 0 a day 150 days 6 warns apply for more"},
		},
		"more of it is not turned on": {
			b: bench{b2c: []ecpay.UsedInvoiceWord{
				word("10000000", "10000099", "10000089", ecpay.WordInUse), word("20000000", "20000049", "", ecpay.WordNew),
			}}, now: at("2026-11-10"),
			want: []string{"B2C 115-6 07 left 10 off 50 a day 9 days 1 warns 50 more are in ranges"},
		},
		"none left": {
			b: bench{b2c: []ecpay.UsedInvoiceWord{word("10000000", "10000049", "10000049", ecpay.WordInUse)}}, now: at("2026-11-10"),
			want: []string{"B2C 115-6 07 left 0 off 0 a day 5 days 0 warns no number is left"},
		},
		"none, and something was issued": {
			now: at("2026-11-10"), issued: 7, ago: 7, want: []string{"B2C 115-6 07 left 0 off 0 a day 1 days 0 warns lists no range"},
		},
		"few, which last until the term ends": {
			b: bench{b2c: []ecpay.UsedInvoiceWord{
				word("10000000", "10000599", "10000560", ecpay.WordInUse), word("30000000", "30000999", "", ecpay.WordInUse, nextTerm),
			}}, now: at("2026-12-29"),
			want: []string{"B2C 115-6 07 left 39 off 0 a day 10 days 3", "B2C 116-1 07 left 1000 off 0 a day 10 days 100"},
		},
		"few, which end before the term does": {
			b: bench{b2c: []ecpay.UsedInvoiceWord{
				word("10000000", "10000599", "10000570", ecpay.WordInUse), word("30000000", "30000999", "", ecpay.WordInUse, nextTerm),
			}}, now: at("2026-12-29"),
			want: []string{"B2C 115-6 07 left 29 off 0 a day 10 days 2 warns 29 numbers", "B2C 116-1 07 left 1000 off 0 a day 10 days 100"},
		},
		"enough, and none for the term that begins": {
			b: bench{b2c: []ecpay.UsedInvoiceWord{word("10000000", "10009999", "10000599", ecpay.WordInUse)}}, now: at("2026-12-28"),
			want: []string{
				"B2C 115-6 07 left 9400 off 0 a day 11 days 854", "B2C 116-1 07 left 0 off 0 a day 11 days 0 warns begins on 2027-01-01; apply",
			},
		},
		"special ones beside": {
			b: bench{b2c: []ecpay.UsedInvoiceWord{
				word("10000000", "10000999", "10000499", ecpay.WordInUse), word("50000000", "50000049", "", ecpay.WordInUse, special),
			}}, now: at("2026-11-10"), issued: 700, ago: 7,
			want: []string{"B2C 115-6 07 left 500 off 0 a day 100 days 5 warns 500 numbers", "B2C 115-6 08 left 50 off 0 a day 0"},
		},
		"B2B, where B2C is not enabled": {
			b: bench{
				refusal: map[ecpay.Category]*ecpay.Error{ecpay.B2C: disabled},
				b2b:     []ecpay.UsedInvoiceWord{word("10000000", "10000999", "10000099", ecpay.WordInUse)},
			}, now: at("2026-11-10"), want: []string{"B2B 115-6 07 left 900 off 0 a day 10 days 90"},
		},
		"neither is enabled": {
			b: bench{refusal: map[ecpay.Category]*ecpay.Error{ecpay.B2C: disabled, ecpay.B2B: disabled}}, now: at("2026-11-10"), err: true,
		},
		"a range that makes no sense": {
			b: bench{b2c: []ecpay.UsedInvoiceWord{word("10000999", "10000000", "", ecpay.WordInUse)}}, now: at("2026-11-10"), err: true,
		},
	}
}

func TestNumbersAreForecastAndWarnedOf(t *testing.T) {
	t.Parallel()
	rdb := redistest.New(t, redistest.Options{AppendFsync: "no"}).Client()
	for name, row := range forecasts() {
		t.Run(name, func(t *testing.T) {
			b := row.b
			b.rdb = rdb
			defer rdb.FlushDB(context.Background()) // it is the test's own
			if row.issued > 0 {
				b.issued(t, row.issued, row.ago, row.now)
			}
			all, err := tracks.Look(t.Context(), tracks.Config{
				Reader: record.NewReader(rdb), Ask: b.ask, Now: func() time.Time { return row.now },
			}, merchantID)
			if (err != nil) != row.err || err != nil && errors.Is(err, context.Canceled) {
				t.Fatalf("got error %v, want one: %v", err, row.err)
			}
			var got []string
			for _, s := range all {
				got = append(got, shown(s))
			}
			if len(got) != len(row.want) {
				t.Fatalf("got %q, want %q", got, row.want)
			}
			for i, want := range row.want {
				figures, warning, warns := strings.Cut(want, " warns ")
				if have, said, low := strings.Cut(got[i], " warns "); have != figures || low != warns || !strings.Contains(said, warning) {
					t.Errorf("got %q, want %q", got[i], want)
				}
				if (all[i].Warning == "") != (all[i].WarningZh == "") {
					t.Errorf("%+v warns in one language", all[i])
				}
			}
		})
	}
}

func shown(s tracks.Standing) string {
	text := fmt.Sprintf("%s %s-%d %s left %d off %d a day %d", s.Category, s.Year, s.Term, s.InvType, s.Left, s.Off, s.PerDay)
	if s.DaysLeft != nil {
		text += fmt.Sprintf(" days %d", *s.DaysLeft)
	}
	if s.Low() {
		text += " warns " + s.Warning
	}
	return text
}
