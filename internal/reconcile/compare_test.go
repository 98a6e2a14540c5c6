package reconcile

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

const merchantID = "2000132"

var (
	theDay   = time.Date(2026, 11, 29, 0, 0, 0, 0, ecpay.Taipei)
	theNight = theDay.Add(27 * time.Hour)
)

// at is a time of the day, like "13:00:00".
func at(clock string) time.Time {
	t, err := time.ParseInLocation(time.DateTime, "2026-11-29 "+clock, ecpay.Taipei)
	if err != nil {
		panic(err)
	}
	return t
}

func invoice(number, relate string, change func(*Invoice)) Invoice {
	i := Invoice{Number: number, RelateNumber: relate, Created: at("12:00:00"), Upload: "1", Turnkey: "C"}
	if change != nil {
		change(&i)
	}
	return i
}

func issued(relate, number string) *Order {
	return &Order{Standing: Done, TaskID: "issue." + relate, RelateNumber: relate, Number: number, Day: "2026-11-29", At: at("12:00:01")}
}

func triggered(tsr, relate string) *Order {
	return &Order{Standing: Done, TaskID: "trigger." + tsr, RelateNumber: relate, Tsr: tsr, Day: "2026-11-29", At: at("12:00:01")}
}

func standing(o *Order, s Standing) *Order { o.Standing = s; return o }

func undated(o *Order) *Order { o.Day = ""; return o }

// comparison is a row: what both have, and what is to be found.
type comparison struct {
	theirs []Invoice
	orders []*Order
	voids  map[string]Void
	from   time.Time
	after  time.Duration // later than the night after
	tsr    bool          // the shop uses one number
	want   []string      // kind, number or RelateNumber, and a word of the detail
}

func voidOf(number string, s Standing, clock string) map[string]Void {
	return map[string]Void{number: {Standing: s, TaskID: "void." + number, Number: number, At: at(clock)}}
}

// comparisons are those of what was issued, uploaded and voided.
func comparisons() map[string]comparison {
	all := comparisonsOfIssues()
	maps.Copy(all, comparisonsOfUploadsAndVoids())
	return all
}

func comparisonsOfIssues() map[string]comparison {
	one, r1 := []Invoice{invoice("AA00000001", "R1", nil)}, []*Order{issued("R1", "")}
	return map[string]comparison{
		"an empty day":                          {},
		"by the number":                         {theirs: one, orders: []*Order{issued("OTHER", "AA00000001")}},
		"by the RelateNumber in any case":       {theirs: one, orders: []*Order{issued("r1", "")}},
		"by a Tsr that is the RelateNumber":     {theirs: one, orders: []*Order{triggered("R1", "")}},
		"a person's word":                       {theirs: one, orders: []*Order{standing(issued("R1", ""), Word)}},
		"one that is under way":                 {theirs: one, orders: []*Order{standing(undated(issued("R1", "")), Underway)}},
		"not in their list":                     {orders: r1, want: []string{"missing R1 back office"}},
		"not in their list, by a person's word": {orders: []*Order{standing(issued("R1", ""), Word)}},
		"not in their list, of a day not known": {orders: []*Order{undated(issued("R1", ""))}},
		"it ended after the list was read":      {orders: []*Order{{Standing: Done, RelateNumber: "R1", Day: "2026-11-29", At: theNight}}},
		"nothing of ours":                       {theirs: one, want: []string{"unexpected AA00000001 no task"}},
		"two of one RelateNumber": {
			theirs: []Invoice{invoice("AA00000002", "r1", nil), invoice("AA00000001", "R1", nil)}, orders: r1,
			want: []string{"unexpected AA00000002 whose first is AA00000001"},
		},
		"our task is dead": {theirs: one, orders: []*Order{standing(issued("R1", ""), Dead)}, want: []string{"unexpected AA00000001 is dead"}},
		"a trigger without a RelateNumber": {
			theirs: one, orders: []*Order{triggered("T1", "")}, want: []string{"not_judged AA00000001 one of 1", "not_judged  Tsr T1"},
		},
		"a trigger of a shop with one number": {
			theirs: one, orders: []*Order{triggered("T1", "")}, tsr: true,
			want: []string{"missing  back office", "unexpected AA00000001 no task"},
		},
		"a staged one without a RelateNumber": {
			theirs: one, orders: []*Order{undated(triggered("T1", ""))}, want: []string{"not_judged AA00000001 one of 1"},
		},
		"the record begins before": {theirs: one, orders: r1, from: theDay.Add(-time.Hour)},
		"it begins in the longest delay": {
			theirs: one, from: theDay.Add(-time.Hour), want: []string{"unexpected AA00000001 looks the same"},
		},
		"it begins long before": {
			theirs: one, from: theDay.Add(-18 * 24 * time.Hour), want: []string{"unexpected AA00000001 if nobody meant it, void it"},
		},
		"it begins on the day, after it": {
			theirs: one, orders: r1, from: at("13:00:00"), want: []string{"not_judged  before 2026-11-29 13:00:00"},
		},
		"it begins on the day, before it": {
			theirs: one, from: at("11:00:00"), want: []string{"not_judged  before 2026-11-29 11:00:00", "unexpected AA00000001 no task"},
		},
		"it does not reach it": {
			theirs: one, from: at("13:00:00"),
			want: []string{"not_judged  before 2026-11-29 13:00:00", "not_judged AA00000001 no task with its RelateNumber"},
		},
	}
}

