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
	another  func(*another) // what another subject has to be for an answer about it, where it is not as usual; nil for as usual
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

// operations are the endpoints the fake has, by path. The file of each puts it in when the package is initialised, and
// nothing changes them later.
var operations = map[string]*operation{}

// endpoint puts an operation in.
func endpoint(op operation) operation {
	if operations[op.path()] != nil {
		panic("two files have " + op.path())
	}
	operations[op.path()] = &op
	return op
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
