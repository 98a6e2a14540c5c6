package ecpaytest

import (
	"encoding/json"
	"time"
)

// operation is one endpoint. Each has a file of its own, named after it.
type operation struct {
	name     string
	category string
	write    bool     // it changes something at ECPay
	subject  []string // the fields of Data that say what it is about, or of a model in it; the first that is there counts
	inModels bool     // MerchantID may be in the models of Data in its place
	run      func(*Server, request) answer
}

// path is where the endpoint is (documented).
func (op *operation) path() string { return "/" + op.category + "Invoice/" + op.name }

// id is the category and the name; names alone are not unique.
func (op *operation) id() string { return op.category + " " + op.name }

// request is what an operation sees.
type request struct {
	merchant *merchant
	data     *fields
	at       time.Time // the server's clock
	seq      int       // the Call
}

// revisions are those that are accepted, the first being that of ECPay's own PHP samples. ECPay's .NET library sends
// the second in B2C (seen in shipped clients).
var revisions = map[string][]string{"B2C": {"3.0.0", "1.0.0"}, "B2B": {"1.0.0"}}

// operations are the endpoints the fake has, by path: a line for every file of one.
var operations = byPath(
	opB2CIssue,
	opB2CDelayIssue,
	opB2CEditDelayIssue,
	opB2CTriggerIssue,
	opB2CCancelDelayIssue,
	opB2CInvalid,
	opB2CVoidWithReIssue,
	opB2CAllowance,
	opB2CAllowanceByCollegiate,
	opB2CAllowanceInvalid,
	opB2CAllowanceInvalidByCollegiate,
	opB2CInvoiceNotify,
	opB2CInvoicePrint,
	opB2CGetIssue,
	opB2CGetIssueList,
	opB2CGetInvalid,
	opB2CGetAllowance,
	opB2CGetAllowanceList,
	opB2CGetAllowanceInvalid,
	opB2CCheckBarcode,
	opB2CCheckLoveCode,
	opB2CGetCompanyNameByTaxID,
	opB2CGetGovInvoiceWordSetting,
	opB2CAddInvoiceWordSetting,
	opB2CUpdateInvoiceWordStatus,
	opB2CGetInvoiceWordSetting,
	opB2BMaintainMerchantCustomerData,
	opB2BIssue,
	opB2BIssueConfirm,
	opB2BReject,
	opB2BRejectConfirm,
	opB2BVoidWithReIssue,
	opB2BInvalid,
	opB2BInvalidConfirm,
	opB2BAllowance,
	opB2BAllowanceConfirm,
	opB2BCancelAllowance,
	opB2BCancelAllowanceConfirm,
	opB2BGetAllowance,
	opB2BGetAllowanceInvalid,
	opB2BGetAllowanceInvalidConfirm,
	opB2BGetAllowanceConfirm,
	opB2BNotify,
	opB2BGetGovInvoiceWordSetting,
	opB2BAddInvoiceWordSetting,
	opB2BUpdateInvoiceWordStatus,
	opB2BGetInvoiceWordSetting,
	opB2BGetCompanyNameByTaxID,
	opB2BInvoicePrint,
	opB2BDownloadB2BPdf,
	opB2BGetIssue,
	opB2BGetIssueConfirm,
	opB2BGetReject,
	opB2BGetRejectConfirm,
	opB2BGetInvalid,
	opB2BGetInvalidConfirm,
)

func byPath(list ...operation) map[string]*operation {
	m := make(map[string]*operation, len(list))
	for _, op := range list {
		m[op.path()] = &op
	}
	return m
}

// subjectOf returns what a decrypted Data is about, or "".
func (op *operation) subjectOf(data json.RawMessage) string {
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		return ""
	}
	for _, name := range op.subject {
		var s string
		if json.Unmarshal(nested(members, name), &s) == nil && s != "" {
			return s
		}
	}
	return ""
}

// perform checks what is common to all operations and runs one.
func (s *Server) perform(op *operation, r request) answer {
	if _, ok := r.data.members["MerchantID"]; !ok && op.inModels {
		return op.run(s, r)
	}
	if id := r.data.required("MerchantID", 10); r.data.refusal == nil && id != r.merchant.MerchantID {
		// Recorded: a business error whose number does not tell what is wrong.
		return refuse(CodeMerchantMismatch)
	}
	return op.run(s, r)
}

// checked returns the first complaint about the fields read so far, or about fields nobody asked for.
func (s *Server) checked(f *fields) (answer, bool) {
	if !s.cfg.AllowUnknownFields {
		f.onlyAsked()
	}
	if f.refusal != nil {
		return *f.refusal, false
	}
	return answer{}, true
}