func comparisonsOfUploadsAndVoids() map[string]comparison {
	one, r1 := []Invoice{invoice("AA00000001", "R1", nil)}, []*Order{issued("R1", "")}
	void := []Invoice{invoice("AA00000001", "R1", func(i *Invoice) { i.Voided = true })}
	return map[string]comparison{
		"the upload failed": {
			theirs: []Invoice{invoice("AA00000001", "R1", func(i *Invoice) { i.Upload, i.Turnkey = "0", "E" })}, orders: r1,
			want: []string{`upload_failed AA00000001 IIS_Turnkey_Status "E"`},
		},
		"the upload failed, as B2B says it": {
			theirs: []Invoice{invoice("AA00000001", "R1", func(i *Invoice) { i.Upload, i.Turnkey = "2", "" })}, orders: r1,
			want: []string{`upload_failed AA00000001 IIS_Upload_Status "2"`},
		},
		"the upload is under way": {
			theirs: []Invoice{invoice("AA00000001", "R1", func(i *Invoice) { i.Turnkey = "G" })}, orders: r1,
		},
		"the upload is due": {
			theirs: []Invoice{invoice("AA00000001", "R1", func(i *Invoice) { i.Upload, i.Turnkey = "0", "" })}, orders: r1,
		},
		"the upload is overdue": {
			theirs: []Invoice{invoice("AA00000001", "R1", func(i *Invoice) { i.Upload, i.Turnkey = "0", "P" })}, orders: r1, after: 48 * time.Hour,
			want: []string{`upload_overdue AA00000001 due until 2026-12-01 23:59:59`},
		},
		"voided by us":          {theirs: void, orders: r1, voids: voidOf("AA00000001", Done, "13:00:00")},
		"voided by a word":      {theirs: void, orders: r1, voids: voidOf("AA00000001", Word, "13:00:00")},
		"our void is under way": {theirs: void, orders: r1, voids: voidOf("AA00000001", Underway, "13:00:00")},
		"voided by other means": {theirs: void, orders: r1, want: []string{"voided_elsewhere AA00000001 no void of ours"}},
		"our void is dead": {
			theirs: void, orders: r1, voids: voidOf("AA00000001", Dead, "13:00:00"), want: []string{"voided_elsewhere AA00000001 is dead"},
		},
		"our void had no effect": {
			theirs: one, orders: r1, voids: voidOf("AA00000001", Done, "13:00:00"), want: []string{"not_voided AA00000001 shows it as valid"},
		},
		"a word of a void":        {theirs: one, orders: r1, voids: voidOf("AA00000001", Word, "13:00:00")},
		"unexpected and void too": {theirs: void, want: []string{"unexpected AA00000001 no task", "voided_elsewhere AA00000001 no void of ours"}},
	}
}

