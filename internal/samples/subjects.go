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

// allowances has a hundred million allowance numbers of its own for each operation.
func allowances(operation int) func(string, int) string {
	return func(_ string, n int) string { return fmt.Sprintf("260301%02d%08d", operation, n) }
}

// stageDelayed stages a delayed invoice that waits for its trigger.
func stageDelayed(days int) func(*ecpaytest.Server, At) error {
	return func(f *ecpaytest.Server, a At) error {
		return f.StageDelayed(ecpaytest.Delayed{MerchantID: a.MerchantID, Tsr: a.Subject, RelateNumber: a.RelateNumber, DelayDay: days})
	}
}

// stageInvoice stages a B2B invoice.
func stageInvoice(as ecpaytest.Invoice) func(*ecpaytest.Server, At) error {
	return func(f *ecpaytest.Server, a At) error {
		i := as
		i.MerchantID, i.InvoiceNumber, i.InvoiceDate = a.MerchantID, a.Subject, a.Date
		return f.StageInvoice(i)
	}
}

// stageAllowance stages a B2B allowance.
func stageAllowance(as ecpaytest.Allowance) func(*ecpaytest.Server, At) error {
	return func(f *ecpaytest.Server, a At) error {
		al := as
		al.MerchantID, al.AllowanceNo = a.MerchantID, a.Subject
		return f.StageAllowance(al)
	}
}

// stageB2CAllowance stages an allowance of an issued B2C invoice, which may be an offer.
func stageB2CAllowance(pending bool) func(*ecpaytest.Server, At) error {
	return func(f *ecpaytest.Server, a At) error {
		invoice := InvoiceOf(a.Subject)
		if err := f.StageDelayed(ecpaytest.Delayed{
			MerchantID: a.MerchantID, Tsr: "T" + invoice, RelateNumber: a.RelateNumber, Issued: true, InvoiceNo: invoice, InvoiceDate: a.Date,
		}); err != nil {
			return err
		}
		return f.StageB2CAllowance(ecpaytest.B2CAllowance{
			MerchantID: a.MerchantID, InvoiceNo: invoice, AllowanceNo: a.Subject, Pending: pending,
		})
	}
}

// stageB2CInvoice stages an issued B2C invoice.
func stageB2CInvoice(f *ecpaytest.Server, a At) error {
	return f.StageDelayed(ecpaytest.Delayed{
		MerchantID: a.MerchantID, Tsr: "T" + a.Subject, RelateNumber: a.RelateNumber, Issued: true, InvoiceNo: a.Subject, InvoiceDate: a.Date,
	})
}
