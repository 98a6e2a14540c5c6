package tasks

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay"
)

// sampleOf is a valid payload of a type, with every field set.
func sampleOf(t *testing.T, typ Type) Payload {
	t.Helper()
	var best Payload
	for _, p := range samples() {
		if TypeOf(p).Name == typ.Name && (best == nil || set(p) > set(best)) {
			best = p
		}
	}
	if best == nil {
		t.Fatalf("no sample of %s", typ.Name)
	}
	return best
}

// set counts the fields that are not zero.
func set(p Payload) (n int) {
	for _, v := range FieldsOf(p) {
		if !v.IsZero() {
			n++
		}
	}
	return n
}

func TestARowSaysWhatItsPayloadDoes(t *testing.T) {
	t.Parallel()
	for _, typ := range Types() {
		p := typ.New()
		_, asks := p.(asker)
		_, compares := p.(comparer)
		_, waits := p.(waiter)
		if (asks || compares) != (typ.Shown != NoProof) {
			t.Errorf("%s: can be asked about: %v, but Shown is %d", typ.Name, asks || compares, typ.Shown)
		}
		if compares && (asks || typ.Shown != ShownIsDone || !typ.NotUnique || typ.LockedBy == 0) {
			t.Errorf("%s is compared with what was there before, which is for what is not unique and excludes others of its subject", typ.Name)
		}
		if typ.NotUnique && (!typ.Operation.Write || typ.SendUnasked || typ.UndoneBy != "") {
			t.Errorf("%s is not unique, but its row says what is for others", typ.Name)
		}
		if waits != (typ.WaitsFor == Counterparty || typ.WaitsFor == Issue) {
			t.Errorf("%s: may wait: %v, but WaitsFor is %d", typ.Name, waits, typ.WaitsFor)
		}
		if _, ok := p.(delayed); ok && !typ.Operation.Write {
			t.Errorf("%s has a delay, but a query has no effect", typ.Name)
		}
		if !typ.Operation.Write && (asks || typ.SendUnasked || typ.UndoneBy != "") {
			t.Errorf("%s is a query, but its row says what is for writes", typ.Name)
		}
		if typ.AskOnConflict && typ.Shown != ShownIsDone {
			t.Errorf("%s asks about a conflict, but what it asks shows no success", typ.Name)
		}
		if typ.Operation.Write && typ.Wanted != Once {
			t.Errorf("%s is a write that is forgotten when it is done", typ.Name)
		}
		// A worker asks about such a write only after it has sent it.
		if typ.Shown == ShownIsConflict && !typ.SendUnasked {
			t.Errorf("%s is not sent unasked, but what the ask shows is a conflict", typ.Name)
		}
		if Queues()[typ.Queue] == 0 {
			t.Errorf("%s: its queue %s has no weight", typ.Name, typ.Queue)
		}
		if typ.MaxPayload <= 0 || typ.MaxResult <= 0 {
			t.Errorf("%s has no limit of its payload or its answer", typ.Name)
		}
		if typ.UndoneBy != "" {
			by, ok := ByName(typ.UndoneBy)
			if !ok || len(by.New().subject()) != len(p.subject()) {
				t.Errorf("%s is undone by %q, which is no type with its subject", typ.Name, typ.UndoneBy)
			}
		}
		b, err := Encode(sampleOf(t, typ))
		if err != nil || 4*len(b) > typ.MaxPayload {
			t.Errorf("%s: a payload of %d bytes leaves too little room in %d, error %v", typ.Name, len(b), typ.MaxPayload, err)
		}
	}
}

func TestNoTwoRowsAreMeantByOneWord(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, typ := range Types() {
		for _, word := range []string{typ.Name, typ.Command(), typ.Alias} {
			if other, ok := seen[word]; ok && word != "" {
				t.Errorf("%q means both %s and %s", word, other, typ.Name)
			}
			if seen[word] = typ.Name; word != "" && !typ.Called(word) {
				t.Errorf("%s is not called %q", typ.Name, word)
			}
		}
		if typ.Called("") || typ.Called("b2b") {
			t.Errorf("%s is called by any word", typ.Name)
		}
	}
}

