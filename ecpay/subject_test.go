package ecpay

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestAnAnswerThatNamesAnotherSubjectProvesNothing(t *testing.T) {
	t.Parallel()
	// Each row has a request of its own, since validating one trims its fields.
	get := func() Request { return &B2CGetIssueRequest{MerchantID: stageID, RelateNumber: "Order-1"} }
	byNumber := func() Request {
		return &B2CGetIssueRequest{MerchantID: stageID, InvoiceNo: "JU11082064", InvoiceDate: "2026-06-17"}
	}
	key := InvoiceKey{MerchantID: stageID, InvoiceNumber: "VG11000002", InvoiceDate: "2019-09-23"}
	void := func() Request { return &B2BGetInvalidRequest{key} }
	confirm := func() Request { return &B2BGetInvalidConfirmRequest{key} }
	issue := func() Request { return &B2BGetIssueRequest{InvoiceKey: key} }
	for name, tc := range map[string]struct {
		req   Request
		data  string // beside RtnCode 1
		field string // by which it is another's; empty: ours
	}{
		"an order":                               {get(), `"IIS_Relate_Number":"Order-1","IIS_Mer_ID":2000132`, ""},
		"an order in another case, with blanks":  {get(), `"IIS_Relate_Number":" ORDER-1 ","IIS_Mer_ID":"2000132 "`, ""},
		"an order that the answer does not name": {get(), `"IIS_Number":"JU11082064"`, ""},
		"an order named as nothing":              {get(), `"IIS_Relate_Number":"","IIS_Mer_ID":null`, ""},
		"an order named as the word null":        {get(), `"IIS_Relate_Number":"null"`, ""},
		"an order that is a number": {
			&B2CGetIssueRequest{MerchantID: stageID, RelateNumber: "20260617"}, `"IIS_Relate_Number":20260617`, "",
		},
		"another order":                         {get(), `"IIS_Relate_Number":"Order-2","IIS_Mer_ID":2000132`, "RelateNumber"},
		"an order whose number ours begins":     {get(), `"IIS_Relate_Number":"Order-10"`, "RelateNumber"},
		"the same order of another merchant":    {get(), `"IIS_Relate_Number":"Order-1","IIS_Mer_ID":2000133`, "MerchantID"},
		"an invoice":                            {byNumber(), `"IIS_Number":"JU11082064","IIS_Create_Date":"2026-06-17+12:25:00"`, ""},
		"an invoice with the time of its issue": {byNumber(), `"IIS_Number":"JU11082064","IIS_Create_Date":"2026/6/17 12:25:00"`, ""},
		"an invoice with a day that is none":    {byNumber(), `"IIS_Number":"JU11082064","IIS_Create_Date":"soon"`, ""},
		"another invoice": {
			byNumber(), `"IIS_Number":"JU11082065","IIS_Create_Date":"2026-06-17 12:25:00"`, "InvoiceNumber",
		},
		"an invoice of another day": {
			byNumber(), `"IIS_Number":"JU11082064","IIS_Create_Date":"2025-06-17 12:25:00"`, "InvoiceDate",
		},
		"a void":                          {void(), `"RtnData":{"InvoiceNumber":" VG11000002","CancelDate":"2026-09-23"}`, ""},
		"a void as text":                  {void(), `"RtnData":"{\"InvoiceNumber\":\"VG11000002\",\"InvoiceDate\":\"20190923\"}"`, ""},
		"no void":                         {void(), `"RtnData":""`, ""},
		"another void":                    {void(), `"RtnData":{"InvoiceNumber":"VG11000003","CancelDate":"2026-09-23"}`, "InvoiceNumber"},
		"another void as text":            {void(), `"RtnData":"{\"InvoiceNumber\":\"VG11000003\"}"`, "InvoiceNumber"},
		"a void of another day's invoice": {void(), `"RtnData":{"InvoiceNumber":"VG11000002","InvoiceDate":"2017-09-23"}`, "InvoiceDate"},
		"another confirm": {
			confirm(), `"RtnData":{"InvoiceNumber":"VG11000003","ConfirmDate":"2026-09-23"}`, "InvoiceNumber",
		},
		"another B2B invoice":                  {issue(), `"RtnData":{"InvoiceNumber":"VG11000003"}`, "InvoiceNumber"},
		"an allowance":                         {allowance(), `"RtnData":{"MerchantID":"2000132","ConfirmDate":"2026-09-23"}`, ""},
		"an allowance that is a number":        {allowance(), `"RtnData":{"MerchantID":2000132,"AllowanceNo":1909241702402030}`, ""},
		"another allowance":                    {allowance(), `"RtnData":{"AllowanceNo":"1909241702402031"}`, "AllowanceNo"},
		"another merchant's allowance":         {allowance(), `"RtnData":{"MerchantID":"2000133","ConfirmDate":"2026-09-23"}`, "MerchantID"},
		"our trigger":                          {trigger(), `"Tsr":"201909170001"`, ""},
		"our trigger under its other name":     {trigger(), `"OrderNumber":201909170001,"Tsr":""`, ""},
		"another trigger":                      {trigger(), `"Tsr":"201909170002"`, "Tsr"},
		"another trigger under its other name": {trigger(), `"OrderNumber":"201909170002"`, "Tsr"},
		"another cancel":                       {&B2CCancelDelayIssueRequest{stageID, "201909170001"}, `"Tsr":"201909170002"`, "Tsr"},
		"another void that was written":        {sample(opB2BInvalid), `"InvoiceNumber":"VG11000003"`, "InvoiceNumber"},
		"an invoice issued anew":               {sample(opB2BVoidWithReIssue), `"InvoiceNumber":"VG11000002","RandomNumber":"1"`, ""},
		"another invoice issued anew":          {sample(opB2BVoidWithReIssue), `"InvoiceNumber":"VG11000003"`, "InvoiceNumber"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, answer(t, `{"RtnCode":1,"RtnMsg":"",`+strings.ReplaceAll(tc.data, "+", " ")+`}`))
			})
			_, err := c.Do(t.Context(), stageMerchant(t), tc.req)
			checkSubjectError(t, err, tc.req, tc.field)
		})
	}
}

