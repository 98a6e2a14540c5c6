package ecpaytest

import (
	"encoding/json"
	"time"
)

// operation is one endpoint.
type operation struct {
	name     string
	category string
	path     string
	revision string   // of ECPay's own samples
	subject  []string // the fields of Data that say what it is about; the first that is there counts
	run      func(*Server, request) answer
}

// request is what an operation sees.
type request struct {
	merchant *merchant
	data     *fields
	at       time.Time // the server's clock
	seq      int       // the Call
}

const (
	revisionB2C = "3.0.0"
	revisionB2B = "1.0.0"
)

// operations are the endpoints the fake has, by path (documented).
var operations = byPath(
	operation{"TriggerIssue", "B2C", "/B2CInvoice/TriggerIssue", revisionB2C, []string{"Tsr"}, (*Server).triggerIssue},
	operation{"CancelDelayIssue", "B2C", "/B2CInvoice/CancelDelayIssue", revisionB2C, []string{"Tsr"}, (*Server).cancelDelayIssue},
	operation{"DelayIssue", "B2C", "/B2CInvoice/DelayIssue", revisionB2C, []string{"Tsr", "RelateNumber"}, (*Server).delayIssue},
	operation{"GetIssue", "B2C", "/B2CInvoice/GetIssue", revisionB2C, []string{"RelateNumber", "InvoiceNo"}, (*Server).getIssue},
	operation{"Invalid", "B2B", "/B2BInvoice/Invalid", revisionB2B, []string{"InvoiceNumber"}, (*Server).invalid},
	operation{"InvalidConfirm", "B2B", "/B2BInvoice/InvalidConfirm", revisionB2B, []string{"InvoiceNumber"}, (*Server).invalidConfirm},
	operation{"GetAllowanceConfirm", "B2B", "/B2BInvoice/GetAllowanceConfirm", revisionB2B, []string{"AllowanceNo"}, (*Server).getAllowanceConfirm},
	operation{"GetIssue", "B2B", "/B2BInvoice/GetIssue", revisionB2B, []string{"InvoiceNumber", "RelateNumber"}, (*Server).getIssueB2B},
	operation{"GetInvalid", "B2B", "/B2BInvoice/GetInvalid", revisionB2B, []string{"InvoiceNumber", "RelateNumber"}, (*Server).getInvalid},
	operation{"GetInvalidConfirm", "B2B", "/B2BInvoice/GetInvalidConfirm", revisionB2B, []string{"InvoiceNumber", "RelateNumber"}, (*Server).getInvalidConfirm},
)

func byPath(list ...operation) map[string]*operation {
	m := make(map[string]*operation, len(list))
	for _, op := range list {
		m[op.path] = &op
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
		if json.Unmarshal(members[name], &s) == nil && s != "" {
			return s
		}
	}
	return ""
}

// perform checks what is common to all operations and runs one.
func (s *Server) perform(op *operation, r request) answer {
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
