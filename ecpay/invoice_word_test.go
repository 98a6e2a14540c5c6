package ecpay

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

func goodWordQuery() InvoiceWordQuery {
	return InvoiceWordQuery{MerchantID: stageID, InvoiceYear: "115"}
}

func goodWord() NewInvoiceWord {
	return NewInvoiceWord{
		MerchantID: stageID, InvoiceTerm: 6, InvoiceYear: "115", InvType: "07",
		InvoiceHeader: "KK", InvoiceStart: "10000000", InvoiceEnd: "10000049",
	}
}

func TestValidationOfInvoiceWords(t *testing.T) {
	t.Parallel()
	type (
		query  = InvoiceWordQuery
		word   = NewInvoiceWord
		status = InvoiceWordStatus
	)
	asked := func(change func(*query)) Request {
		return &B2CGetInvoiceWordSettingRequest{*changed(goodWordQuery(), change)}
	}
	added := func(change func(*word)) Request {
		return &B2CAddInvoiceWordSettingRequest{*changed(goodWord(), change)}
	}
	for name, tc := range map[string]struct {
		req    Request
		fields []string
	}{
		"query": {asked(func(r *query) { r.InvoiceTerm, r.UseStatus, r.InvType, r.InvoiceHeader = 6, 6, "08", "KK" }), nil},
		"query, past limits": {
			asked(func(r *query) {
				r.InvoiceTerm, r.UseStatus, r.InvoiceCategory, r.InvType, r.InvoiceHeader = 7, -1, 2, "09", "K"
			}),
			[]string{"InvoiceTerm", "UseStatus", "InvoiceCategory", "InvType", "InvoiceHeader"},
		},
		"query of B2B": {&B2BGetInvoiceWordSettingRequest{*changed(goodWordQuery(), func(r *query) { r.InvoiceCategory = 2 })}, nil},
		"query of B2B, category 1": {
			&B2BGetInvoiceWordSettingRequest{*changed(goodWordQuery(), func(r *query) { r.InvoiceCategory = 1 })}, []string{"InvoiceCategory"},
		},
		"given":               {&B2BGetGovInvoiceWordSettingRequest{GovInvoiceWordQuery{stageID, " 115"}}, nil},
		"given, AD":           {&B2BGetGovInvoiceWordSettingRequest{GovInvoiceWordQuery{stageID, "2026"}}, []string{"InvoiceYear"}},
		"given, nothing said": {&B2BGetGovInvoiceWordSettingRequest{}, []string{"MerchantID", "InvoiceYear"}},
		"new, two books":      {added(func(r *word) { r.InvoiceStart, r.InvoiceEnd = "10000050", "10000149" }), nil},
		"new, term 0":         {added(func(r *word) { r.InvoiceTerm = 0 }), []string{"InvoiceTerm"}},
		"new, term 7":         {added(func(r *word) { r.InvoiceTerm = 7 }), []string{"InvoiceTerm"}},
		"new, a small header": {added(func(r *word) { r.InvoiceHeader = "kk" }), []string{"InvoiceHeader"}},
		"new, inside a book": {
			added(func(r *word) { r.InvoiceStart, r.InvoiceEnd = "10000001", "10000050" }), []string{"InvoiceStart", "InvoiceEnd"},
		},
		"new, seven digits": {added(func(r *word) { r.InvoiceStart = "1000000" }), []string{"InvoiceStart"}},
		"new, backwards":    {added(func(r *word) { r.InvoiceStart = "10000050" }), []string{"InvoiceEnd"}},
		"new, of B2B":       {added(func(r *word) { r.InvoiceCategory = "2" }), []string{"InvoiceCategory"}},
		"new of B2B":        {&B2BAddInvoiceWordSettingRequest{*changed(goodWord(), func(r *word) { r.InvoiceCategory = "2" })}, nil},
		"new of B2B, of B2C": {
			&B2BAddInvoiceWordSettingRequest{*changed(goodWord(), func(r *word) { r.InvoiceCategory = "1" })}, []string{"InvoiceCategory"},
		},
		"status, TrackID of 11": {&B2BUpdateInvoiceWordStatusRequest{status{stageID, strings.Repeat("1", 11), "0"}}, []string{"TrackID"}},
		"status 3":              {&B2BUpdateInvoiceWordStatusRequest{status{stageID, "1", "3"}}, []string{"InvoiceStatus"}},
		// What is left out stops no range.
		"status, nothing said": {&B2CUpdateInvoiceWordStatusRequest{}, []string{"MerchantID", "TrackID", "InvoiceStatus"}},
		"new, nothing said": {
			&B2CAddInvoiceWordSettingRequest{},
			[]string{"MerchantID", "InvoiceTerm", "InvoiceYear", "InvType", "InvoiceHeader", "InvoiceStart", "InvoiceEnd"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkFields(t, tc.req, tc.fields)
		})
	}
}

func TestACategoryOfInvoiceWordsIsFilledIn(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		req  Request
		want string
	}{
		{&B2CGetInvoiceWordSettingRequest{goodWordQuery()}, `"InvoiceCategory":1`},
		{&B2BGetInvoiceWordSettingRequest{goodWordQuery()}, `"InvoiceCategory":2`},
		{&B2CAddInvoiceWordSettingRequest{goodWord()}, `"InvoiceCategory":"1"`},
		{&B2BAddInvoiceWordSettingRequest{goodWord()}, `"InvoiceCategory":"2"`},
		{&B2CUpdateInvoiceWordStatusRequest{InvoiceWordStatus{stageID, "1", "2"}}, `"InvoiceStatus":2`},
	} {
		if err := tc.req.Validate(); err != nil {
			t.Error(err)
		}
		data, err := marshalData(tc.req)
		if err != nil || !strings.Contains(string(data), tc.want) {
			t.Errorf("%s: got %s, %v, want %s in it", tc.req.Operation(), data, err, tc.want)
		}
	}
}

