package ecpaytest

import (
	"fmt"
	"math"
	"time"
)

var opB2BIssue = operation{
	name: "Issue", category: "B2B", write: true, subject: []string{"RelateNumber"},
	run: (*Server).b2bIssue,
}

// b2bIssue is B2B Issue. Documented: its fields, RelateNumber of at most 20 characters in exchange mode and 50 in archive mode.
// Recorded: InvoiceNumber and RandomNumber, but no date, in the answer; 6000015 for a buyer that is not registered. That all are
// registered but one, and the codes for a RelateNumber that was used before and for wrong sums, are our choice.
func (s *Server) b2bIssue(r request) answer {
	f := r.data
	limit := 20
	if r.merchant.Archive {
		limit = 50
	}
	relate, buyer := f.pattern("RelateNumber", limit, relateNumber), f.pattern("CustomerIdentifier", 8, taxID)
	for _, name := range []string{
		"CustomerAddress", "CustomerTelephoneNumber", "CustomerEmail", "InvoiceTime", "ZeroTaxRateReason", "InvoiceRemark", "ClearanceMark",
	} {
		f.optional(name, 200)
	}
	f.present("SpecialTaxType")
	f.amount("TaxRate", false)
	f.oneOf("InvType", "07", "08")
	f.oneOf("TaxType", "1", "2", "3", "4")
	sum := sumOf(s.items(f, "ItemTax"))
	sales, tax, total := f.wholeAmount("SalesAmount"), f.wholeAmount("TaxAmount"), f.wholeAmount("TotalAmount")
	if a, ok := s.checked(f); !ok {
		return a
	}
	switch {
	case int(math.Round(sum)) != sales || sales+tax != total:
		return refuse(CodeAmountMismatch)
	case buyer == NoSuchTaxID:
		return refuse(CodeNoSuchBuyer)
	case r.merchant.invoiceByRelateNumber(relate) != nil:
		return refuse(CodeB2BRelateNumberDup)
	}
	s.minted++
	i := &b2bInvoice{state: stateValid, Invoice: Invoice{
		MerchantID: r.merchant.MerchantID, InvoiceNumber: fmt.Sprintf("FB%08d", s.minted),
		InvoiceDate:  s.calendar(r.at).In(taipei).Format(time.DateOnly),
		RelateNumber: relate, Side: SideSales, SellerIdentifier: "23165448", BuyerIdentifier: buyer, SalesAmount: sales,
	}}
	r.merchant.invoices[invoiceKey{i.InvoiceNumber, i.InvoiceDate}] = &invoiceView{side: SideSales, invoice: i}
	s.effect(r.at, EffectIssued, r.merchant, relate, r.seq, i.InvoiceNumber)
	return answer{
		code: CodeOK, msg: "發票開立成功", more: object{{"InvoiceNumber", i.InvoiceNumber}, {"RandomNumber", fmt.Sprintf("%04d", s.minted*7919%10000)}},
	}
}
