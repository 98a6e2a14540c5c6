package ecpaytest

import "slices"

var _ = endpoint(operation{
	name: "Notify", category: "B2B", write: true, subject: []string{"InvoiceNumber"},
	run: (*Server).b2bNotify,
})

// b2bNotify is B2B Notify (documented). Each call is a mail. Documented for a sibling product: archive mode has InvoiceTag 1 to 4.
// That an allowance is named for what is about one, and all codes, are our choice; no mail goes out.
func (s *Server) b2bNotify(r request) answer {
	f := r.data
	key, tag := f.invoiceKey(), f.number("InvoiceTag", 1, 10)
	allowance := f.optional("AllowanceNo", 16)
	if allowance == "" && slices.Contains([]string{"4", "5", "9", "10"}, tag) {
		f.complain(CodeFieldMissing, "AllowanceNo is required for InvoiceTag %s", tag)
	}
	f.required("NotifyMail", 80)
	f.oneOf("Notified", "C", "M", "A")
	if a, ok := s.checked(f); !ok {
		return a
	}
	switch {
	case r.merchant.invoices[key] == nil:
		return refuse(CodeNoSuchInvoice)
	case allowance != "" && r.merchant.allowances[allowance] == nil:
		return refuse(CodeNoSuchAllowance)
	case r.merchant.Archive && !slices.Contains([]string{"1", "2", "3", "4"}, tag):
		return refuse(CodeNotifyArchiveMode)
	}
	s.effect(r.at, EffectNotified, r.merchant, key.number, r.seq, tag)
	return answer{code: CodeOK, msg: "發送完成"}
}
