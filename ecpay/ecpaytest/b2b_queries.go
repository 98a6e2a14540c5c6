package ecpaytest

import (
	"strings"
	"time"
)

// findInvoice reads the keys that the B2B queries about an invoice share, and finds the merchant's side of it. Documented:
// InvoiceCategory, InvoiceNumber and InvoiceDate. Recorded: RelateNumber may come along; documented for a sibling
// product: it may come alone.
func (s *Server) findInvoice(r request) (i *b2bInvoice, category int, a answer) {
	f := r.data
	category = f.between("InvoiceCategory", 0, 1)
	relate := f.optional("RelateNumber", 50)
	var key invoiceKey
	if relate == "" || f.present("InvoiceNumber") || f.present("InvoiceDate") {
		key = f.invoiceKey()
	}
	if a, ok := s.checked(f); !ok {
		return nil, category, a
	}
	view := r.merchant.invoices[key]
	if key == (invoiceKey{}) {
		view = r.merchant.invoiceByRelateNumber(relate)
	}
	hidden := []string{SidePurchase, SideSales}[category]
	if view == nil || view.side == hidden || relate != "" && !strings.EqualFold(view.invoice.RelateNumber, relate) {
		return nil, category, refuse(CodeNoData)
	}
	return view.invoice, category, answer{}
}

func (m *merchant) invoiceByRelateNumber(relate string) *invoiceView {
	for _, view := range m.invoices {
		if strings.EqualFold(view.invoice.RelateNumber, relate) {
			return view
		}
	}
	return nil
}

// dateIn is a date in Taipei, or "" for the zero time.
func dateIn(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(taipei).Format(time.DateOnly)
}
