package ecpaytest

import "strings"

var _ = endpoint(operation{
	name: "VoidWithReIssue", category: "B2B", write: true, subject: []string{"VoidModel.InvoiceNumber"},
	run:     (*Server).b2bVoidWithReIssue,
	another: func(o *another) { o.invoice.RelateNumber = others["RelateNumber"] },
})

// b2bVoidWithReIssue is B2B VoidWithReIssue. Documented: the fields of both models. Documented for a sibling product: the number, the
// RelateNumber and the time of issue stay, and the answer has a random code. Every code but 1 is unknown: those of Issue and of
// Invalid are taken over. That a second one has its effect again, and that the buyer has to confirm what was issued anew, is our choice.
func (s *Server) b2bVoidWithReIssue(r request) answer {
	void, issue := s.model(r, "VoidModel"), s.model(r, "IssueModel")
	number := void.pattern("InvoiceNumber", 10, invoiceNumber)
	void.required("VoidReason", 20)
	at := issue.timeOf("InvoiceTime", issue.required("InvoiceTime", 20))
	v := s.b2bIssueFields(r, issue)
	for _, f := range []*fields{r.data, void, issue} {
		if a, ok := s.checked(f); !ok {
			return a
		}
	}
	view := r.merchant.latestInvoice(number)
	if view == nil || view.side == SidePurchase {
		return refuse(CodeNoSuchInvoice)
	}
	i := view.invoice
	switch {
	case i.voided() || !i.reject.at.IsZero():
		return refuse(CodeReIssueNotAwaited)
	case i.allowed > 0:
		return refuse(CodeAllowanceStands)
	case !strings.EqualFold(i.RelateNumber, v.RelateNumber) || !i.issuedAt.Equal(at):
		return refuse(CodeReIssueDiffers)
	case !v.sums:
		return refuse(CodeAmountMismatch)
	case !r.merchant.knows(v.BuyerIdentifier):
		return refuse(CodeNoSuchBuyer)
	case i.reissued && s.cfg.RefuseRepeats:
		return refuse(CodeReIssueRepeated)
	}
	repeated := i.reissued
	i.BuyerIdentifier, i.SalesAmount, i.taxAmount = v.BuyerIdentifier, v.SalesAmount, v.tax
	i.random, i.reissued = anotherRandom(i.random), true
	i.state, i.issueConfirm = stateValid, deed{}
	s.effect(r.at, EffectReIssued, r.merchant, number, r.seq, i.random)
	if repeated {
		return refuse(CodeReIssueRepeated)
	}
	return answer{
		code: CodeOK, msg: "新增成功", more: object{{"InvoiceNumber", number}, {"RandomNumber", i.random}},
	}
}

// latestInvoice is the merchant's side of the invoice with a number that has the latest date.
func (m *merchant) latestInvoice(number string) *invoiceView {
	var latest *invoiceView
	for key, view := range m.invoices {
		if key.number == number && (latest == nil || key.date > latest.invoice.InvoiceDate) {
			latest = view
		}
	}
	return latest
}
