package ecpaytest

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// delayIssueOf is a complete DelayIssue with changes; a change to nil removes the field.
func delayIssueOf(change m) m {
	data := m{
		"RelateNumber": "Order1", "Tsr": "T1", "PayType": "2", "PayAct": "ECPAY", "DelayFlag": "2", "DelayDay": 0,
		"CustomerEmail": "customer@example.com", "Print": "0", "Donation": "0", "TaxType": "1", "SalesAmount": 100,
		"InvType": "07", "vat": "1", "NotifyURL": "",
		"Items": []m{{"ItemSeq": 1, "ItemName": "茶", "ItemCount": 3, "ItemWord": "包", "ItemPrice": 33.333, "ItemTaxType": "1",
			"ItemAmount": 99.999, "ItemRemark": ""}},
	}
	maps.Copy(data, change)
	maps.DeleteFunc(data, func(_ string, v any) bool { return v == nil })
	return data
}

func TestDelayIssue(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		change m
		want   int
	}{
		{"as documented", nil, CodeOK},
		{"flag 1", m{"DelayFlag": "1", "DelayDay": 1}, CodeOK},
		{"flag 1 without delay", m{"DelayFlag": "1"}, CodeDelayDay},
		{"flag 3", m{"DelayFlag": "3"}, CodeFieldFormat},
		{"16 days", m{"DelayDay": 16}, CodeDelayDay},
		{"DelayDay as string", m{"DelayDay": "0"}, CodeFieldFormat},
		{"PayAct of another", m{"PayAct": "ALLPAY"}, CodeFieldFormat},
		{"no RelateNumber", m{"RelateNumber": nil}, CodeFieldMissing},
		{"RelateNumber with a space", m{"RelateNumber": "Order 1"}, CodeFieldFormat},
		{"RelateNumber used before, in another case", m{"RelateNumber": "used"}, CodeRelateNumberDup},
		{"Tsr used before, in another case", m{"Tsr": "used"}, CodeTsrDup},
		{"amounts do not add up", m{"SalesAmount": 99}, CodeAmountMismatch},
		{"malformed 統編", m{"CustomerIdentifier": "2316544", "CarrierType": "1"}, CodeTaxIDFormat},
		{"統編 with a wrong check digit", m{"CustomerIdentifier": "23165447", "CarrierType": "1"}, CodeTaxIDCheck},
		{"malformed mobile barcode", m{"CarrierType": "3", "CarrierNum": "/abc"}, CodeBarcode},
		{"malformed donation code", m{"Donation": "1", "LoveCode": "12"}, CodeLoveCode},
		{"no items", m{"Items": []m{}}, CodeFieldMissing},
		{"field of another form in an item", m{"Items": []m{{"ItemName": "茶", "ItemCount": 1, "ItemWord": "包", "ItemPrice": 100,
			"ItemAmount": 100, "ItemTax": 5}}}, CodeUnknownField},
		{"TaxAmount that is no number", m{"TaxAmount": "five"}, CodeFieldFormat},
		{"SalesAmount with a fraction", m{"SalesAmount": "100.5"}, CodeFieldFormat},
		{"SalesAmount below 0", m{"SalesAmount": -100}, CodeFieldFormat},
		{
			"ItemAmount null",
			m{"Items": []m{{"ItemName": "茶", "ItemCount": 1, "ItemWord": "包", "ItemPrice": 100, "ItemAmount": nil}}}, CodeFieldFormat,
		},
		{"item without an amount", m{"Items": []m{{"ItemName": "茶", "ItemCount": 1, "ItemWord": "包", "ItemPrice": 100}}}, CodeFieldMissing},
		{"item that is no object", m{"Items": []string{"茶"}}, CodeFieldFormat},
		{"no DelayDay", m{"DelayDay": nil}, CodeFieldMissing},
		{"nobody to tell", m{"CustomerEmail": nil}, CodeFieldMissing},
		{"print without an address", m{"Print": "1", "CustomerName": "王"}, CodeFieldMissing},
		{"unknown field", m{"PayPal": "1"}, CodeUnknownField},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			b.stageDelayed(Delayed{Tsr: "USED"})
			r := b.call("/B2CInvoice/DelayIssue", delayIssueOf(row.change))
			if got := r.code(); got != float64(row.want) {
				t.Fatalf("got %v %v, want %d", got, r.data["RtnMsg"], row.want)
			}
			if row.want != CodeOK {
				return
			}
			if r.data["OrderNumber"] != "T1" {
				t.Errorf("got OrderNumber %v, want T1", r.data["OrderNumber"])
			}
			b.trigger("T1")
			if diff := cmp.Diff(EffectDelayed, b.effectNames("T1")[0]); diff != "" {
				t.Errorf("first effect (-want +got):\n%s", diff)
			}
		})
	}
}
