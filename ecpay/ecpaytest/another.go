package ecpaytest

import (
	"encoding/json"
	"errors"
	"time"
)

// others are the subjects of which a Fault with AboutAnother speaks.
var others = map[string]string{
	"Tsr": "ANOTHER1", "RelateNumber": "ANOTHER1", "InvoiceNumber": "ZZ99999999", "InvoiceNo": "FK99999991", "AllowanceNo": "9999999999999999",
}

// another is what a server knows that knows nothing but another subject.
type another struct {
	delayed      Delayed
	invoice      Invoice
	allowance    Allowance
	b2cAllowance *B2CAllowance // nil for none
}

// anotherFor is one about which the operation has something to say, or to do. What its another makes of it comes last.
func anotherFor(op *operation, date, today string) *another {
	o := &another{
		delayed: Delayed{Tsr: others["Tsr"], Issued: true},
		invoice: Invoice{
			InvoiceNumber: others["InvoiceNumber"], InvoiceDate: date, IssueConfirmed: !op.write, Confirmed: !op.write,
		},
		allowance: Allowance{AllowanceNo: others["AllowanceNo"], ConfirmDate: today},
	}
	if !op.write {
		o.invoice.RelateNumber = others["RelateNumber"]
	}
	if op.another != nil {
		op.another(o)
	}
	if o.b2cAllowance != nil {
		o.b2cAllowance.InvoiceNo, o.b2cAllowance.AllowanceNo = others["InvoiceNo"], others["AllowanceNo"]
	}
	return o
}

// invoiceOfToday is that of the operations of B2B that have an InvoiceNo, whose day becomes today.
func invoiceOfToday() Invoice {
	return Invoice{InvoiceNumber: others["InvoiceNo"], RelateNumber: others["RelateNumber"]}
}

// aboutAnother is what a server that knows nothing but another subject answers to the same request about that one.
func (s *Server) aboutAnother(x *exchange) answer {
	cfg := s.cfg
	cfg.Merchants = []Merchant{x.merchant.Merchant}
	twin := New(cfg)
	twin.minted = 99999990
	o := anotherFor(x.op, memberOf(x.plain, "InvoiceDate"), dateIn(s.now()))
	errs := []error{twin.StageDelayed(o.delayed), twin.StageInvoice(o.invoice), twin.StageAllowance(o.allowance)}
	if o.b2cAllowance != nil {
		errs = append(errs, twin.StageB2CAllowance(*o.b2cAllowance))
	}
	if err := errors.Join(errs...); err != nil {
		panic(err) // they are of this package's making
	}
	twin.mu.Lock()
	defer twin.mu.Unlock()
	created := twin.calendar(s.now())
	if i := twin.merchants[x.merchant.MerchantID].issued[others["InvoiceNo"]]; i != nil {
		created = i.created
	}
	data := newFields(aboutOther(x.plain, created))
	return twin.perform(x.op, request{merchant: twin.merchants[x.merchant.MerchantID], data: data, at: s.now()})
}

// aboutOther replaces the subject in a request's Data. Those with an InvoiceNo are about the invoice of that time.
func aboutOther(data []byte, created time.Time) []byte {
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		return data
	}
	for _, date := range []string{"InvoiceDate", "Date"} {
		if members["InvoiceNo"] != nil && members[date] != nil {
			members[date] = mustJSON(dateIn(created))
		}
	}
	var details []map[string]json.RawMessage
	if json.Unmarshal(members["Details"], &details) == nil {
		for _, d := range details {
			d["OriginalInvoiceNumber"] = mustJSON(others["InvoiceNumber"])
			d["OriginalInvoiceDate"] = mustJSON(dateIn(created))
		}
		members["Details"] = mustJSON(details)
	}
	for _, model := range []string{"VoidModel", "IssueModel"} {
		if inner, ok := members[model]; ok {
			members[model] = aboutOther(inner, created)
		}
	}
	if _, ok := members["RelateNumber"]; ok && members["InvoiceNo"] == nil && members["InvoiceDate"] != nil { // an IssueModel
		members["InvoiceDate"] = mustJSON(created.In(taipei).Format(time.DateTime))
	}
	if members["InvoiceTime"] != nil {
		members["InvoiceTime"] = mustJSON(dateIn(created) + " 00:00:00") // that of what is staged
	}
	for name, other := range others {
		if _, ok := members[name]; ok {
			members[name] = mustJSON(other)
		}
	}
	return mustJSON(members)
}

// memberOf returns a member of a JSON object if it is a date.
func memberOf(data []byte, name string) string {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(data, &members)
	if date, ok := text(members, name); ok && validDate(date) {
		return date
	}
	return ""
}