func TestARangeIsAddedTurnedOnAndCountedDown(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	year, term := InvoiceTermOf(time.Now())
	word := NewInvoiceWord{
		MerchantID: stageID, InvoiceTerm: term, InvoiceYear: year, InvType: "07",
		InvoiceHeader: "KK", InvoiceStart: "10000000", InvoiceEnd: "10000049",
	}
	added := got(s, func(ctx context.Context, m *Merchant) (*B2CAddInvoiceWordSettingResponse, error) {
		return s.B2CAddInvoiceWordSetting(ctx, m, &B2CAddInvoiceWordSettingRequest{word})
	})
	left := func() InvoiceNumbers {
		t.Helper()
		found := got(s, func(ctx context.Context, m *Merchant) (*B2CGetInvoiceWordSettingResponse, error) {
			return s.B2CGetInvoiceWordSetting(ctx, m, &B2CGetInvoiceWordSettingRequest{InvoiceWordQuery{MerchantID: stageID, InvoiceYear: year}})
		})
		n, err := InvoiceNumbersLeft(found.InvoiceInfo.Value, year, term, "07")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := left(); n != (InvoiceNumbers{Off: 50}) {
		t.Errorf("of a new range: got %+v", n)
	}
	on := InvoiceWordStatus{stageID, string(added.TrackID), "2"}
	got(s, func(ctx context.Context, m *Merchant) (*B2CUpdateInvoiceWordStatusResponse, error) {
		return s.B2CUpdateInvoiceWordStatus(ctx, m, &B2CUpdateInvoiceWordStatusRequest{on})
	})
	got(s, func(ctx context.Context, m *Merchant) (*B2CIssueResponse, error) {
		return s.B2CIssue(ctx, m, &B2CIssueRequest{goodInvoice()})
	})
	if n := left(); n != (InvoiceNumbers{InUse: 49}) {
		t.Errorf("after an invoice: got %+v", n)
	}
	on.InvoiceStatus = "1"
	got(s, func(ctx context.Context, m *Merchant) (*B2CUpdateInvoiceWordStatusResponse, error) {
		return s.B2CUpdateInvoiceWordStatus(ctx, m, &B2CUpdateInvoiceWordStatusRequest{on})
	})
	another := goodInvoice()
	another.RelateNumber = "ANOTHER"
	if kind, code, executed := s.refused(&B2CIssueRequest{another}); kind != Operator || code != 5070350 || executed != NotExecuted {
		t.Errorf("without a range that is on: got %s %d, %s", kind, code, executed)
	}
	on.TrackID = "9"
	if kind, code, _ := s.refused(&B2CUpdateInvoiceWordStatusRequest{on}); kind != NotFound || code != 7 {
		t.Errorf("of no range: got %s %d", kind, code)
	}
	s.effects("KK", ecpaytest.EffectWordAdded)
}

func TestRangesOfB2BAreItsOwn(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	added := got(s, func(ctx context.Context, m *Merchant) (*B2BAddInvoiceWordSettingResponse, error) {
		return s.B2BAddInvoiceWordSetting(ctx, m, &B2BAddInvoiceWordSettingRequest{goodWord()})
	})
	got(s, func(ctx context.Context, m *Merchant) (*B2BUpdateInvoiceWordStatusResponse, error) {
		return s.B2BUpdateInvoiceWordStatus(ctx, m, &B2BUpdateInvoiceWordStatusRequest{InvoiceWordStatus{stageID, string(added.TrackID), "2"}})
	})
	found := got(s, func(ctx context.Context, m *Merchant) (*B2BGetInvoiceWordSettingResponse, error) {
		return s.B2BGetInvoiceWordSetting(ctx, m, &B2BGetInvoiceWordSettingRequest{goodWordQuery()})
	})
	want := []UsedInvoiceWord{{added.TrackID, "115", InvoiceWord{6, "07", "KK", "10000000", "10000049"}, "", WordInUse}}
	if diff := cmp.Diff(want, found.InvoiceInfo.Value); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if kind, code, _ := s.refused(&B2CGetInvoiceWordSettingRequest{goodWordQuery()}); kind != NotFound || code != 7 {
		t.Errorf("in B2C: got %s %d, want none", kind, code)
	}
	given := got(s, func(ctx context.Context, m *Merchant) (*B2BGetGovInvoiceWordSettingResponse, error) {
		return s.B2BGetGovInvoiceWordSetting(ctx, m, &B2BGetGovInvoiceWordSettingRequest{GovInvoiceWordQuery{stageID, "115"}})
	})
	if n := len(given.InvoiceInfo.Value); n != 6 {
		t.Errorf("the Ministry gave %d ranges, want 6", n)
	}
	s.effects("KK", ecpaytest.EffectWordAdded)
	s.effects(string(added.TrackID), ecpaytest.EffectWordStatus)
}

func TestAnAnswerAboutAnotherRangeProvesNothing(t *testing.T) {
	t.Parallel()
	c := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, answer(t, `{"RtnCode":1,"TrackID":"0000000002"}`))
	})
	req := &B2CUpdateInvoiceWordStatusRequest{InvoiceWordStatus{stageID, "0000000001", "0"}}
	if _, err := c.B2CUpdateInvoiceWordStatus(t.Context(), stageMerchant(t), req); KindOf(err) != Ambiguous {
		t.Errorf("got %v, want %s", err, Ambiguous)
	}
}
