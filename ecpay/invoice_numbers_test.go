package ecpay

import (
	"strings"
	"testing"
)

// words are ranges of one term, the last of which is of another.
func words() []UsedInvoiceWord {
	word := func(id Text, start, end, last Text, status Code) UsedInvoiceWord {
		return UsedInvoiceWord{id, "115", InvoiceWord{6, "07", "KK", start, end}, last, status}
	}
	return []UsedInvoiceWord{
		word("1", "10000000", "10000049", "10000039", WordInUse),
		word("2", "10000050", "10000099", "", WordNew),
		word("3", "10000100", "10000149", "10000100", WordPaused),
		word("4", "10000150", "10000199", "10000160", WordStopped),
		word("5", "10000200", "10000249", "", WordAwaiting),
		word("6", "10000250", "10000299", "", WordRefused),
		word("7", "10000300", "10000349", "10000299", WordInUse),
		{"8", "115", InvoiceWord{5, "07", "KH", "10000000", "10000049"}, "", WordInUse},
		{"9", "115", InvoiceWord{6, "08", "KM", "10000000", "10000049"}, "", WordInUse},
		{"10", "116", InvoiceWord{6, "07", "KZ", "10000000", "10000049"}, "", WordInUse},
	}
}

func TestInvoiceNumbersAreCounted(t *testing.T) {
	t.Parallel()
	left, err := InvoiceNumbersLeft(words(), "115", 6, "07")
	if want := (InvoiceNumbers{InUse: 10 + 50, Off: 50 + 49}); err != nil || left != want {
		t.Errorf("got %+v, %v, want %+v", left, err, want)
	}
	if left, err := InvoiceNumbersLeft(words(), "115", 1, "07"); err != nil || left != (InvoiceNumbers{}) {
		t.Errorf("of a term without ranges: got %+v, %v, want none", left, err)
	}
	broken := append(words(), UsedInvoiceWord{"11", "115", InvoiceWord{6, "07", "KK", "x", "10000049"}, "", WordInUse})
	if _, err := InvoiceNumbersLeft(broken, "115", 6, "07"); err == nil || !strings.Contains(err.Error(), "track 11: InvoiceStart") {
		t.Errorf("with a range that cannot be read: got %v", err)
	}
}

func TestWhatIsLeftOfARange(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		start, end, last Text
		want             int
		problem          string
	}{
		"none used":                 {"10000000", "10000049", "", 50, ""},
		"the first used":            {"10000000", "10000049", "10000000", 49, ""},
		"one left":                  {"10000000", "10000049", "10000048", 1, ""},
		"all used":                  {"10000000", "10000049", "10000049", 0, ""},
		"not begun, as zeros":       {"10000000", "10000049", "00000000", 50, ""},
		"from zero, the first used": {"00000000", "00000049", "00000000", 49, ""},
		"as numbers":                {"0", "49", "7", 42, ""},
		"with the letters":          {"10000000", "10000049", "KK10000001", 48, ""},
		"a wide range":              {"00000000", "99999999", "", 100_000_000, ""},
		"past the end":              {"10000000", "10000049", "10000050", 0, "InvoiceEnd is before"},
		"backwards":                 {"10000050", "10000049", "", 0, "InvoiceEnd is before"},
		"no start":                  {"", "10000049", "", 0, "InvoiceStart is no number"},
		"no end":                    {"10000000", "", "", 0, "InvoiceEnd is no number"},
		"nine digits":               {"10000000", "100000049", "", 0, "InvoiceEnd is no number"},
		"other letters":             {"10000000", "10000049", "AB10000001", 0, "InvoiceNo is no number"},
		"a sign":                    {"10000000", "10000049", "-1", 0, "InvoiceNo is no number"},
	} {
		w := InvoiceWord{InvoiceHeader: "KK", InvoiceStart: tc.start, InvoiceEnd: tc.end}
		got, err := UsedInvoiceWord{InvoiceWord: w, InvoiceNo: tc.last}.Left()
		if got != tc.want || (err != nil) != (tc.problem != "") || err != nil && !strings.Contains(err.Error(), tc.problem) {
			t.Errorf("%s: got %d, %v, want %d, %q", name, got, err, tc.want, tc.problem)
		}
	}
}

func TestForHowManyDaysNumbersLast(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		numbers, used, days int
		ends                bool
	}{
		{100, 10, 10, true}, {99, 10, 9, true}, {9, 10, 0, true}, {0, 10, 0, true}, {-1, 10, 0, true}, {100, 0, 0, false}, {100, -1, 0, false},
	} {
		if days, ends := DaysLeft(tc.numbers, tc.used); days != tc.days || ends != tc.ends {
			t.Errorf("DaysLeft(%d, %d) = %d, %t, want %d, %t", tc.numbers, tc.used, days, ends, tc.days, tc.ends)
		}
	}
}
