package ecpaytest

import (
	"regexp"
	"strings"
	"time"
)

// allowanceNumber is the form of an AllowanceNo: 16 digits (documented for a sibling product).
var allowanceNumber = regexp.MustCompile(`^[0-9]{16}$`)

// findInvoice reads the keys that the three B2B queries share, and finds the merchant's side of an invoice. Documented:
// InvoiceCategory, InvoiceNumber and InvoiceDate. Recorded: RelateNumber may come along; documented for a sibling
// product: it may come alone.
func (s *Server) findInvoice(r request) (*b2bInvoice, answer) {
	f := r.data
	category := f.integer("InvoiceCategory", 0, 1)
	relate := f.optional("RelateNumber", 50)
	var key invoiceKey
	if relate == "" || f.present("InvoiceNumber") || f.present("InvoiceDate") {
		key = invoiceKey{f.pattern("InvoiceNumber", 10, invoiceNumber), f.date("InvoiceDate")}
	}
	if a, ok := s.checked(f); !ok {
		return nil, a
	}
	view := r.merchant.invoices[key]
	if key == (invoiceKey{}) {
		view = r.merchant.invoiceByRelateNumber(relate)
	}
	hidden := []string{SidePurchase, SideSales}[category]
	if view == nil || view.side == hidden || relate != "" && !strings.EqualFold(view.invoice.RelateNumber, relate) {
		return nil, refuse(CodeNoData)
	}
	return view.invoice, answer{}
}

func (m *merchant) invoiceByRelateNumber(relate string) *invoiceView {
	for _, view := range m.invoices {
		if strings.EqualFold(view.invoice.RelateNumber, relate) {
			return view
		}
	}
	return nil
}

// getIssueB2B is B2B GetIssue. Recorded: RtnCode is a string, RtnData an object, and its keys are of mixed spelling.
func (s *Server) getIssueB2B(r request) answer {
	i, a := s.findInvoice(r)
	if i == nil {
		a.asString = true
		return a
	}
	invalid := "0"
	if i.state != stateValid {
		invalid = "1"
	}
	return answer{code: CodeOK, asString: true, more: object{{"RtnData", object{
		{"InvoiceNumber", i.InvoiceNumber},
		{"InvoiceDate", i.InvoiceDate},
		{"RelateNumber", i.RelateNumber},
		{"Seller_Identifier", i.SellerIdentifier},
		{"Buyer_Identifier", i.BuyerIdentifier},
		{"SalesAmount", i.SalesAmount},
		{"Issue_Status", "1"},
		{"Invalid_Status", invalid},
		{"Upload_Status", "0"},
	}}}}
}

// getInvalid is B2B GetInvalid. Its members are documented for a sibling product. That an invoice which is not voided is
// answered like an unknown one is our choice.
func (s *Server) getInvalid(r request) answer {
	i, a := s.findInvoice(r)
	if i == nil {
		return a
	}
	if i.state == stateValid {
		return refuse(CodeNoData)
	}
	exchange := map[string]string{stateVoided: "", stateAwaitingConfirm: "0", stateVoidConfirmed: "1"}[i.state]
	return answer{code: CodeOK, more: object{{"RtnData", object{
		{"InvoiceNumber", i.InvoiceNumber},
		{"BuyerId", i.BuyerIdentifier},
		{"SellerId", i.SellerIdentifier},
		{"CancelDate", dateIn(i.voidedAt)},
		{"CancelTime", i.voidedAt.In(taipei).Format(time.TimeOnly)},
		{"CancelReason", i.reason},
		{"Upload_Status", i.UploadStatus},
		{"ConfirmDate", dateIn(i.confirmedAt)},
		{"ExchangeStatus", exchange},
	}}}}
}

// getInvalidConfirm is B2B GetInvalidConfirm. Documented for a sibling product: ConfirmDate is null while the confirm is
// awaited. That an invoice which is not voided is answered like an unknown one is our choice.
func (s *Server) getInvalidConfirm(r request) answer {
	i, a := s.findInvoice(r)
	if i == nil {
		return a
	}
	if i.state == stateValid || i.state == stateVoided {
		return refuse(CodeNoData)
	}
	var confirm any
	if i.state == stateVoidConfirmed {
		confirm = dateIn(i.confirmedAt)
	}
	return answer{code: CodeOK, more: object{{"RtnData", object{
		{"InvoiceNumber", i.InvoiceNumber},
		{"Buyer_Identifier", i.BuyerIdentifier},
		{"Seller_Identifier", i.SellerIdentifier},
		{"CancelDate", dateIn(i.voidedAt)},
		{"ConfirmDate", confirm},
		{"Upload_Status", i.UploadStatus},
	}}}}
}

// getAllowanceConfirm is B2B GetAllowanceConfirm (documented). The type of RtnData, and the code for an unknown number,
// are unknown.
func (s *Server) getAllowanceConfirm(r request) answer {
	number := r.data.pattern("AllowanceNo", 16, allowanceNumber)
	if a, ok := s.checked(r.data); !ok {
		return a
	}
	al, ok := r.merchant.allowances[number]
	if !ok {
		return refuse(CodeNoSuchAllowance)
	}
	data := object{
		{"MerchantID", al.MerchantID},
		{"Seller_Identifier", al.SellerIdentifier},
		{"Buyer_Identifier", al.BuyerIdentifier},
		{"AllowanceDate", al.AllowanceDate},
		{"ConfirmDate", al.ConfirmDate},
		{"Upload_Status", al.UploadStatus},
		{"Upload_Date", al.UploadDate},
		{"ConfirmRemark", al.ConfirmRemark},
	}
	var shaped any = data
	switch al.RtnData {
	case ShapeObject:
	case ShapeString:
		shaped = string(mustJSON(data))
	case ShapeEmpty:
		shaped = ""
	case ShapeNull:
		shaped = nil
	}
	return answer{code: CodeOK, msg: "查詢成功", more: object{{"RtnData", shaped}}}
}

// dateIn is a date in Taipei, or "" for the zero time.
func dateIn(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(taipei).Format(time.DateOnly)
}
