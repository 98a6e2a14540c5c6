package ecpaytest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func (b *bench) stageTrack(t Track) {
	b.t.Helper()
	if err := b.StageTrack(t); err != nil {
		b.t.Fatal(err)
	}
}

// issueAs issues a B2C invoice and returns its number, or the RtnCode by which it is refused.
func (b *bench) issueAs(relate string, change m) any {
	b.t.Helper()
	return numberOr(b.call(pathIssue, issueOf(changed(m{"RelateNumber": relate}, change))), "InvoiceNo")
}

func numberOr(r result, member string) any {
	if r.code() == rtn(1) {
		return r.data[member]
	}
	return r.code()
}

// words are the ranges of B2C that a query finds.
func (b *bench) words() []any {
	b.t.Helper()
	found := b.call(pathGetWord, m{"InvoiceYear": "115", "InvoiceTerm": 0, "UseStatus": 0, "InvoiceCategory": 1})
	list, _ := found.data["InvoiceInfo"].([]any)
	return list
}

func TestInvoiceNumbersRunOut(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	if got, _ := b.issueAs("BEFORE", nil).(string); !strings.HasPrefix(got, "FK") {
		t.Errorf("without a range: got %q, want a number of none", got)
	}
	b.stageTrack(Track{InvoiceHeader: "KK", InvoiceStart: "10000000", InvoiceEnd: "10000001"})
	b.stageTrack(Track{InvoiceHeader: "KK", InvoiceStart: "20000098", InvoiceEnd: "20000099", InvoiceNo: "20000098"})
	for i, want := range []any{"KK10000000", "KK10000001", "KK20000099", rtn(5070350)} {
		if got := b.issueAs(fmt.Sprint("R", i), nil); got != want {
			t.Errorf("invoice %d: got %v, want %v", i, got, want)
		}
	}
	if got := b.effectNames("R3"); len(got) != 0 || b.State(StageMerchantID, "R3") != "" {
		t.Errorf("without a number there are effects %v and state %q", got, b.State(StageMerchantID, "R3"))
	}
	last := []any{}
	for _, w := range b.words() {
		last = append(last, w.(m)["InvoiceNo"])
	}
	if diff := cmp.Diff([]any{"10000001", "20000099"}, last); diff != "" {
		t.Errorf("numbers used last (-want +got):\n%s", diff)
	}
	b.stageTrack(Track{InvoiceHeader: "KL", InvoiceStart: "00000000", InvoiceEnd: "00000049"})
	if got := b.issueAs("R3", nil); got != "KL00000000" { // the order was not used up
		t.Errorf("with another range: got %v", got)
	}
	// A range is for its term alone, and for its InvType.
	if got := b.issueAs("SPECIAL", m{"InvType": "08"}); got != rtn(5070350) {
		t.Errorf("of the special type: got %v", got)
	}
	b.Advance(60 * day) // May
	if got := b.issueAs("MAY", nil); got != rtn(5070350) {
		t.Errorf("in the next term: got %v", got)
	}
}

func TestARangeIsTurnedOnAndOff(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	id := b.call(pathAddWord, wordOf(nil)).data["TrackID"]
	if got, _ := b.issueAs("R0", nil).(string); !strings.HasPrefix(got, "FK") {
		t.Errorf("while no range is on: got %q, want a number of none", got)
	}
	for i, step := range []struct {
		status int
		want   any
		issued any
	}{
		{2, rtn(1), "KK10000000"}, {1, rtn(1), rtn(5070350)}, {2, rtn(1), "KK10000001"}, {0, rtn(1), rtn(5070350)},
		{2, rtn(CodeTrackStopped), rtn(5070350)}, {1, rtn(CodeTrackStopped), rtn(5070350)}, {0, rtn(1), rtn(5070350)},
	} {
		if got := b.call(pathSetWord, m{"TrackID": id, "InvoiceStatus": step.status}).code(); got != step.want {
			t.Errorf("step %d, status %d: got %v, want %v", i+1, step.status, got, step.want)
		}
		if got := b.issueAs(fmt.Sprint("S", i), nil); got != step.issued {
			t.Errorf("step %d, an invoice: got %v, want %v", i+1, got, step.issued)
		}
	}
}

func TestADelayedInvoiceWaitsForANumber(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.stageTrack(Track{InvoiceHeader: "KK", InvoiceStart: "10000000", InvoiceEnd: "10000049", InvoiceNo: "10000049"})
	b.stageDelayed(Delayed{Tsr: "NOW"})
	b.stageDelayed(Delayed{Tsr: "LATER", DelayFlag: "1", DelayDay: 1})
	if got := b.trigger("NOW").code(); got != rtn(5070350) || b.State(StageMerchantID, "NOW") != statePending {
		t.Errorf("a trigger without a number: got %v and state %q", got, b.State(StageMerchantID, "NOW"))
	}
	b.clock.add(3 * day)
	if got := b.State(StageMerchantID, "LATER"); got != stateScheduled || b.IssueDue() != 0 {
		t.Errorf("due without a number: got state %q, want %q", got, stateScheduled)
	}
	b.stageTrack(Track{InvoiceHeader: "KL", InvoiceStart: "10000000", InvoiceEnd: "10000049"})
	if got := b.IssueDue(); got != 1 {
		t.Errorf("%d invoices became due, want 1", got)
	}
	got := b.call(pathGet, m{"RelateNumber": "LATER"}).data
	day := dateIn(b.clock.Now())
	if created, _ := got["IIS_Create_Date"].(string); got["IIS_Number"] != "KL10000000" || !strings.HasPrefix(created, day) {
		t.Errorf("got %v of %v, want KL10000000 of %s, when there were numbers", got["IIS_Number"], got["IIS_Create_Date"], day)
	}
	if got := b.trigger("NOW").code(); got != rtn(4000004) {
		t.Errorf("the trigger again: got %v", got)
	}
	if diff := cmp.Diff([]string{EffectIssued}, b.effectNames("NOW")); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
}