func TestCompareNamesExactlyWhatDoesNotAgree(t *testing.T) {
	t.Parallel()
	for name, row := range comparisons() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := Question{MerchantID: merchantID, Day: theDay, ListedAt: theNight.Add(row.after), TsrIsRelateNumber: row.tsr}
			got := Compare(q, row.theirs, Ours{Orders: row.orders, Voids: row.voids, From: row.from})
			left := append([]string{}, row.want...)
			for _, f := range got {
				if f.MerchantID != merchantID || f.Day != "2026-11-29" || f.Detail == "" || f.DetailZh == "" || f.Detail == f.DetailZh {
					t.Errorf("got %+v, want all of it, in both languages", f)
				}
				known := false
				for i, want := range left {
					kind, rest, _ := strings.Cut(want, " ")
					about, word, _ := strings.Cut(rest, " ")
					if known = string(f.Kind) == kind && (f.InvoiceNumber == about || f.InvoiceNumber == "" && f.RelateNumber == about) &&
						strings.Contains(f.Detail, word); known {
						left = append(left[:i], left[i+1:]...)
						break
					}
				}
				if !known {
					t.Errorf("got %+v, which is none of %q", f, row.want)
				}
			}
			if len(left) > 0 {
				t.Errorf("got %+v, want also %q", got, left)
			}
		})
	}
}

func TestEveryKindIsFoundAndSaysWhatItIs(t *testing.T) {
	t.Parallel()
	found := map[Kind]bool{}
	for _, row := range comparisons() {
		for _, want := range row.want {
			kind, _, _ := strings.Cut(want, " ")
			found[Kind(kind)] = true
		}
	}
	for _, k := range Kinds() {
		if s := KindText(k); !found[k] || s.En == "" || s.Zh == "" {
			t.Errorf("%s: is in a comparison: %v, and is %+v", k, found[k], s)
		}
	}
	if len(found) != len(Kinds()) {
		t.Errorf("comparisons name %d kinds, want %d", len(found), len(Kinds()))
	}
}

func outcome(typ, state, kind string, when time.Time, subject map[string]string, answer string) record.Outcome {
	return record.Outcome{
		ID: typ, Type: typ, MerchantID: merchantID, State: state, Kind: kind, At: when, Subject: subject, Result: json.RawMessage(answer),
	}
}

func issueOutcome(state, kind string, when time.Time, issuedAt string) record.Outcome {
	answer := ""
	if issuedAt != "" {
		answer = `{"RtnCode":1,"InvoiceNo":"AA00000001","InvoiceDate":"` + issuedAt + `"}`
	}
	return outcome(typeIssue, state, kind, when, map[string]string{"RelateNumber": "R1"}, answer)
}

// tells is the number of the invoice of the trigger of T1.
func tells(number, day string) record.Outcome {
	o := outcome(typeTrigger, "issued", "", at("12:00:00"), map[string]string{"Tsr": "T1"}, "")
	o.Invoice = &tasks.Invoice{Number: number, Date: day, RandomCode: "1234"}
	return o
}

// gathered is what is to be kept of outcomes.
type gathered struct {
	outcomes []record.Outcome
	want     []Order
	voids    []string
}