// checkSubjectError: an answer about another subject proves nothing, and its error says by which field it is
// another's. No field: the answer is about ours.
func checkSubjectError(t *testing.T, err error, req Request, field string) {
	t.Helper()
	if field == "" {
		if err != nil {
			t.Errorf("got %v, want a proof", err)
		}
		return
	}
	want := Unknown
	if req.Operation().Write {
		want = Ambiguous
	}
	var e *Error
	if !errors.As(err, &e) || e.Kind != want || e.Execution != MaybeExecuted ||
		!strings.HasSuffix(e.Error(), "another subject, by its "+field) {
		t.Errorf("got %v, want %s because of %s", err, want, field)
	}
}

// A refusal that is another's says as little about ours as a success.
func TestARefusalThatNamesAnotherSubjectIsNoRefusal(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]Kind{
		`{"RtnCode":4000001,"RtnMsg":"","Tsr":""}`:             NotFound,
		`{"RtnCode":4000001,"RtnMsg":"","Tsr":"201909170001"}`: NotFound,
		`{"RtnCode":4000001,"RtnMsg":"","Tsr":"201909170002"}`: Ambiguous,
	} {
		c := newServer(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer(t, data)) })
		if _, err := c.Do(t.Context(), stageMerchant(t), trigger()); KindOf(err) != want {
			t.Errorf("%s: got %v, want %s", data, err, want)
		}
	}
}

func TestTheMerchantIDOfAnEnvelopeMayBeANumberOrHaveBlanks(t *testing.T) {
	t.Parallel()
	platform, err := NewMerchant(
		MerchantConfig{MerchantID: "0020", PlatformID: "3000", HashKey: NewSecret(stageKey), HashIV: NewSecret(stageIV)},
	)
	if err != nil {
		t.Fatal(err)
	}
	sealed := testCodec(t, stageKey, stageIV).Seal([]byte(`{"RtnCode":4000004,"RtnMsg":""}`))
	for id, ours := range map[string]bool{
		`"0020"`: true, `" 0020 "`: true, `20`: true, `"3000"`: true, `3000`: true,
		`""`: true, `null`: true, `"0021"`: false, `21`: false, `2`: false,
	} {
		c := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"MerchantID":%s,"TransCode":1,"Data":%q}`, id, sealed)
		})
		_, err := c.B2CTriggerIssue(t.Context(), platform, &B2CTriggerIssueRequest{MerchantID: "0020", Tsr: "T1"})
		if (err == nil) != ours {
			t.Errorf("MerchantID %s: got %v, want ours %t", id, err, ours)
		}
	}
}
