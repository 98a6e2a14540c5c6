package ecpay

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// goldenAmounts are 200 invoices, 20 for each of vat 1 and 0 and of TaxType 1, 2, 3, 4 and 9. Their
// items were chosen with a fixed seed by a program in Python, the first ten of each twenty by hand:
// the published example, sums that end in one half, items that would round to another sum one by one,
// an eighth digit of 5, discounts. Python's decimal module computed the amounts with 60 digits:
// ItemPrice times ItemCount, times 1.05 for taxable items with vat 0, quantized to 1e-7 with
// ROUND_HALF_UP; and the sum of these quantized to 1 in the same way.
func goldenAmounts(t *testing.T) []B2CInvoice {
	t.Helper()
	text, err := os.ReadFile("testdata/amounts.json")
	if err != nil {
		t.Fatal(err)
	}
	var invoices []B2CInvoice
	if err := json.Unmarshal(text, &invoices); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, invoice := range invoices {
		kinds[invoice.Vat+invoice.TaxType]++
	}
	if len(invoices) != 200 || len(kinds) != 10 {
		t.Fatalf("%d invoices of %d kinds, want 200 of 10", len(invoices), len(kinds))
	}
	return invoices
}

func TestAmountsAreAsTwoOtherCalculationsHaveThem(t *testing.T) {
	t.Parallel()
	for n, want := range goldenAmounts(t) {
		if amounts, sales := amountsInUnits(t, want); sales != want.SalesAmount || !slices.Equal(amounts, itemAmounts(want)) {
			t.Errorf("%d: in units of 1e-7 it is %v, %d, want %v, %d", n, amounts, sales, itemAmounts(want), want.SalesAmount)
		}
		asked := want
		asked.Items = slices.Clone(want.Items)
		asked.SalesAmount = 0
		for i := range asked.Items {
			asked.Items[i].ItemAmount = ""
		}
		got, problems := asked.Amounts()
		if diff := cmp.Diff(B2CAmounts{itemAmounts(want), want.SalesAmount}, got); diff != "" || problems != nil {
			t.Errorf("%d, vat %s, TaxType %s (-want +got):\n%s%v", n, want.Vat, want.TaxType, diff, problems)
		}
	}
}

func itemAmounts(r B2CInvoice) []json.Number {
	var out []json.Number
	for _, item := range r.Items {
		out = append(out, item.ItemAmount)
	}
	return out
}

// amountsInUnits computes in whole numbers of 1e-7 dollars, and of 1e-2 pieces.
func amountsInUnits(t *testing.T, r B2CInvoice) (amounts []json.Number, sales int64) {
	t.Helper()
	const dollar = 10_000_000
	var sum int64
	for _, item := range r.Items {
		product, divisor := units(t, item.ItemPrice, 7)*units(t, item.ItemCount, 2), int64(100)
		switch taxed := r.TaxType + item.ItemTaxType; {
		case r.Vat == "1":
		case taxed[0] == '1', taxed == "91":
			product, divisor = product*105, 10_000
		}
		amount := nearest(product, divisor)
		sum += amount
		text := strconv.FormatInt(max(amount, -amount), 10)
		text = strings.Repeat("0", max(0, 8-len(text))) + text
		text = strings.TrimRight(text[:len(text)-7]+"."+text[len(text)-7:], "0")
		text = strings.TrimSuffix(text, ".")
		if amount < 0 {
			text = "-" + text
		}
		amounts = append(amounts, json.Number(text))
	}
	return amounts, nearest(sum, dollar)
}

// units shifts the point of a decimal number to the right.
func units(t *testing.T, n json.Number, digits int) int64 {
	t.Helper()
	whole, fraction, _ := strings.Cut(n.String(), ".")
	v, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", digits-len(fraction)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// nearest divides, a half going away from zero.
func nearest(v, by int64) int64 {
	q, rest := v/by, v%by
	switch {
	case 2*rest >= by:
		q++
	case -2*rest >= by:
		q--
	}
	return q
}

// Where prices include tax, ECPay refuses sums that differ, and where they do not it takes them.
func TestASalesAmountThatIsNotTheSumIsRefusedWherePricesIncludeTax(t *testing.T) {
	t.Parallel()
	halves := 0
	for n, invoice := range goldenAmounts(t) {
		_, sales := amountsInUnits(t, invoice)
		half := invoice.sumEndsInAHalf(t)
		for _, off := range []int64{-2, -1, 0, 1, 2} {
			r := goodInvoice()
			r.Vat, r.TaxType, r.Items = invoice.Vat, invoice.TaxType, slices.Clone(invoice.Items)
			r.ClearanceMark, r.ZeroTaxRateReason = "1", "71"
			for i := range r.Items {
				r.Items[i].ItemName, r.Items[i].ItemWord = "茶", "包"
			}
			if r.SalesAmount = sales + off; r.SalesAmount <= 0 {
				continue
			}
			err := (&B2CDelayIssueRequest{B2CInvoice: r, DelayFlag: DelayTriggered, Tsr: "R1"}).Validate()
			accepted := off == 0 || r.Vat == "0" || half && off == -1 // by the half below
			if (err == nil) != accepted {
				t.Errorf("%d, vat %s, TaxType %s, off by %d: %v", n, r.Vat, r.TaxType, off, err)
			}
		}
		if half && invoice.Vat == "1" {
			halves++
		}
	}
	if halves == 0 {
		t.Error("no sum ends in one half")
	}
}

func (r *B2CInvoice) sumEndsInAHalf(t *testing.T) bool {
	t.Helper()
	var sum int64
	for _, item := range r.Items {
		sum += units(t, item.ItemAmount, 7)
	}
	return sum%10_000_000 == 5_000_000
}

func TestAmountsOfNumbersThatAreNone(t *testing.T) {
	t.Parallel()
	for number, ok := range map[json.Number]bool{
		"0": true, "12345678": true, "123456789": false, "1.12": true, "1.123": false, "-1.5": true, "": false,
		"1e3": false, "1.": false, ".5": false,
		"0x10": false, "1/3": false, "01": false, "1 0": false, " 2 ": true, "NaN": false, "+1": false, "--1": false, "１": false,
	} {
		r := B2CInvoice{Items: []B2CInvoiceItem{{ItemCount: number, ItemPrice: "1.1234567"}}}
		_, problems := r.Amounts()
		if (problems == nil) != ok || !ok && problems[0].Field != "ItemCount" {
			t.Errorf("%q: %v", number, problems)
		}
		if r.Items[0].ItemCount != number {
			t.Errorf("%q was changed", number)
		}
	}
	r := B2CInvoice{Items: []B2CInvoiceItem{{ItemCount: "1", ItemPrice: "1.12345678"}}}
	if _, problems := r.Amounts(); len(problems) != 1 || problems[0].Field != "ItemPrice" {
		t.Errorf("a price with eight digits after the point: %v", problems)
	}
}
