package ecpay

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// everyField sets every field of the shared ones, for what is written of them.
func everyField() B2CInvoice {
	return B2CInvoice{
		MerchantID: "2000132", RelateNumber: "R1", CustomerID: "C_1", CustomerIdentifier: "23165448", CustomerName: "王小明",
		CustomerAddr: "台北市", CustomerPhone: "0912345678", CustomerEmail: "a@example.com", ClearanceMark: "1", Print: "0",
		Donation: "1", LoveCode: "168001", CarrierType: "3", CarrierNum: "/ABC+123", TaxType: "9", ZeroTaxRateReason: "71",
		SpecialTaxType: 8, SalesAmount: 100, InvoiceRemark: "備註", InvType: "07", Vat: "1",
		Items: []B2CInvoiceItem{{
			ItemSeq: 1, ItemName: "茶 & <餅>", ItemCount: "1.50", ItemWord: "包", ItemPrice: "66.6666667", ItemTaxType: "1",
			ItemAmount: "100.0000001", ItemRemark: "甜",
		}},
	}
}

const everyFieldJSON = `"MerchantID":"2000132","RelateNumber":"R1","CustomerID":"C_1","CustomerIdentifier":"23165448",` +
	`"CustomerName":"王小明","CustomerAddr":"台北市","CustomerPhone":"0912345678","CustomerEmail":"a@example.com",` +
	`"ClearanceMark":"1","Print":"0","Donation":"1","LoveCode":"168001","CarrierType":"3","CarrierNum":"/ABC+123",` +
	`"TaxType":"9","ZeroTaxRateReason":"71","SpecialTaxType":8,"SalesAmount":100,"InvoiceRemark":"備註",` +
	`"Items":[{"ItemSeq":1,"ItemName":"茶 & <餅>","ItemCount":1.50,"ItemWord":"包","ItemPrice":66.6666667,"ItemTaxType":"1",` +
	`"ItemAmount":100.0000001,"ItemRemark":"甜"}],"InvType":"07","vat":"1"`

const leastFieldsJSON = `"MerchantID":"2000132","RelateNumber":"R1","CustomerEmail":"a@example.com","Print":"0","Donation":"0",` +
	`"TaxType":"1","SalesAmount":100,"Items":[{"ItemSeq":1,"ItemName":"商品","ItemCount":1,"ItemWord":"件","ItemPrice":100,` +
	`"ItemTaxType":"1","ItemAmount":100}],"InvType":"07","vat":"1"`

// What is on the wire, byte for byte, does not depend on how the fields are kept.
func TestTheFormOfAnInvoiceOnTheWire(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		req  Request
		want string
	}{
		"DelayIssue, all of it": {
			&B2CDelayIssueRequest{B2CInvoice: everyField(), DelayFlag: "2", Tsr: "R1", PayType: "2", PayAct: "ECPAY", NotifyURL: "https://a.b"},
			`{` + everyFieldJSON + `,"DelayFlag":"2","DelayDay":0,"Tsr":"R1","PayType":"2","PayAct":"ECPAY","NotifyURL":"https://a.b"}`,
		},
		"DelayIssue, the least of it": {
			goodDelayIssue(),
			`{` + leastFieldsJSON + `,"DelayFlag":"2","DelayDay":0,"Tsr":"R1","PayType":"","PayAct":""}`,
		},
	} {
		got, err := marshalData(tc.req)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, string(bytes.TrimSpace(got))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if !json.Valid(got) {
			t.Errorf("%s is no JSON", name)
		}
	}
}
