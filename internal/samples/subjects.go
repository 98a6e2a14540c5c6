package samples

import (
	"fmt"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// tsr numbers delayed invoices, of all operations on them alike.
func tsr(word string, n int) string { return fmt.Sprintf("%s%d", word, n) }

// numbers has a hundred thousand invoice numbers, from first on.
func numbers(letters string, first int) func(string, int) string {
	return func(_ string, n int) string { return fmt.Sprintf("%s%08d", letters, first+n) }
}

// stageDelayed stages a delayed invoice that waits for its trigger.
func stageDelayed(days int) func(*ecpaytest.Server, At) error {
	return func(f *ecpaytest.Server, a At) error {
		return f.StageDelayed(ecpaytest.Delayed{MerchantID: a.MerchantID, Tsr: a.Subject, RelateNumber: a.RelateNumber, DelayDay: days})
	}
}

// stageInvoice stages a B2B invoice.
func stageInvoice(voided bool) func(*ecpaytest.Server, At) error {
	return func(f *ecpaytest.Server, a At) error {
		return f.StageInvoice(ecpaytest.Invoice{MerchantID: a.MerchantID, InvoiceNumber: a.Subject, InvoiceDate: a.Date, Voided: voided})
	}
}
