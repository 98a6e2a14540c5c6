package ecpaytest

import (
	"fmt"
	"math"
	"strings"
	"time"
)

var _ = endpoint(operation{
	name: "Issue", category: "B2B", write: true, subject: []string{"RelateNumber"},
	run: (*Server).b2bIssue,
})

// b2bIssue is B2B Issue. Documented: its fields, RelateNumber of at most 20 characters in exchange mode and 50 in archive mode.
// Also documented: 5070350 where no number is left.
// Recorded: InvoiceNumber and RandomNumber, but no date, in the answer; 6000015 for a buyer that is not registered; items without
// ItemWord and with an ItemTaxType. Documented for a sibling product: InvoiceTime is of the last 6 days. That all buyers are
// registered but one, and the codes for a RelateNumber that was used before and for wrong sums, are our choice.
func (s *Server) b2bIssue(r request) answer {
	v := s.b2bIssueFields(r, r.data)
	issuedAt := s.calendar(r.at).In(taipei).Truncate(time.Second)
	if at := r.data.optional("InvoiceTime", 20); at != "" {
		issuedAt = r.data.recent("InvoiceTime", at, s.calendar(r.at))
	}
	if a, ok := s.checked(r.data); !ok {
		return a
	}
	switch {
	case !v.sums:
		return refuse(CodeAmountMismatch)
	case !r.merchant.knows(v.BuyerIdentifier):
		return refuse(CodeNoSuchBuyer)
	case r.merchant.invoiceByRelateNumber(v.RelateNumber) != nil:
		return refuse(CodeB2BRelateNumberDup)
	}
	number, ok := s.takeNumber(r.merchant, categoryB2B, v.invType, issuedAt, "FB")
	if !ok {
		return refuse(CodeNoNumbers)
	}
	v.MerchantID, v.InvoiceNumber, v.InvoiceDate, v.Side = r.merchant.MerchantID, number, dateIn(issuedAt), SideSales
	i := &b2bInvoice{state: stateValid, Invoice: v.Invoice, taxAmount: v.tax, random: s.randomNumber(), issuedAt: issuedAt}
	r.merchant.invoices[invoiceKey{i.InvoiceNumber, i.InvoiceDate}] = &invoiceView{side: SideSales, invoice: i}
	s.effect(r.at, EffectIssued, r.merchant, i.RelateNumber, r.seq, i.InvoiceNumber)
	return answer{
		code: CodeOK, msg: "發票開立成功", more: object{{"InvoiceNumber", i.InvoiceNumber}, {"RandomNumber", i.random}},
	}
}

// randomNumber is that of the invoice that was minted last.
func (s *Server) randomNumber() string { return fmt.Sprintf("%04d", s.minted*7919%10000) }

// b2bIssued is what the fields of an invoice say.
type b2bIssued struct {
	Invoice
	tax     int
	invType string
	sums    bool // the amounts add up
}

// b2bIssueFields reads the fields that Issue and VoidWithReIssue share.
func (s *Server) b2bIssueFields(r request, f *fields) b2bIssued {
	limit := 20
	if r.merchant.Archive {
		limit = 50
	}
	v := b2bIssued{Invoice: Invoice{
		RelateNumber: f.pattern("RelateNumber", limit, relateNumber), SellerIdentifier: "23165448",
		BuyerIdentifier: f.pattern("CustomerIdentifier", 8, taxID),
	}}
	for _, name := range []string{
		"CustomerAddress", "CustomerTelephoneNumber", "CustomerEmail", "ZeroTaxRateReason", "InvoiceRemark", "ClearanceMark",
	} {
		f.optional(name, 200)
	}
	f.present("SpecialTaxType")
	f.amount("TaxRate", false)
	v.invType = f.oneOf("InvType", "07", "08")
	f.oneOf("TaxType", "1", "2", "3", "4")
	sum := s.b2bItems(f)
	total := f.wholeAmount("TotalAmount")
	v.SalesAmount, v.tax = f.wholeAmount("SalesAmount"), f.wholeAmount("TaxAmount")
	v.sums = int(math.Round(sum)) == v.SalesAmount && v.SalesAmount+v.tax == total
	return v
}

// b2bItems reads Items and returns the sum of ItemAmount.
func (s *Server) b2bItems(f *fields) float64 {
	sum := 0.0
	s.each(f, "Items", func(item *fields) {
		item.between("ItemSeq", 1, 999)
		item.required("ItemName", 256)
		item.amount("ItemCount", true)
		item.optional("ItemWord", 6)
		item.amount("ItemPrice", true)
		sum += item.amount("ItemAmount", true)
		item.amount("ItemTax", false)
		item.present("ItemTaxType")
		item.optional("ItemRemark", 200)
	})
	return sum
}

// recent is a time in Taipei that has to be of the last 6 days.
func (f *fields) recent(name, value string, now time.Time) time.Time {
	at := f.timeOf(name, value)
	if at.After(now) || now.Sub(at) > 6*24*time.Hour {
		f.complain(CodeFieldFormat, "%s must be of the last 6 days", name)
	}
	return at
}

// timeOf is a time in Taipei, the zero time if the value is none.
func (f *fields) timeOf(name, value string) time.Time {
	at, err := time.ParseInLocation(time.DateTime, strings.ReplaceAll(value, "/", "-"), taipei)
	if err != nil {
		f.complain(CodeFieldFormat, "%s must be yyyy-mm-dd hh:mm:ss", name)
	}
	return at
}
