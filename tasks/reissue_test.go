package tasks

import (
	"testing"

	"github.com/ecpayq/ecpayq/ecpay"
)

func TestAnInvoiceThatIsIssuedAnewIsKnownByItsRandomCode(t *testing.T) {
	t.Parallel()
	b2c, b2b := samples()["b2c_void_with_re_issue"].(*B2CVoidWithReIssue), samples()["b2b_void_with_re_issue"].(*B2BVoidWithReIssue)
	for name, tc := range map[string]struct {
		known, number, random, amount, voided string
		want                                  Shown
	}{
		"another code":        {"1111", "", "2222", "", "0", Made},
		"the same code":       {"1111", "", "1111", "", "0", NotMade},
		"another amount":      {"1111", "", "2222", "7", "0", Undecided},
		"voided":              {"1111", "", "2222", "", "1", Undecided},
		"another invoice":     {"1111", "AA00000000", "2222", "", "0", Undecided},
		"no code is shown":    {"1111", "", "", "", "0", Undecided},
		"nothing remembered":  {"", "", "2222", "", "0", Undecided},
		"none was there then": {noneKnown, "", "2222", "", "0", Undecided},
	} {
		pick := func(given, usual string) ecpay.Text {
			if given == "" {
				given = usual
			}
			return ecpay.Text(given)
		}
		ofB2C := &ecpay.B2CGetIssueResponse{B2CIssued: ecpay.B2CIssued{
			IIS_Number: pick(tc.number, b2c.VoidModel.InvoiceNo), IIS_Random_Number: ecpay.Text(tc.random),
			IIS_Sales_Amount: pick(tc.amount, "105"), IIS_Invalid_Status: ecpay.Text(tc.voided), IIS_Create_Date: "2026-06-17 10:20:30",
		}}
		shows, answer := b2c.compare().Judge(tc.known, ofB2C, nil)
		if shows != tc.want || (answer != nil) != (tc.want == Made) {
			t.Errorf("B2C, %s: got %v and %v, want %v", name, shows, answer, tc.want)
		}
		if made, ok := answer.(*ecpay.B2CVoidWithReIssueResponse); ok && (made.RandomNumber != "2222" || made.InvoiceNo != "JU11082064") {
			t.Errorf("B2C, %s: got %+v", name, made)
		}
		ofB2B := &ecpay.B2BGetIssueResponse{}
		ofB2B.RtnData.Value = ecpay.B2BIssue{
			InvoiceNumber: pick(tc.number, b2b.VoidModel.InvoiceNumber), RandomNumber: ecpay.Text(tc.random),
			TotalAmount: pick(tc.amount, "110"), Invalid_Status: ecpay.Text(tc.voided),
		}
		if shows, answer = b2b.compare().Judge(tc.known, ofB2B, nil); shows != tc.want || (answer != nil) != (tc.want == Made) {
			t.Errorf("B2B, %s: got %v and %v, want %v", name, shows, answer, tc.want)
		}
	}
	for _, p := range []comparer{b2c, b2b} {
		if known, ok := p.compare().Known(nil); known != noneKnown || !ok {
			t.Errorf("%T: of no invoice %q is remembered, %v", p, known, ok)
		}
		if shows, _ := p.compare().Judge("1111", nil, nil); shows != Undecided {
			t.Errorf("%T: no invoice shows %v", p, shows)
		}
	}
}

// The id of an invoice that is issued anew is made of what is inside its models, and of the allowance of B2B of
// its first line.
func TestASubjectMayStandInAModel(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"b2c_void_with_re_issue": "b2c.JU11082064", "b2b_void_with_re_issue": "b2b.VG11000002.2019-09-22",
		"b2b_allowance": "b2b.VG11000002.2019-09-22",
	} {
		p := samples()[name]
		lock := Lock(ID(p))
		category, rest := want[:4], want[4:]
		if lock != category+"2000132."+rest {
			t.Errorf("%s has the lock %s, want that of its invoice, %s2000132.%s", name, lock, category, rest)
		}
		void := Lock(ID(&B2BInvalid{MerchantID: "2000132", InvoiceNumber: "VG11000002", InvoiceDate: "2019-09-22"}))
		if category == "b2b." && void != lock {
			t.Errorf("%s has another lock than a void of its invoice, %s", name, void)
		}
	}
	if typ, _ := ByName("b2b:allowance"); len(typ.SubjectNames()) != 3 {
		t.Errorf("got the names %q", typ.SubjectNames())
	}
	if id := ID(&B2BAllowance{MerchantID: "2000132", Reference: "R"}); id != "b2b.allowance.2000132...R" {
		t.Errorf("an allowance without a line has the id %s", id)
	}
}
