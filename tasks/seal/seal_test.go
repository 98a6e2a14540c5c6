package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks"
)

// keyA and keyB are keys as a file has them.
const (
	keyA = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
	keyB = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="
)

func ring(t testing.TB, lines ...string) *Ring {
	t.Helper()
	r, err := Parse([]byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func issue() *tasks.B2CIssue {
	return &tasks.B2CIssue{
		MerchantID: "2000132", RelateNumber: "Order-1", CustomerName: "王小明", CustomerEmail: "buyer@example.com", Print: "0", Donation: "0",
		TaxType: "1", InvType: "07", SalesAmount: 100,
		Items: []ecpay.B2CInvoiceItem{{ItemSeq: 1, ItemName: "茶", ItemCount: "1", ItemWord: "包", ItemPrice: "100", ItemAmount: "100"}},
	}
}

func encode(t testing.TB, r *Ring, p tasks.Payload) []byte {
	t.Helper()
	b, err := r.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatIsSealedOpensForWhoHasTheKey(t *testing.T) {
	t.Parallel()
	p := issue()
	id := tasks.ID(p)
	stored := encode(t, ring(t, keyA), p)
	for _, text := range []string{"王小明", `\u738b`, "buyer@example.com", "茶", "Order-1", "2000132"} {
		if bytes.Contains(stored, []byte(text)) {
			t.Errorf("what is stored holds %s", text)
		}
	}
	if again := encode(t, ring(t, keyA), p); bytes.Equal(stored, again) {
		t.Error("the same is sealed to the same twice: the nonce is not random")
	}
	for name, r := range map[string]*Ring{"the key": ring(t, keyA), "two keys": ring(t, keyB, keyA)} {
		got, err := r.Decode(id, "b2c:issue", nil, stored)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(tasks.Payload(p), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	want := ring(t, keyA).IDs()[0]
	if got, ok := KeyOf(stored); !ok || got != want {
		t.Errorf("KeyOf = %q, %v, want %s", got, ok, want)
	}
	for name, r := range map[string]*Ring{"another key": ring(t, keyB), "no key": nil, "plaintext": Plaintext()} {
		_, err := r.Decode(id, "b2c:issue", nil, stored)
		var missing *KeyError
		if !errors.As(err, &missing) || missing.Key != want || errors.Is(err, tasks.ErrCorrupt) {
			t.Errorf("%s: got the error %v, want that the key %s is missing", name, err, want)
		}
	}
}

func TestTheFormIsThatOfEarlierVersions(t *testing.T) {
	t.Parallel()
	const stored = `{"Sealed":1,"Key":"KEY","Data":"DATA"}`
	r := ring(t, keyA)
	text := strings.NewReplacer("KEY", goldenKey, "DATA", goldenData).Replace(stored)
	got, err := r.Decode("b2c.issue.2000132.ORDER-1", "b2c:issue", map[string]string{"v": "1"}, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tasks.Payload(issue()), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatWasChangedOrCopiedDoesNotOpen(t *testing.T) {
	t.Parallel()
	r, p := ring(t, keyA), issue()
	id := tasks.ID(p)
	good := encode(t, r, p)
	var f form
	if err := json.Unmarshal(good, &f); err != nil {
		t.Fatal(err)
	}
	with := func(change func(*form)) []byte {
		f := f
		change(&f)
		b, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	swap := func(i int) func(*form) {
		return func(f *form) {
			c := byte('A')
			if f.Data[i] == c {
				c = 'B'
			}
			f.Data = f.Data[:i] + string(c) + f.Data[i+1:]
		}
	}
	for name, tc := range map[string]struct {
		id, typ string
		stored  []byte
		want    error
	}{
		"as it is":         {id, "b2c:issue", good, nil},
		"another task":     {"b2c.issue.2000132.ORDER-2", "b2c:issue", good, tasks.ErrCorrupt},
		"another type":     {id, "b2b:invalid", good, tasks.ErrCorrupt},
		"another nonce":    {id, "b2c:issue", with(swap(3)), tasks.ErrCorrupt},
		"another text":     {id, "b2c:issue", with(swap(40)), tasks.ErrCorrupt},
		"another tag":      {id, "b2c:issue", with(swap(len(f.Data) - 8)), tasks.ErrCorrupt},
		"cut off":          {id, "b2c:issue", with(func(f *form) { f.Data = f.Data[:len(f.Data)-4] }), tasks.ErrCorrupt},
		"nothing":          {id, "b2c:issue", with(func(f *form) { f.Data = "" }), tasks.ErrCorrupt},
		"no base64":        {id, "b2c:issue", with(func(f *form) { f.Data = "%" }), tasks.ErrCorrupt},
		"a later form":     {id, "b2c:issue", with(func(f *form) { f.Sealed = 2 }), tasks.ErrNewerSchema},
		"later, unknown":   {id, "b2c:issue", []byte(`{"Sealed":2,"More":true}`), tasks.ErrNewerSchema},
		"form 0":           {id, "b2c:issue", with(func(f *form) { f.Sealed = 0 }), tasks.ErrCorrupt},
		"a key of no id":   {id, "b2c:issue", with(func(f *form) { f.Key = "<b>" }), tasks.ErrCorrupt},
		"an unknown field": {id, "b2c:issue", []byte(`{"Sealed":1,"Key":"0a1b2c3d","Data":"","x":1}`), tasks.ErrCorrupt},
		"half":             {id, "b2c:issue", good[:40], tasks.ErrCorrupt},
		"too large":        {id, "b2c:issue", []byte(`{"Sealed":1,"Data":"` + strings.Repeat("A", maxStored()) + `"}`), tasks.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := r.Decode(tc.id, tc.typ, nil, tc.stored)
			if !errors.Is(err, tc.want) {
				t.Errorf("got the error %v, want %v", err, tc.want)
			}
			if err != nil && (len(err.Error()) > 300 || strings.Contains(err.Error(), f.Data[:12])) {
				t.Errorf("the error quotes what is stored: %v", err)
			}
		})
	}
}

func TestOnlyTypesWithDataOfBuyersAreSealed(t *testing.T) {
	t.Parallel()
	void := &tasks.B2CInvalid{MerchantID: "2000132", InvoiceNo: "JU11082064", InvoiceDate: "2026-06-17", Reason: "r"}
	want, err := tasks.Encode(void)
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*Ring{"with a key": ring(t, keyA), "without": nil} {
		if got := encode(t, r, void); !bytes.Equal(got, want) {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	_, err = (*Ring)(nil).Encode(issue())
	var keyless *NoKeyError
	if !errors.As(err, &keyless) || !strings.Contains(err.Error(), "ECPAYQ_PAYLOAD_KEY_FILE") ||
		!strings.Contains(err.Error(), "ECPAYQ_PAYLOAD_PLAINTEXT") || strings.Contains(err.Error(), "王小明") {
		t.Errorf("without a key: got the error %v", err)
	}
	plain := encode(t, Plaintext(), issue())
	for name, r := range map[string]*Ring{"with a key": ring(t, keyA), "without": nil} {
		if got, err := r.Decode(tasks.ID(issue()), "b2c:issue", nil, plain); err != nil || len(tasks.Differs(got, issue())) > 0 {
			t.Errorf("plaintext, %s: got %v, %v", name, got, err)
		}
	}
}

// No payload begins as the stored form does, so that none is taken for it.
func TestNoPayloadHasTheFieldSealed(t *testing.T) {
	t.Parallel()
	for _, typ := range tasks.Types() {
		b, err := tasks.Encode(typ.New())
		if err != nil || bytes.HasPrefix(b, begin) || bytes.Contains(b, []byte(`"Sealed"`)) {
			t.Errorf("%s: %s, %v", typ.Name, b, err)
		}
	}
}

func TestReseal(t *testing.T) {
	t.Parallel()
	p := issue()
	id := tasks.ID(p)
	old := encode(t, ring(t, keyA), p)
	both := ring(t, keyB, keyA)
	again, err := both.Reseal(id, "b2c:issue", old)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ring(t, keyB).Decode(id, "b2c:issue", nil, again); err != nil || len(tasks.Differs(got, p)) > 0 {
		t.Errorf("got %v, %v", got, err)
	}
	if more, err := both.Reseal(id, "b2c:issue", again); err != nil || more != nil {
		t.Errorf("once more: got %s, %v, want nothing to do", more, err)
	}
	plain := encode(t, Plaintext(), p)
	if sealed, err := both.Reseal(id, "b2c:issue", plain); err != nil || !bytes.HasPrefix(sealed, begin) {
		t.Errorf("plaintext: got %s, %v, want it sealed", sealed, err)
	}
	if sealed, err := both.Reseal("x", "b2b:invalid", []byte(`{}`)); err != nil || sealed != nil {
		t.Errorf("a type that is not sealed: got %s, %v", sealed, err)
	}
	var missing *KeyError
	if _, err := ring(t, keyB).Reseal(id, "b2c:issue", old); !errors.As(err, &missing) {
		t.Errorf("without the old key: got the error %v", err)
	}
}

func TestParseNamesTheLineAndQuotesNothing(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, want string }{
		"one":             {keyA, ""},
		"two, with words": {"# made in January\r\n\r\n" + keyA + "\r\n  " + keyB + "  \n", ""},
		"nothing":         {"\n# none\n", "no key in it"},
		"short":           {keyA + "\nQUFB\n", "line 2 is no key"},
		"hex":             {strings.Repeat("41", KeySize), "line 1 is no key"},
		"URL form":        {strings.Replace(keyA, "F", "_", 1), "line 1 is no key"},
		"no padding":      {strings.TrimRight(keyA, "="), "line 1 is no key"},
		"two on a line":   {keyA + " " + keyB, "line 1 is no key"},
		"the same twice":  {keyA + "\n" + keyB + "\n\n" + keyA, "lines 1 and 4"},
		"binary":          {"\x00\xff\n", "line 1 is no key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := Parse([]byte(tc.text))
			if tc.want == "" {
				if err != nil || len(r.IDs()) != strings.Count(tc.text, "=") {
					t.Errorf("got %q, %v", r.IDs(), err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got the error %v, want %q", err, tc.want)
			}
			if strings.Contains(err.Error(), "QUFB") || strings.Contains(err.Error(), "4141") {
				t.Errorf("the error quotes a key: %v", err)
			}
		})
	}
}

func TestANewKeyIsALineOfItsOwn(t *testing.T) {
	t.Parallel()
	a, b := NewKey(), NewKey()
	if got := ring(t, a, b).IDs(); a == b || len(got) != 2 || got[0] == got[1] || !isKeyID(got[0]) {
		t.Errorf("got the ids %q", got)
	}
}

func TestARingPrintsNothing(t *testing.T) {
	t.Parallel()
	r := ring(t, keyA)
	inner := struct {
		keys *Ring
		n    int
	}{r, 1}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "ring", r)
	text, err := json.Marshal(map[string]any{"ring": r})
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{
		fmt.Sprint(r), fmt.Sprintf("%v %+v %#v %s %x %q %d", r, r, r, r, r, r, r), fmt.Sprintf("%+v %#v", inner, inner),
		log.String(), string(text),
	} {
		for _, secret := range []string{"AAAAAAAA", "QUFB", "41414141", "65 65 65", "0x41, 0x41"} {
			if strings.Contains(got, secret) {
				t.Errorf("%s holds the key", got)
			}
		}
	}
	if string(text) != `{"ring":"***"}` {
		t.Errorf("got %s", text)
	}
}

func TestKeysAreTakenWhileOthersSealAndOpen(t *testing.T) {
	t.Parallel()
	r, p := ring(t, keyA), issue()
	id := tasks.ID(p)
	old := encode(t, r, p)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				b, err := r.Encode(p)
				if err == nil {
					_, err = ring(t, keyA, keyB).Decode(id, "b2c:issue", nil, b)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	r.Take(ring(t, keyB, keyA))
	wg.Wait()
	if key, _ := KeyOf(encode(t, r, p)); key != ring(t, keyB).IDs()[0] {
		t.Errorf("sealed with %s after the new key was taken", key)
	}
	if _, err := r.Decode(id, "b2c:issue", nil, old); err != nil {
		t.Errorf("the old key opens no more: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	r := ring(f, keyA)
	f.Add("b2c.issue.2000132.ORDER-1", encode(f, r, issue()))
	f.Add("", []byte(`{"Sealed":1}`))
	f.Fuzz(func(t *testing.T, id string, stored []byte) {
		b, err := r.Open(id, "b2c:issue", stored)
		var missing *KeyError
		switch {
		case err == nil && !bytes.HasPrefix(stored, begin):
			if !bytes.Equal(b, stored) {
				t.Errorf("what is not sealed was changed")
			}
		case err == nil, errors.As(err, &missing), errors.Is(err, tasks.ErrCorrupt), errors.Is(err, tasks.ErrNewerSchema):
		default:
			t.Errorf("error outside the contract: %v", err)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("error of %d bytes", len(err.Error()))
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	r, p := ring(b, keyA), issue()
	id, stored := tasks.ID(p), encode(b, r, p)
	b.Run("Encode", func(b *testing.B) {
		for b.Loop() {
			_, _ = r.Encode(p)
		}
	})
	b.Run("Decode", func(b *testing.B) {
		for b.Loop() {
			_, _ = r.Decode(id, "b2c:issue", nil, stored)
		}
	})
}
