package samples

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/ecpayq/ecpayq/ecpay"
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

// b2cInvoice is an invoice of one line.
func b2cInvoice(merchantID, relateNumber string, amount int64) ecpay.B2CInvoice {
	text := json.Number(strconv.FormatInt(amount, 10))
	return ecpay.B2CInvoice{
		MerchantID: merchantID, RelateNumber: relateNumber, CustomerEmail: "buyer@example.com", Print: "0", Donation: "0", TaxType: "1",
		InvType: "07", Vat: "1", SalesAmount: amount, Items: []ecpay.B2CInvoiceItem{{
			ItemSeq: 1, ItemName: "商品", ItemCount: "1", ItemWord: "件", ItemPrice: text, ItemTaxType: "1", ItemAmount: text,
		}},
	}
}

// b2bInvoice is an invoice of one line, without tax of so many dollars.
func b2bInvoice(relateNumber string, amount int64) ecpay.B2BIssueModel {
	text := json.Number(strconv.FormatInt(amount, 10))
	return ecpay.B2BIssueModel{
		RelateNumber: relateNumber, CustomerIdentifier: "97025978", InvType: "07", TaxType: "1",
		SalesAmount: amount, TaxAmount: 5, TotalAmount: amount + 5,
		Items: []ecpay.B2BIssueItem{{ItemSeq: 1, ItemName: "商品", ItemCount: "1", ItemWord: "件", ItemPrice: text, ItemAmount: text}},
	}
}

// stageB2CInvoice stages an issued B2C invoice.
func stageB2CInvoice(f *ecpaytest.Server, a At) error {
	return f.StageDelayed(ecpaytest.Delayed{
		MerchantID: a.MerchantID, Tsr: "T" + a.Subject, RelateNumber: a.RelateNumber, Issued: true, InvoiceNo: a.Subject, InvoiceDate: a.Date,
	})
}
