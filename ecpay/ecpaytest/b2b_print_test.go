package ecpaytest

import (
	"strings"
	"testing"
	"time"
)

const (
	pathB2bPrint = "/B2BInvoice/InvoicePrint"
	pathPDF      = "/B2BInvoice/DownloadB2BPdf"
)

// printOf asks to print the invoice with the number of these tests, with changes.
func printOf(change m) m { return changed(m{"InvoiceNo": number, "InvoiceDate": startDate}, change) }

func TestAB2BInvoiceIsPrinted(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		staged Invoice
		change m
		want   int // of InvoicePrint, and of DownloadB2BPdf where it refuses
		pdf    int // of DownloadB2BPdf, where it is another one; CodeOK: a file
	}{
		"sold":                    {Invoice{}, nil, CodeOK, CodeOK},
		"sold, said so":           {Invoice{Side: SideSales}, m{"InvoiceCategory": 0, "PrintStyle": 1}, CodeOK, CodeOK},
		"a day with slashes":      {Invoice{}, m{"InvoiceDate": "2026/03/10"}, CodeOK, CodeOK},
		"bought":                  {Invoice{Side: SidePurchase}, m{"InvoiceCategory": 1}, CodeOK, CodeNoPDF},
		"bought, and not said":    {Invoice{Side: SidePurchase}, nil, CodeNothing, CodeNothing},
		"sold, and called bought": {Invoice{Side: SideSales}, m{"InvoiceCategory": 1}, CodeNothing, CodeNothing},
		"another number":          {Invoice{}, m{"InvoiceNo": "ZZ00000000"}, CodeNothing, CodeNothing},
		"another day":             {Invoice{}, m{"InvoiceDate": "2026-03-09"}, CodeNothing, CodeNothing},
		"voided":                  {Invoice{Voided: true}, nil, CodeNothing, CodeNothing},
		"category 2":              {Invoice{}, m{"InvoiceCategory": 2}, CodeFieldFormat, CodeFieldFormat},
		"style 3":                 {Invoice{}, m{"PrintStyle": 3}, CodeFieldFormat, CodeFieldFormat},
		"a field of B2C":          {Invoice{}, m{"IsShowingDetail": 1}, CodeUnknownField, CodeUnknownField},
		"no day":                  {Invoice{}, m{"InvoiceDate": ""}, CodeFieldMissing, CodeFieldMissing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{})
			row.staged.InvoiceNumber = number
			b.stageInvoice(row.staged)
			page := b.call(pathB2bPrint, printOf(row.change))
			address, _ := page.data["InvoiceHtml"].(string)
			if page.code() != rtn(row.want) || (row.want == CodeOK) != strings.HasSuffix(address, number) {
				t.Errorf("print: got %v %v, want %d", page.code(), page.data, row.want)
			}
			file := b.call(pathPDF, printOf(row.change))
			isFile := file.header.Get("Content-Type") == "application/pdf" && strings.HasPrefix(file.body, "%PDF-") &&
				strings.Contains(file.body, number)
			if isFile != (row.pdf == CodeOK) || !isFile && file.code() != rtn(row.pdf) {
				t.Errorf("download: got %s of %q, want %d", file.body, file.header.Get("Content-Type"), row.pdf)
			}
			if got := b.lastCall(); got.RtnCode != row.pdf || got.HTTPStatus != 200 || len(b.Effects()) != 0 {
				t.Errorf("got the call %+v and effects %v", got, b.Effects())
			}
		})
	}
}

func TestPDFsAreTwoInTenSecondsOfAnAddress(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.stageInvoice(Invoice{InvoiceNumber: number})
	for i, step := range []struct {
		wait time.Duration
		want int
	}{{0, 200}, {5 * time.Second, 200}, {time.Second, 403}, {9 * time.Second, 200}, {0, 403}, {10 * time.Second, 200}} {
		b.clock.add(step.wait)
		if got := b.call(pathPDF, printOf(nil)).status; got != step.want {
			t.Errorf("call %d: got HTTP %d, want %d", i+1, got, step.want)
		}
	}
	if got := b.call(pathB2bPrint, printOf(nil)).status; got != 200 {
		t.Errorf("another operation: got HTTP %d", got)
	}
	b.Reset()
	if got := b.call(pathPDF, printOf(nil)).status; got != 200 {
		t.Errorf("after a reset: got HTTP %d", got)
	}
}

func TestFaultsOfAPDF(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.stageInvoice(Invoice{InvoiceNumber: number})
	match := Match{Operation: "DownloadB2BPdf"}
	b.Inject(match, Fault{AboutAnother: true}, Fault{Truncate: true}, Fault{RtnCode: 9000001})
	if r := b.call(pathPDF, printOf(nil)); !strings.Contains(r.body, others["InvoiceNo"]) || strings.Contains(r.body, number) {
		t.Errorf("about another: got %q", r.body)
	}
	if r := b.call(pathPDF, printOf(nil)); r.err == nil || strings.Contains(r.body, "%%EOF") {
		t.Errorf("cut off: got %q, %v", r.body, r.err)
	}
	b.clock.add(pdfWindow)
	if r := b.call(pathPDF, printOf(nil)); r.code() != rtn(9000001) {
		t.Errorf("a code: got %s", r.body)
	}
}
