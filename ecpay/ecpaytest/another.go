package ecpaytest

import (
	"encoding/json"
	"maps"
)

// others are the subjects of which a Fault with AboutAnother speaks.
var others = map[string]string{
	"Tsr": "ANOTHER1", "RelateNumber": "ANOTHER1", "InvoiceNumber": "ZZ99999999", "InvoiceNo": "ZZ99999999", "AllowanceNo": "9999999999999999",
}

// aboutAnother is what a server that knows nothing but another subject answers to the same request about that one.
func (s *Server) aboutAnother(x *exchange) answer {
	cfg := s.cfg
	cfg.Merchants = []Merchant{x.merchant.Merchant}
	twin := New(cfg)
	query := !x.op.write
	for _, err := range []error{
		twin.StageDelayed(Delayed{Tsr: others["Tsr"], Issued: query}),
		twin.StageInvoice(Invoice{InvoiceNumber: others["InvoiceNumber"], InvoiceDate: memberOf(x.plain, "InvoiceDate"),
			Voided: query || x.op.name == "InvalidConfirm", Confirmed: query}),
		twin.StageAllowance(Allowance{AllowanceNo: others["AllowanceNo"], ConfirmDate: dateIn(s.now())}),
	} {
		if err != nil {
			panic(err) // they are of this file's making
		}
	}
	twin.mu.Lock()
	defer twin.mu.Unlock()
	return twin.perform(x.op, request{merchant: twin.merchants[x.merchant.MerchantID], data: newFields(aboutOther(x.plain)), at: s.now()})
}

// aboutOther replaces the subject in a request's Data.
func aboutOther(data []byte) []byte {
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		return data
	}
	members = maps.Clone(members)
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
