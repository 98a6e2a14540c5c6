package ecpay

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// smallPDF has what every PDF has at its ends.
const smallPDF = "%PDF-1.4\n%%EOF\n"

func goodB2BPrint() B2BPrint {
	return B2BPrint{MerchantID: stageID, InvoiceNo: "VG11000002", InvoiceDate: "2019-09-23"}
}

func TestValidationOfB2BPrints(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*B2BPrint)
		fields []string
	}{
		"good":                {func(*B2BPrint) {}, nil},
		"of a purchase in A5": {func(r *B2BPrint) { r.InvoiceCategory, r.PrintStyle, r.InvoiceDate = Purchase, 2, "2019/09/23" }, nil},
		"past limits":         {func(r *B2BPrint) { r.InvoiceCategory, r.PrintStyle = 2, 3 }, []string{"InvoiceCategory", "PrintStyle"}},
		"nothing said":        {func(r *B2BPrint) { *r = B2BPrint{} }, []string{"MerchantID", "InvoiceNo", "InvoiceDate"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkFields(t, &B2BInvoicePrintRequest{*changed(goodB2BPrint(), tc.change)}, tc.fields)
			checkFields(t, &B2BDownloadB2BPdfRequest{*changed(goodB2BPrint(), tc.change)}, tc.fields)
		})
	}
	checkFields(t, &B2BGetCompanyNameByTaxIDRequest{stageID, " 23165448"}, nil)
	checkFields(t, &B2BGetCompanyNameByTaxIDRequest{stageID, "23165447"}, []string{"UnifiedBusinessNo"})
	checkFields(t, &B2BGetCompanyNameByTaxIDRequest{}, []string{"MerchantID", "UnifiedBusinessNo"})
}

func TestACompanyIsLookedUpInB2B(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	company := func(id string) *B2BGetCompanyNameByTaxIDResponse {
		t.Helper()
		return got(s, func(ctx context.Context, m *Merchant) (*B2BGetCompanyNameByTaxIDResponse, error) {
			return s.B2BGetCompanyNameByTaxID(ctx, m, &B2BGetCompanyNameByTaxIDRequest{stageID, id})
		})
	}
	if r := company("23165448"); r.CompanyName != "公司23165448" {
		t.Errorf("got %+v", r)
	}
	if r := company(ecpaytest.NoSuchTaxID); r.RtnCode != RtnNoCompany || r.CompanyName != "" {
		t.Errorf("nobody knows it: got %+v", r)
	}
}

func TestAB2BInvoiceIsPrintedAndDownloaded(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	staged := ecpaytest.Invoice{InvoiceNumber: "VG11000002", InvoiceDate: "2019-09-23", Side: ecpaytest.SideSales}
	if err := s.fake.StageInvoice(staged); err != nil {
		t.Fatal(err)
	}
	page := got(s, func(ctx context.Context, m *Merchant) (*B2BInvoicePrintResponse, error) {
		return s.B2BInvoicePrint(ctx, m, &B2BInvoicePrintRequest{goodB2BPrint()})
	})
	if page.InvoiceHtml != "https://einvoice.invalid/print/VG11000002" {
		t.Errorf("got %+v", page)
	}
	another := goodB2BPrint()
	another.InvoiceNo = "VG11000003"
	if kind, code, _ := s.refused(&B2BInvoicePrintRequest{another}); kind != NotFound || code != 7 {
		t.Errorf("of another: got %s %d", kind, code)
	}
	file := got(s, func(ctx context.Context, m *Merchant) (*B2BDownloadB2BPdfResponse, error) {
		return s.B2BDownloadB2BPdf(ctx, m, &B2BDownloadB2BPdfRequest{goodB2BPrint()})
	})
	if code, _ := file.Result(); code != 1 || !strings.Contains(string(file.PDF), "VG11000002") {
		t.Errorf("got %d and %q", code, file.PDF)
	}
	if kind, code, _ := s.refused(&B2BDownloadB2BPdfRequest{another}); kind != NotFound || code != 7 {
		t.Errorf("of another: got %s %d", kind, code)
	}
}

