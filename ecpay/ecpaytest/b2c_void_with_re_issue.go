package ecpaytest

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

var _ = endpoint(operation{
	name: "VoidWithReIssue", category: "B2C", write: true, subject: []string{"VoidModel.InvoiceNo"}, inModels: true,
	run: (*Server).b2cVoidWithReIssue,
})

// b2cVoidWithReIssue is B2C VoidWithReIssue. Documented: the fields of both models, of which the number, the RelateNumber and
// the time of issue stay. Recorded: the random code changes, and 5070451 until the new one is uploaded, which here it never
// is. Shipped clients send MerchantID in Data, or in both models and not in Data, as ECPay's own sample does. What another RelateNumber or
// time, an unknown number and a voided invoice are answered is our choice.
func (s *Server) b2cVoidWithReIssue(r request) answer {
	void, issue := s.model(r, "VoidModel"), s.model(r, "IssueModel")
	number, reason := void.pattern("InvoiceNo", 10, invoiceNumber), void.required("VoidReason", math.MaxInt)
	if len([]rune(reason)) > 20 {
		void.refuse(CodeReasonLong)
	}
	when := strings.ReplaceAll(issue.required("InvoiceDate", 20), "/", "-")
	if _, err := time.Parse(time.DateTime, when); err != nil {
		issue.complain(CodeFieldFormat, "InvoiceDate must be yyyy-mm-dd hh:mm:ss")
	}
	v := s.issueFields(issue)
	for _, f := range []*fields{r.data, void, issue} {
		if a, ok := s.checked(f); !ok {
			return a
		}
	}
	i := r.merchant.issued[number]
	switch {
	case i == nil:
		return refuse(CodeNoSuchNumber)
	case !i.voidedAt.IsZero():
		return refuse(CodeVoidedBefore)
	case i.reissued:
		return refuse(CodeNotUploaded)
	case !strings.EqualFold(i.delayed.RelateNumber, v.RelateNumber) || i.created.Format(time.DateTime) != when:
		return refuse(CodeReIssueDiffers)
	}
	i.reissue()
	i.delayed.SalesAmount, i.delayed.Paperless = v.SalesAmount, v.Paperless
	s.effect(r.at, EffectReIssued, r.merchant, number, r.seq, i.random)
	return answer{code: CodeOK, msg: "開立發票成功", more: i.named()}
}

// model reads an object inside Data, whose MerchantID is that of Data if it has one.
func (s *Server) model(r request, name string) *fields {
	if !r.data.present(name) {
		r.data.complain(CodeFieldMissing, "%s is required", name)
		return newFields([]byte("{}"))
	}
	f := newFields(r.data.members[name])
	if r.data.members["MerchantID"] == nil {
		f.required("MerchantID", 10)
	}
	if id := f.optional("MerchantID", 10); id != "" && id != r.merchant.MerchantID {
		f.refuse(CodeMerchantMismatch)
	}
	return f
}

// reissue gives i another random code.
func (i *issued) reissue() { i.random, i.reissued = anotherRandom(i.random), true }

// anotherRandom is the random code after another one.
func anotherRandom(code string) string {
	n, _ := strconv.Atoi(code)
	return fmt.Sprintf("%04d", (n+1237)%10000)
}

// named is what an invoice that has just been issued is answered with.
func (i *issued) named() object {
	return object{{"InvoiceNo", i.number}, {"InvoiceDate", i.created.Format(time.DateTime)}, {"RandomNumber", i.random}}
}

// nested returns a member of a member, or of the first of a list.
func nested(members map[string]json.RawMessage, path string) json.RawMessage {
	outer, inner, ok := strings.Cut(path, ".")
	if !ok {
		return members[path]
	}
	var model map[string]json.RawMessage
	if json.Unmarshal(members[outer], &model) != nil { // it stays empty if it is no object
		var list []map[string]json.RawMessage
		if json.Unmarshal(members[outer], &list) == nil && len(list) > 0 {
			model = list[0]
		}
	}
	return model[inner]
}
