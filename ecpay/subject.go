package ecpay

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// errAnother is wrapped by errors about an answer that is about something else than
// was asked.
var errAnother = errors.New("the answer is about another subject")

// subject is every field by which requests and answers of ECPay's say what they are
// about, in all its spellings. What is not there is empty.
type subject struct {
	MerchantID, IIS_Mer_ID, II_Mer_ID    Text // ECPay's spelling
	IA_Mer_ID, AI_Mer_ID                 Text
	RelateNumber, IIS_Relate_Number      Text
	Tsr, OrderNumber                     Text
	InvoiceNumber, InvoiceNo, IIS_Number Text
	II_Invoice_No                        Text
	IA_Invoice_No, AI_Invoice_No         Text
	InvoiceDate, IIS_Create_Date         Text
	IA_Invoice_Issue_Date                Text
	AllowanceNo, IA_Allow_No             Text
	AI_Allow_No                          Text
	SearchType, Date, IA_Date            Text // Date is what SearchType says
	InvoiceYear, InvoiceHeader, TrackID  Text
}

// checkSubject compares the Data of an answer with that of its request. An answer
// need not say what it is about, in itself, in its RtnData or in the rows of its
// AllowanceInfo; one that names another merchant, order, invoice or allowance proves
// nothing about this one.
func (m *Merchant) checkSubject(request, answer []byte) error {
	var req struct {
		subject
		VoidModel, IssueModel subject
	}
	if err := json.Unmarshal(request, &req); err != nil {
		return err
	}
	asked := req.subject
	asked.InvoiceNo = cmp.Or(asked.InvoiceNo, req.VoidModel.InvoiceNo, req.VoidModel.InvoiceNumber)
	asked.RelateNumber = cmp.Or(asked.RelateNumber, req.IssueModel.RelateNumber)
	asked.InvoiceDate = cmp.Or(asked.InvoiceDate, req.IssueModel.InvoiceDate)
	var got struct {
		subject
		RtnData                                 json.RawMessage
		AllowanceInfo, InvoiceData, InvoiceInfo json.RawMessage
	}
	if err := json.Unmarshal(answer, &got); err != nil {
		return fmt.Errorf("%w: unexpected shape of what it is about", ErrUnreadable)
	}
	var inner Nested[subject]
	_ = json.Unmarshal(got.RtnData, &inner) // a list or a sentence names nothing
	subjects := []subject{got.subject, inner.Value}
	for _, list := range []json.RawMessage{got.AllowanceInfo, got.InvoiceData, got.InvoiceInfo} {
		var rows Nested[[]subject]
		_ = json.Unmarshal(list, &rows)
		subjects = append(subjects, rows.Value...)
	}
	for _, s := range subjects {
		if field := m.another(asked, s); field != "" {
			return fmt.Errorf("%w, by its %s", errAnother, field)
		}
	}
	return nil
}

// another names the first field by which two subjects differ.
func (m *Merchant) another(asked, got subject) string {
	for _, id := range []Text{got.MerchantID, got.IIS_Mer_ID, got.II_Mer_ID, got.IA_Mer_ID, got.AI_Mer_ID} {
		if !m.isMeant(id) {
			return "MerchantID"
		}
	}
	var allowed Text // the day of an allowance that is asked about
	switch string(asked.SearchType) {
	case ByInvoiceDate:
		asked.InvoiceDate = asked.Date
	case ByAllowanceDate:
		allowed = asked.Date
	}
	for _, f := range []struct {
		field      string
		asked, got Text
		same       func(a, b string) bool
	}{
		{"RelateNumber", asked.RelateNumber, cmp.Or(got.RelateNumber, got.IIS_Relate_Number), strings.EqualFold},
		{"Tsr", asked.Tsr, cmp.Or(got.Tsr, got.OrderNumber), strings.EqualFold},
		{
			"InvoiceNumber", cmp.Or(asked.InvoiceNumber, asked.InvoiceNo),
			cmp.Or(got.InvoiceNumber, got.InvoiceNo, got.IIS_Number, got.II_Invoice_No, got.IA_Invoice_No, got.AI_Invoice_No),
			strings.EqualFold,
		},
		{"InvoiceDate", asked.InvoiceDate, cmp.Or(got.InvoiceDate, got.IIS_Create_Date, got.IA_Invoice_Issue_Date), sameDay},
		{"AllowanceNo", asked.AllowanceNo, cmp.Or(got.AllowanceNo, got.IA_Allow_No, got.AI_Allow_No), strings.EqualFold},
		{"Date", allowed, got.IA_Date, sameDay},
		{"InvoiceYear", asked.InvoiceYear, got.InvoiceYear, strings.EqualFold},
		{"InvoiceHeader", asked.InvoiceHeader, got.InvoiceHeader, strings.EqualFold},
		{"TrackID", asked.TrackID, got.TrackID, strings.EqualFold},
	} {
		asked, got := strings.TrimSpace(string(f.asked)), strings.TrimSpace(string(f.got))
		if asked != "" && got != "" && !f.same(asked, got) {
			return f.field
		}
	}
	return ""
}

// isMeant reports whether the MerchantID of an answer is this merchant's or its
// platform's, or is not there. As a JSON number it has lost its leading zeros.
func (m *Merchant) isMeant(id Text) bool {
	got := strings.TrimSpace(string(id))
	if got == "" || got == m.id || got == m.platformID {
		return true
	}
	return digitChars(got) && (got == strings.TrimLeft(m.id, "0") || got == strings.TrimLeft(m.platformID, "0"))
}

// sameDay compares days in the ways in which ECPay writes them, with or without a
// time of day. What is no day tells nothing.
func sameDay(a, b string) bool {
	day, other := dayOf(a), dayOf(b)
	return day.IsZero() || other.IsZero() || day.Equal(other)
}

func dayOf(s string) time.Time {
	s, _, _ = strings.Cut(s, " ")
	s, _, _ = strings.Cut(s, "T")
	s = strings.ReplaceAll(s, "/", "-")
	for _, layout := range []string{"2006-1-2", "20060102"} {
		if day, err := time.Parse(layout, s); err == nil {
			return day
		}
	}
	return time.Time{}
}
