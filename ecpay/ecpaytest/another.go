package ecpaytest

import (
	"encoding/json"
	"math"
	"time"
)

// others are the subjects of which a Fault with AboutAnother speaks.
var others = map[string]string{
	"Tsr": "ANOTHER1", "RelateNumber": "ANOTHER1", "InvoiceNumber": "ZZ99999999", "InvoiceNo": "FK99999991", "AllowanceNo": "9999999999999999",
}

// otherAllowances are the B2C allowances that the operations speak of which are about one, in the state that goes with them.
var otherAllowances = map[string]B2CAllowance{
	opB2CAllowanceInvalid.id():             {},
	opB2CAllowanceInvalidByCollegiate.id(): {Pending: true},
	opB2CGetAllowance.id():                 {},
	opB2CGetAllowanceList.id():             {},
	opB2CGetAllowanceInvalid.id():          {Voided: true},
}

// aboutAnother is what a server that knows nothing but another subject answers to the same request about that one.
func (s *Server) aboutAnother(x *exchange) answer {
	cfg := s.cfg
	cfg.Merchants = []Merchant{x.merchant.Merchant}
	twin := New(cfg)
	twin.minted = 99999990
	staged := Delayed{Tsr: others["Tsr"]}
	switch x.op.id() {
	case opB2CIssue.id(), opB2CDelayIssue.id():
		staged = Delayed{Tsr: "UNUSED"} // the number is free
	case opB2CTriggerIssue.id(), opB2CCancelDelayIssue.id(), opB2CEditDelayIssue.id():
	case opB2CAllowance.id(), opB2CAllowanceByCollegiate.id():
		staged.Issued, staged.SalesAmount = true, math.MaxInt32 // enough is left of it
	case opB2CVoidWithReIssue.id():
		staged.Issued = true
	default:
		staged.Issued, staged.Voided = true, x.op.id() == opB2CGetInvalid.id()
	}
	for _, err := range []error{
		twin.StageDelayed(staged),
		twin.StageInvoice(otherInvoice(x.op, memberOf(x.plain, "InvoiceDate"))),
		twin.StageAllowance(otherAllowance(x.op, dateIn(s.now()))),
	} {
		if err != nil {
			panic(err) // they are of this file's making
		}
	}
	if allowance, ok := otherAllowances[x.op.id()]; ok {
		allowance.InvoiceNo, allowance.AllowanceNo = others["InvoiceNo"], others["AllowanceNo"]
		if err := twin.StageB2CAllowance(allowance); err != nil {
			panic(err)
		}
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

// otherInvoice is an invoice about which the operation has something to say, or to do.
func otherInvoice(op *operation, date string) Invoice {
	i := Invoice{InvoiceNumber: others["InvoiceNumber"], InvoiceDate: date}
	if !op.write {
		i.RelateNumber = others["RelateNumber"]
	}
	switch op.id() {
	case opB2BInvalidConfirm.id():
		i.Voided = true
	case opB2BInvoicePrint.id(), opB2BDownloadB2BPdf.id(): // who have an InvoiceNo, whose day becomes today
		i.InvoiceNumber, i.InvoiceDate = others["InvoiceNo"], ""
	case opB2BVoidWithReIssue.id():
		i.RelateNumber = others["RelateNumber"]
	case opB2BAllowance.id():
		i.IssueConfirmed, i.SalesAmount = true, math.MaxInt32
	case opB2BRejectConfirm.id():
		i.Rejected = true
	case opB2BGetReject.id(), opB2BGetRejectConfirm.id():
		i.RejectConfirmed = true
	default:
		i.IssueConfirmed, i.Confirmed = !op.write, !op.write
	}
	return i
}

// otherAllowance is such an allowance.
func otherAllowance(op *operation, today string) Allowance {
	al := Allowance{AllowanceNo: others["AllowanceNo"], ConfirmDate: today}
	switch op.id() {
	case opB2BAllowanceConfirm.id():
		al.ConfirmDate = ""
	case opB2BGetAllowanceInvalid.id(), opB2BCancelAllowanceConfirm.id():
		al.Cancelled = true
	case opB2BGetAllowanceInvalidConfirm.id():
		al.CancelConfirmed = true
	}
	return al
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