func TestTheFieldTableIsThePayload(t *testing.T) {
	t.Parallel()
	for _, typ := range Types() {
		var want, got []string
		for name := range FieldsOf(typ.New()) {
			want = append(want, name)
		}
		for _, f := range typ.Fields {
			got = append(got, f.Name)
			for _, text := range []string{f.En, f.ZhTW} {
				if text == "" || f.Max > 0 && !strings.Contains(text, strconv.Itoa(f.Max)) {
					t.Errorf("%s: the help of %s, %q, does not say its limit %d", typ.Name, f.Name, text, f.Max)
				}
			}
			if FieldShown(f.Name) != f.Shown {
				t.Errorf("%s masks %s, which another type shows", typ.Name, f.Name)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", typ.Name, diff)
		}
	}
}

func TestALimitInTheFieldTableIsThatOfValidate(t *testing.T) {
	t.Parallel()
	for _, typ := range Types() {
		for _, f := range typ.Fields {
			for n, ok := range map[int]bool{f.Max: true, f.Max + 1: false} {
				p := sampleOf(t, typ)
				v := reflect.ValueOf(p).Elem().FieldByName(f.Name)
				switch {
				case f.Max == 0:
					continue
				case v.Kind() == reflect.String && strings.HasPrefix(f.Name, "InvoiceN"): // InvoiceNo, InvoiceNumber
					v.SetString("VG" + strings.Repeat("1", n-2))
				case strings.HasSuffix(f.Name, "Mail"):
					v.SetString(strings.Repeat("1", n-len("@shop.example")) + "@shop.example")
				case v.Kind() == reflect.String:
					v.SetString(strings.Repeat("1", n))
				case v.Kind() == reflect.Int:
					v.SetInt(int64(n))
				default:
					v.Set(reflect.ValueOf(&n))
				}
				var invalid *ecpay.ValidationError
				err := p.Validate()
				refused := errors.As(err, &invalid) && slices.ContainsFunc(invalid.Fields, func(e ecpay.FieldError) bool { return e.Field == f.Name })
				if refused == ok {
					t.Errorf("%s: %s of %d: got the error %v, want one %v", typ.Name, f.Name, n, err, !ok)
				}
			}
		}
	}
}

// What Validate leaves is what is stored and sent.
func TestValidateNormalisesThePayloadItself(t *testing.T) {
	t.Parallel()
	for _, typ := range Types() {
		p := sampleOf(t, typ)
		want := fmt.Sprintf("%+v", reflect.ValueOf(p.Request()).Elem().Interface())
		spaced := 0
		for _, f := range FieldsOf(p) {
			if f.Kind() == reflect.String && f.String() != "" {
				f.SetString("  " + f.String() + " ")
				spaced++
			}
		}
		if err := p.Validate(); err != nil || spaced < 2 {
			t.Fatalf("%s: %v, with %d fields of text", typ.Name, err, spaced)
		}
		if got := fmt.Sprintf("%+v", reflect.ValueOf(p.Request()).Elem().Interface()); got != want {
			t.Errorf("%s: the request is %s, want %s", typ.Name, got, want)
		}
		if diff := cmp.Diff(sampleOf(t, typ), p); diff != "" {
			t.Errorf("%s (-want +got):\n%s", typ.Name, diff)
		}
	}
}

func TestALockMayBePartOfTheSubject(t *testing.T) {
	t.Parallel()
	void, _ := ByName("b2b:invalid")
	const id = "b2b.invalid.2000132.VG11000002.2019-09-23"
	for n, want := range map[int]string{
		0: "b2b.2000132.VG11000002.2019-09-23", 1: "b2b.2000132.VG11000002",
		2: "b2b.2000132.VG11000002.2019-09-23", 9: "b2b.2000132.VG11000002.2019-09-23",
	} {
		void.LockedBy = n
		if got := void.LockOf(id); got != want {
			t.Errorf("locked by %d fields: got %s, want %s", n, got, want)
		}
	}
}

func TestTheVoidsOfAnInvoiceAndOfItsAllowancesHaveOneLock(t *testing.T) {
	t.Parallel()
	const want = "b2c.2000132.JU11082064"
	for _, p := range []Payload{
		&B2CInvalid{MerchantID: "2000132", InvoiceNo: "JU11082064", InvoiceDate: "2026-06-17"},
		&B2CAllowanceInvalid{MerchantID: "2000132", InvoiceNo: "JU11082064", AllowanceNo: "2026061700000001"},
		&B2CAllowanceInvalid{MerchantID: "2000132", InvoiceNo: "JU11082064", AllowanceNo: "2026061700000002"},
	} {
		if got := Lock(ID(p)); got != want {
			t.Errorf("%s is locked by %s, want %s", ID(p), got, want)
		}
	}
}

func TestOnlyATriggerIsUndone(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"b2c.trigger_issue.2000132.T1":              "b2c.cancel_delay_issue.2000132.T1",
		"b2c.trigger_issue.2000132.a~2Eb":           "b2c.cancel_delay_issue.2000132.a~2Eb",
		"b2c.cancel_delay_issue.2000132.T1":         "",
		"b2b.invalid.2000132.VG11000002.2019-09-23": "",
		"by other means":                            "",
	} {
		typ, _, _ := ParseID(id)
		if got := typ.UndoneByOf(id); got != want {
			t.Errorf("%s is undone by %q, want %q", id, got, want)
		}
	}
}