func TestWhatIsNoPDFIsNone(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		kind   string
		body   string
		want   Kind
		says   string
	}{
		"a PDF":            {200, "application/pdf", smallPDF, OK, ""},
		"with a parameter": {200, "application/pdf; charset=binary", smallPDF, OK, ""},
		"the largest":      {200, "application/pdf", "%PDF-" + strings.Repeat(" ", MaxPDFBytes-len("%PDF-%%EOF")) + "%%EOF", OK, ""},
		"larger": {
			200, "application/pdf", "%PDF-" + strings.Repeat(" ", MaxPDFBytes) + "%%EOF", Unavailable, "larger than 16777216 bytes",
		},
		"cut off":                {200, "application/pdf", "%PDF-1.4\n1 0 obj", Unavailable, "no whole PDF"},
		"its end too early":      {200, "application/pdf", smallPDF + strings.Repeat(" ", 1025), Unavailable, "no whole PDF"},
		"a page called a PDF":    {200, "application/pdf", "<html>%%EOF", Unavailable, "no whole PDF"},
		"nothing":                {200, "application/pdf", "", Unavailable, "no whole PDF"},
		"a PDF by another name":  {200, "text/html", smallPDF, Unavailable, "no ECPay envelope"},
		"a PDF with HTTP 500":    {500, "application/pdf", smallPDF, Unavailable, "no ECPay envelope"},
		"a ban":                  {403, "text/html", "<html>", Throttled, "HTTP 403"},
		"the refusal of a page":  {200, "application/json", answer(t, `{"RtnCode":0,"RtnMsg":"無法下載進項發票"}`), Unknown, "無法下載進項發票"},
		"not found":              {200, "application/json", answer(t, `{"RtnCode":7,"RtnMsg":""}`), NotFound, "RtnCode 7"},
		"success without a file": {200, "application/json", answer(t, `{"RtnCode":1,"RtnMsg":""}`), Unavailable, "no whole PDF"},
		"wrong keys":             {500, "application/json", `{"TransCode":110,"TransMsg":"","Data":null}`, Denied, "TransCode 110"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				if got := r.Header.Get("Accept"); got != "application/pdf, application/json" {
					t.Errorf("Accept %q", got)
				}
				w.Header().Set("Content-Type", tc.kind)
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			})
			r, err := c.B2BDownloadB2BPdf(t.Context(), stageMerchant(t), &B2BDownloadB2BPdfRequest{goodB2BPrint()})
			if KindOf(err) != tc.want || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("got %v, want %s and %q", err, tc.want, tc.says)
			}
			if err == nil && string(r.PDF) != tc.body {
				t.Errorf("got %d bytes, want the %d of the file", len(r.PDF), len(tc.body))
			}
		})
	}
}

func TestAnotherAnswerThatIsAPDFIsNone(t *testing.T) {
	t.Parallel()
	c := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/pdf")
		_, _ = io.WriteString(w, smallPDF)
	})
	if _, err := c.B2BInvoicePrint(t.Context(), stageMerchant(t), &B2BInvoicePrintRequest{goodB2BPrint()}); KindOf(err) != Unavailable {
		t.Errorf("got %v, want %s", err, Unavailable)
	}
}

func TestPDFsKeepToTheirWindow(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	c := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.Header().Set("Content-Type", "application/pdf")
		_, _ = io.WriteString(w, smallPDF)
	})
	if c.pdfWindow != 10*time.Second || cap(c.pdfs) != 2 {
		t.Errorf("%d in %s, want what ECPay publishes", cap(c.pdfs), c.pdfWindow)
	}
	c.pdfWindow = 200 * time.Millisecond
	get := func(ctx context.Context) error {
		_, err := c.B2BDownloadB2BPdf(ctx, stageMerchant(t), &B2BDownloadB2BPdfRequest{goodB2BPrint()})
		return err
	}
	first := time.Now()
	for range 2 {
		if err := get(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var e *Error
	if err := get(ctx); !errors.As(err, &e) || e.Kind != Unavailable || e.Execution != NotSent || calls.Load() != 2 {
		t.Errorf("a third one that may not wait: got %v and %d calls, want none", err, calls.Load())
	}
	if _, err := c.B2BInvoicePrint(t.Context(), stageMerchant(t), &B2BInvoicePrintRequest{goodB2BPrint()}); KindOf(err) != Unavailable {
		t.Errorf("another operation: got %v, want that it was sent at once", err)
	}
	if err := get(t.Context()); err != nil || time.Since(first) < c.pdfWindow {
		t.Errorf("a third one: got %v after %s, want %s", err, time.Since(first), c.pdfWindow)
	}
}