func gatherings() map[string]gathered {
	tsr := map[string]string{"Tsr": "T1"}
	invoiceOf := map[string]string{"InvoiceNo": "AA00000001", "InvoiceDate": "2026-11-29"}
	ofAnother := map[string]string{"InvoiceNo": "AA00000001", "InvoiceDate": "2026-11-28"}
	noon, nextNoon := at("12:00:00"), at("12:00:00").AddDate(0, 0, 1)
	const issuedAtOnce = `{"RtnCode":4000004,"Tsr":"T1"}`
	return map[string]gathered{
		"an issue": {
			[]record.Outcome{issueOutcome("done", "OK", noon, "2026-11-29 11:59:59")},
			[]Order{{Standing: Done, RelateNumber: "R1", Number: "AA00000001", Day: "2026-11-29"}}, nil,
		},
		"an issue of another day, by ECPay's date": {
			[]record.Outcome{issueOutcome("done", "OK", noon, "2026-11-28 23:59:59")},
			nil, nil,
		},
		"an issue that was found the day after": {
			[]record.Outcome{issueOutcome("done", "AlreadyDone", nextNoon, "")}, []Order{{Standing: Done, RelateNumber: "R1"}}, nil,
		},
		"an issue that a person resolved": {
			[]record.Outcome{issueOutcome("resolved", "Ambiguous", noon, "")}, []Order{{Standing: Word, RelateNumber: "R1"}}, nil,
		},
		"an issue that is dead": {[]record.Outcome{issueOutcome("dead", "Rejected", noon, "")}, nil, nil},
		"a trigger": {
			[]record.Outcome{outcome(typeTrigger, "done", "OK", noon, tsr, issuedAtOnce)},
			[]Order{{Standing: Done, Tsr: "T1", Day: "2026-11-29"}}, nil,
		},
		"a trigger near midnight": {
			[]record.Outcome{outcome(typeTrigger, "done", "OK", at("00:01:00"), tsr, issuedAtOnce)}, []Order{{Standing: Done, Tsr: "T1"}}, nil,
		},
		"a trigger of a later issue": {
			[]record.Outcome{outcome(typeTrigger, "done", "OK", noon.AddDate(0, 0, -7), tsr, `{"RtnCode":4000003}`)},
			[]Order{{Standing: Done, Tsr: "T1"}}, nil,
		},
		"a trigger of a later issue, the day after": {
			[]record.Outcome{outcome(typeTrigger, "done", "OK", nextNoon, tsr, `{"RtnCode":4000003}`)}, nil, nil,
		},
		"a trigger of a later issue, and its number": {
			[]record.Outcome{
				outcome(typeTrigger, "done", "OK", noon.AddDate(0, 0, -7), tsr, `{"RtnCode":4000003}`), tells("AA00000001", "2026-11-29"),
			}, []Order{{Standing: Done, Tsr: "T1", Number: "AA00000001", Day: "2026-11-29"}}, nil,
		},
		"a trigger whose number is of another day": {
			[]record.Outcome{
				outcome(typeTrigger, "done", "OK", noon.AddDate(0, 0, -7), tsr, `{"RtnCode":4000003}`), tells("AA00000001", "2026-11-28"),
			}, nil, nil,
		},
		"a staging and its trigger": {
			[]record.Outcome{
				outcome(typeDelay, "done", "OK", noon.AddDate(0, 0, -1), tsr, `{"RtnCode":1}`),
				outcome(typeTrigger, "done", "OK", noon, tsr, issuedAtOnce),
			}, []Order{{Standing: Done, Tsr: "T1", Day: "2026-11-29"}}, nil,
		},
		"a staging and its trigger on another day": {
			[]record.Outcome{
				outcome(typeDelay, "done", "OK", noon.AddDate(0, 0, -2), tsr, `{"RtnCode":1}`),
				outcome(typeTrigger, "done", "OK", noon.AddDate(0, 0, -1), tsr, issuedAtOnce),
			}, nil, nil,
		},
		"a staging and its cancel": {
			[]record.Outcome{
				outcome(typeDelay, "done", "OK", noon.AddDate(0, 0, -1), tsr, `{"RtnCode":1}`),
				outcome(typeCancel, "done", "OK", noon, tsr, `{"RtnCode":1}`),
			}, nil, nil,
		},
		"a cancel that voids": {
			[]record.Outcome{outcome(typeCancel, "done", "AlreadyDone", nextNoon, tsr,
				`{"RtnCode":1,"Undone":"voided","InvoiceNo":"AA00000001","InvoiceDate":"2026-11-29"}`)}, nil, []string{"AA00000001"},
		},
		"a void": {
			[]record.Outcome{outcome(typeInvalid, "done", "OK", nextNoon, invoiceOf, `{"RtnCode":1}`)},
			nil, []string{"AA00000001"},
		},
		"a void that is dead":             {[]record.Outcome{outcome(typeInvalid, "dead", "Conflict", nextNoon, invoiceOf, "")}, nil, nil},
		"a void of another day's invoice": {[]record.Outcome{outcome(typeInvalid, "done", "OK", noon, ofAnother, "")}, nil, nil},
		"what issues and voids nothing":   {[]record.Outcome{outcome("b2c:invoice_notify", "done", "OK", noon, invoiceOf, "")}, nil, nil},
	}
}

func TestTheRecordOfADayIsWhatItsTasksSaid(t *testing.T) {
	t.Parallel()
	for name, row := range gatherings() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCollector(theDay)
			for _, o := range row.outcomes {
				c.add(o)
			}
			ours := c.ours()
			var got []Order
			for _, o := range ours.Orders {
				o.At, o.TaskID = time.Time{}, ""
				got = append(got, *o)
			}
			var voids []string
			for number := range ours.Voids {
				voids = append(voids, number)
			}
			if diff := cmp.Diff(row.want, got) + cmp.Diff(row.voids, voids); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