func TestB2BHasRangesOfItsOwn(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b2bWord := wordOf(m{"InvoiceCategory": "2", "InvoiceHeader": "BB"})
	id := b.call("/B2BInvoice/AddInvoiceWordSetting", b2bWord).data["TrackID"]
	if got := b.call("/B2BInvoice/AddInvoiceWordSetting", b2bWord).code(); got != rtn(CodeTrackDup) {
		t.Errorf("the same range again: got %v", got)
	}
	if got := b.call("/B2BInvoice/UpdateInvoiceWordStatus", m{"TrackID": id, "InvoiceStatus": 2}).code(); got != rtn(1) {
		t.Errorf("turned on: got %v", got)
	}
	first := numberOr(b.call(pathB2bIssue, b2bIssueOf(nil)), "InvoiceNumber")
	yesterday := b.clock.Now().Add(-day).In(taipei).Format(time.DateTime)
	second := numberOr(b.call(pathB2bIssue, b2bIssueOf(m{"RelateNumber": "B-2", "InvoiceTime": yesterday})), "InvoiceNumber")
	if first != "BB10000000" || second != "BB10000001" {
		t.Errorf("got %v and %v, want the first two of the range", first, second)
	}
	if got, _ := b.issueAs("C-1", nil).(string); !strings.HasPrefix(got, "FK") {
		t.Errorf("B2C: got %q, want a number of no range", got)
	}
	if got := b.call(pathB2bIssue, b2bIssueOf(m{"RelateNumber": "B-3", "InvType": "08", "TaxType": "4"})).code(); got != rtn(5070350) {
		t.Errorf("the special type: got %v", got)
	}
	query := m{"InvoiceYear": "115", "InvoiceTerm": 2, "UseStatus": 2, "InvoiceCategory": 2}
	found, _ := b.call("/B2BInvoice/GetInvoiceWordSetting", query).data["InvoiceInfo"].([]any)
	if len(found) != 1 || found[0].(m)["InvoiceNo"] != "10000001" || len(b.words()) != 0 {
		t.Errorf("got %v, and %v of B2C, want one range of B2B", found, b.words())
	}
	given, _ := b.call("/B2BInvoice/GetGovInvoiceWordSetting", m{"InvoiceYear": "115"}).data["InvoiceInfo"].([]any)
	if len(given) != 6 {
		t.Errorf("the Ministry gave %d ranges, want 6", len(given))
	}
}

func TestImpossibleTracksAreNotStaged(t *testing.T) {
	t.Parallel()
	good := Track{InvoiceHeader: "KK", InvoiceStart: "10000000", InvoiceEnd: "10000049"}
	for name, row := range map[string]struct {
		change func(*Track)
		want   string
	}{
		"no such merchant": {func(t *Track) { t.MerchantID = "9" }, "merchant"},
		"one letter":       {func(t *Track) { t.InvoiceHeader = "K" }, "two capitals"},
		"seven digits":     {func(t *Track) { t.InvoiceStart = "1000000" }, "eight digits"},
		"backwards":        {func(t *Track) { t.InvoiceEnd = "09999999" }, "in this order"},
		"used beyond":      {func(t *Track) { t.InvoiceNo = "10000050" }, "InvoiceNo"},
		"term 7":           {func(t *Track) { t.InvoiceTerm = 7 }, "InvoiceTerm"},
		"type 09":          {func(t *Track) { t.InvType = "09" }, "InvType"},
		"category 3":       {func(t *Track) { t.InvoiceCategory = "3" }, "InvoiceCategory"},
		"status 5":         {func(t *Track) { t.UseStatus = "5" }, "UseStatus"},
		"another's":        {func(t *Track) { t.InvoiceStart = "10000010" }, "another one"},
	} {
		s := New(Config{})
		if err := s.StageTrack(good); err != nil {
			t.Fatal(err)
		}
		track := good
		row.change(&track)
		if err := s.StageTrack(track); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %q in it", name, err, row.want)
		}
	}
}

func TestTracksAreStagedByTheControlAPI(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	if status, answer := steer(t, b.Server, "POST", "/_fake/stage",
		`{"track":{"InvoiceHeader":"KK","InvoiceStart":"10000000","InvoiceEnd":"10000000"}}`); status != 200 {
		t.Fatalf("got %d %v", status, answer)
	}
	if got := b.issueAs("R1", nil); got != "KK10000000" {
		t.Errorf("got %v, want the only number of the range", got)
	}
}
