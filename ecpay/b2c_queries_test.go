package ecpay

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

func TestAListHasAllInvoicesOfItsDaysNewestFirst(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for _, relate := range []string{"R1", "R2", "R3"} {
		s.issue(relate)
	}
	s.stage(ecpaytest.Delayed{Tsr: "OLD", Issued: true, InvoiceDate: "2020-01-02"})
	today := Date(time.Now())
	var relates []Text
	for page := 1; ; page++ {
		r := got(s, func(ctx context.Context, m *Merchant) (*B2CGetIssueListResponse, error) {
			return s.B2CGetIssueList(ctx, m, &B2CGetIssueListRequest{stageID, today, today, 2, page, ""})
		})
		if r.TotalCount != 3 || int(r.ShowingPage) != page {
			t.Errorf("page %d: got %d invoices, page %d", page, r.TotalCount, r.ShowingPage)
		}
		if len(r.InvoiceData.Value) == 0 {
			break
		}
		for _, i := range r.InvoiceData.Value {
			relates = append(relates, i.IIS_Relate_Number)
		}
	}
	if diff := cmp.Diff([]Text{"R3", "R2", "R1"}, relates); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// GetIssueList's Data was seen as plain JSON. It is read as an object, as text, and encrypted; of other operations it is
// read encrypted alone.
func TestDataThatIsNotEncrypted(t *testing.T) {
	t.Parallel()
	list := `{"RtnCode":1,"TotalCount":"1","ShowingPage":1,"InvoiceData":[{"IIS_Number":"JU11082064","IIS_Mer_ID":%s}]}`
	ours, anothers := fmt.Sprintf(list, "2000132"), fmt.Sprintf(list, "2000133")
	text := func(v string) string { b, _ := json.Marshal(v); return string(b) }
	asked := sample(opB2CGetIssueList)
	query := &B2CGetIssueRequest{MerchantID: stageID, RelateNumber: "R1"}
	for name, tc := range map[string]struct {
		req  Request
		data string
		want Kind
	}{
		"an object":                      {asked, ours, OK},
		"text":                           {asked, text(ours), OK},
		"encrypted":                      {asked, text(testCodec(t, stageKey, stageIV).Seal([]byte(ours))), OK},
		"no page":                        {asked, `{"RtnCode":1,"TotalCount":0,"InvoiceData":""}`, OK},
		"another merchant's":             {asked, anothers, Unknown},
		"no JSON":                        {asked, `{"RtnCode":`, Unavailable},
		"null":                           {asked, `null`, Unavailable},
		"an object, another operation's": {query, `{"RtnCode":1}`, Unavailable},
		"text, another operation's":      {query, text(`{"RtnCode":1}`), Unavailable},
	} {
		c := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"MerchantID":2000132,"TransCode":1,"TransMsg":"","Data":`+tc.data+`}`)
		})
		resp, err := c.Do(t.Context(), stageMerchant(t), tc.req)
		if KindOf(err) != tc.want {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
		if r, ok := resp.(*B2CGetIssueListResponse); ok && r.TotalCount == 1 && r.InvoiceData.Value[0].IIS_Number != "JU11082064" {
			t.Errorf("%s: got %+v", name, r)
		}
	}
}

func TestTheVoidOfAnInvoiceIsFoundByAllThreeOfItsKeys(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	i := s.issue("R1")
	req := &B2CGetInvalidRequest{stageID, "R1", string(i.InvoiceNo), string(i.InvoiceDate)[:10]}
	if kind, code, _ := s.refused(req); kind != NotFound || code != 2 {
		t.Errorf("before: got %s %d", kind, code)
	}
	if _, err := s.B2CInvalid(t.Context(), s.m, &B2CInvalidRequest{stageID, req.InvoiceNo, req.InvoiceDate, "錯"}); err != nil {
		t.Fatal(err)
	}
	r := got(s, func(ctx context.Context, m *Merchant) (*B2CGetInvalidResponse, error) {
		return s.B2CGetInvalid(ctx, m, req)
	})
	if r.II_Invoice_No != i.InvoiceNo || r.Reason != "錯" || dayOf(string(r.II_Date)).IsZero() || r.II_Upload_Status != "0" {
		t.Errorf("got %+v", r)
	}
}

func TestWhatIsLookedUpIsAdvice(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for code, want := range map[string]Text{"/ABC+123": "Y", ecpaytest.NoSuchBarcode: "N"} {
		if r, err := s.B2CCheckBarcode(t.Context(), s.m, &B2CCheckBarcodeRequest{stageID, code}); err != nil || r.IsExist != want {
			t.Errorf("%s: got %+v, %v", code, r, err)
		}
	}
	for code, want := range map[string]Text{"168001": "Y", ecpaytest.NoSuchLoveCode: "N"} {
		r, err := s.B2CCheckLoveCode(t.Context(), s.m, &B2CCheckLoveCodeRequest{stageID, code})
		if err != nil || r.IsExist != want || (r.OrganName == "") != (want == "N") {
			t.Errorf("%s: got %+v, %v", code, r, err)
		}
	}
	company := func(id string) (*B2CGetCompanyNameByTaxIDResponse, error) {
		return s.B2CGetCompanyNameByTaxID(t.Context(), s.m, &B2CGetCompanyNameByTaxIDRequest{stageID, id})
	}
	if r, err := company("23165448"); err != nil || r.CompanyName != "公司23165448" {
		t.Errorf("a company: got %+v, %v", r, err)
	}
	if r, err := company(ecpaytest.NoSuchTaxID); err != nil || r.RtnCode != RtnNoCompany || r.CompanyName != "" {
		t.Errorf("none that is known: got %+v, %v, want to go on", r, err)
	}
	down := ecpaytest.Fault{RtnCode: RtnNoMinistry, RtnMsg: "呼叫財政部API失敗", Times: 2}
	s.fake.Inject(ecpaytest.Match{}, down)
	if r, err := company("23165448"); err != nil || r.RtnCode != RtnNoMinistry {
		t.Errorf("no ministry: got %+v, %v, want to go on", r, err)
	}
	if kind, code, _ := s.refused(&B2CCheckBarcodeRequest{stageID, "/ABC+123"}); kind != Unavailable || code != RtnNoMinistry {
		t.Errorf("no ministry for a barcode: got %s %d", kind, code)
	}
	for code, want := range map[int]Kind{1200125: Rejected, 2027000: Rejected} {
		s.fake.Inject(ecpaytest.Match{}, ecpaytest.Fault{RtnCode: code})
		if kind, _, _ := s.refused(&B2CGetCompanyNameByTaxIDRequest{stageID, "23165448"}); kind != want {
			t.Errorf("%d: got %s, want %s", code, kind, want)
		}
	}
}

func TestRangesOfInvoiceNumbersAreListed(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	given := got(s, func(ctx context.Context, m *Merchant) (*B2CGetGovInvoiceWordSettingResponse, error) {
		return s.B2CGetGovInvoiceWordSetting(ctx, m, &B2CGetGovInvoiceWordSettingRequest{GovInvoiceWordQuery{stageID, "115"}})
	})
	want := GovInvoiceWord{InvoiceWord{1, "07", "FA", "10000000", "10000049"}, 1}
	if n := len(given.InvoiceInfo.Value); n != 6 {
		t.Fatalf("%d ranges, want 6", n)
	}
	if diff := cmp.Diff(want, given.InvoiceInfo.Value[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if kind, code, _ := s.refused(sample(opB2CGetInvoiceWordSetting)); kind != NotFound || code != 7 {
		t.Errorf("none: got %s %d", kind, code)
	}
	// The shapes of an answer: numbers as text and text as numbers.
	c := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, answer(t, `{"RtnCode":1,"InvoiceInfo":[{"TrackID":"0000000001","InvoiceYear":115,"InvoiceTerm":"2",`+
			`"InvType":"07",`+
			`"InvoiceHeader":"KK","InvoiceStart":"10000000","InvoiceEnd":"10000049","InvoiceNo":"10000007","UseStatus":2}]}`))
	})
	req := &B2CGetInvoiceWordSettingRequest{InvoiceWordQuery{MerchantID: stageID, InvoiceYear: "115", InvType: "07", InvoiceHeader: "KK"}}
	r, err := c.B2CGetInvoiceWordSetting(t.Context(), stageMerchant(t), req)
	if err != nil {
		t.Fatal(err)
	}
	used := []UsedInvoiceWord{{"0000000001", "115", InvoiceWord{2, "07", "KK", "10000000", "10000049"}, "10000007", 2}}
	if diff := cmp.Diff(used, r.InvoiceInfo.Value); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, other := range []*B2CGetInvoiceWordSettingRequest{
		{InvoiceWordQuery{MerchantID: stageID, InvoiceYear: "114"}},
		{InvoiceWordQuery{MerchantID: stageID, InvoiceYear: "115", InvoiceHeader: "KL"}},
	} {
		if _, err := c.B2CGetInvoiceWordSetting(t.Context(), stageMerchant(t), other); KindOf(err) != Unknown {
			t.Errorf("ranges that were not asked for: got %v", err)
		}
	}
}

func TestAnInvoiceIsPrintedUnlessItHasACarrier(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	i := s.issue("R1")
	s.stage(ecpaytest.Delayed{Tsr: "T1", Issued: true, Paperless: true, InvoiceNo: "FK90000000"})
	req := &B2CInvoicePrintRequest{
		MerchantID: stageID, InvoiceNo: string(i.InvoiceNo), InvoiceDate: string(i.InvoiceDate)[:10], PrintStyle: 3, IsReprintInvoice: "Y",
	}
	r := got(s, func(ctx context.Context, m *Merchant) (*B2CInvoicePrintResponse, error) {
		return s.B2CInvoicePrint(ctx, m, req)
	})
	if r.InvoiceHtml != "https://einvoice.invalid/print/"+i.InvoiceNo {
		t.Errorf("got %+v", r)
	}
	req.InvoiceNo = "FK90000000"
	if kind, code, _ := s.refused(req); kind != NotFound || code != 7 {
		t.Errorf("got %s %d", kind, code)
	}
}

// Where an answer says what it is about, that of another is none.
func TestTheFakeTellsOfAnotherInvoice(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	i := s.issue("R1")
	number, date := string(i.InvoiceNo), string(i.InvoiceDate)
	notify := goodNotify()
	notify.InvoiceNo = number
	for name, tc := range map[string]struct {
		req  Request
		want Kind
	}{
		"issued anew": {reIssueOf("R1", number, date), Ambiguous},
		"its void":    {&B2CGetInvalidRequest{stageID, "R1", number, date[:10]}, Unknown},
		"found":       {&B2CGetIssueRequest{MerchantID: stageID, RelateNumber: "R1"}, Unknown},
		"told of":     {notify, OK}, // no word of which
	} {
		s.fake.Inject(ecpaytest.Match{}, ecpaytest.Fault{AboutAnother: true})
		if _, err := s.Do(t.Context(), s.m, tc.req); KindOf(err) != tc.want {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
}
