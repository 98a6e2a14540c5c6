package tasks

import "github.com/ecpayq/ecpayq/ecpay"

// keyOf is a B2B invoice, seen from one of its sides.
func keyOf(side ecpay.InvoiceCategory, merchantID, number, date string) ecpay.InvoiceKey {
	return ecpay.InvoiceKey{MerchantID: merchantID, InvoiceCategory: side, InvoiceNumber: number, InvoiceDate: date}
}

// askConfirmed asks whether the buyer has confirmed a B2B invoice.
func askConfirmed(k ecpay.InvoiceKey) *Ask {
	return &Ask{
		Request: &ecpay.B2BGetIssueConfirmRequest{InvoiceKey: k},
		Shows: func(r ecpay.Response) bool {
			return r.(*ecpay.B2BGetIssueConfirmResponse).RtnData.Value.ConfirmDate != ""
		},
	}
}

// askRejected asks whether the buyer has rejected a B2B invoice.
func askRejected(k ecpay.InvoiceKey) *Ask {
	return &Ask{
		Request: &ecpay.B2BGetRejectRequest{InvoiceKey: k},
		Shows:   func(r ecpay.Response) bool { return r.(*ecpay.B2BGetRejectResponse).RtnData.Value.RejectDate != "" },
	}
}

// askVoided asks whether the seller has voided a B2B invoice.
func askVoided(k ecpay.InvoiceKey) *Ask {
	return &Ask{
		Request: &ecpay.B2BGetInvalidRequest{InvoiceKey: k},
		Shows:   func(r ecpay.Response) bool { return r.(*ecpay.B2BGetInvalidResponse).RtnData.Value.CancelDate != "" },
	}
}

// askAllowanceVoided asks whether a B2B allowance is voided. The answer does not say which side did
// that.
func askAllowanceVoided(merchantID, allowanceNo string) *Ask {
	return &Ask{
		Request: &ecpay.B2BGetAllowanceInvalidRequest{AllowanceKey: ecpay.AllowanceKey{MerchantID: merchantID, AllowanceNo: allowanceNo}},
		Shows: func(r ecpay.Response) bool {
			return r.(*ecpay.B2BGetAllowanceInvalidResponse).RtnData.Value.CancelDate != ""
		},
	}
}
