package main_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
)

// pdfArgs download the invoice that every test here stages.
func pdfArgs(more ...string) []string {
	return append([]string{
		"query", "b2b-download-b2b-pdf", "--merchant-id", merchantID, "--invoice-no", "VG11000001", "--invoice-date", invoiceDate,
	}, more...)
}

func newPDFBench(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, nil)
	b.must(b.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: "VG11000001", InvoiceDate: invoiceDate}))
	return b
}

func TestAPDFIsWrittenToANewFileThatItsOwnerAloneReads(t *testing.T) {
	t.Parallel()
	b := newPDFBench(t)
	file := filepath.Join(t.TempDir(), "invoice.pdf")
	r := b.run(pdfArgs("--out", file)...)
	if r.code != 0 || r.stderr != "" {
		t.Fatalf("got exit code %d and %s", r.code, r.stderr)
	}
	type saved struct {
		Operation, Kind, File string
		Bytes                 int64
	}
	got := oneLine[saved](t, r.stdout)
	info, err := os.Stat(file)
	b.must(err)
	text, err := os.ReadFile(file)
	b.must(err)
	if got != (saved{"B2B DownloadB2BPdf", "OK", file, info.Size()}) || info.Mode() != 0o600 {
		t.Errorf("got %+v and mode %s of %d bytes", got, info.Mode(), info.Size())
	}
	if !strings.HasPrefix(string(text), "%PDF-") || !strings.Contains(string(text), "VG11000001") {
		t.Errorf("got the file %q", text)
	}
	calls := len(b.fake.Calls())
	r = b.run(pdfArgs("--out", file)...)
	if r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "is there already") || !strings.Contains(r.stderr, "nothing was asked") {
		t.Errorf("to a file that is there: got %d, %q and %s", r.code, r.stdout, r.stderr)
	}
	if again, err := os.ReadFile(file); err != nil || string(again) != string(text) || len(b.fake.Calls()) != calls {
		t.Errorf("the file is %q now, %v, after %d calls", again, err, len(b.fake.Calls())-calls)
	}
}

func TestAPDFNeverGoesToStdout(t *testing.T) {
	t.Parallel()
	b := newPDFBench(t)
	for _, more := range [][]string{nil, {"--out", "-"}, {"--out", ""}} {
		if r := b.run(pdfArgs(more...)...); r.code != 2 || r.stdout != "" || !strings.Contains(r.stderr, "--out") {
			t.Errorf("%q: got %d, %q and %s", more, r.code, r.stdout, r.stderr)
		}
	}
	if n := len(b.fake.Calls()); n != 0 {
		t.Errorf("%d calls, want none", n)
	}
}

func TestWhereThereIsNoPDFThereIsNoFile(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		fault ecpaytest.Fault
		says  string
		kind  string // on stdout
	}{
		"not found": {ecpaytest.Fault{RtnCode: 7}, "", "NotFound"},
		"cut off":   {ecpaytest.Fault{Truncate: true}, "Unavailable", ""},
		"no PDF": {
			ecpaytest.Fault{Header: http.Header{"Content-Type": {"application/pdf"}}, HTTPStatus: 200, Body: "<html>"}, "no whole PDF", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newPDFBench(t)
			b.fake.Inject(ecpaytest.Match{Operation: "DownloadB2BPdf"}, row.fault)
			file := filepath.Join(t.TempDir(), "invoice.pdf")
			r := b.run(pdfArgs("--out", file)...)
			if r.code != 1 || !strings.Contains(r.stderr, row.says) || !strings.Contains(r.stdout, row.kind) {
				t.Errorf("got %d, %q and %s, want %q", r.code, r.stdout, r.stderr, row.says)
			}
			if _, err := os.Lstat(file); !os.IsNotExist(err) {
				t.Errorf("there is a file: %v", err)
			}
		})
	}
}

func TestPDFsOfAnAddressKeepApart(t *testing.T) {
	t.Parallel()
	b, dir := newPDFBench(t), t.TempDir()
	// To the fake all processes here have one address, as "another" would not: it has a fake of its own.
	elsewhere := newBenchWithout(t, ecpaytest.Config{}, nil)
	b.must(elsewhere.fake.StageInvoice(ecpaytest.Invoice{InvoiceNumber: "VG11000001", InvoiceDate: invoiceDate}))
	download := func(changes env, name string, more ...string) result {
		return b.runWith(changes, pdfArgs(append([]string{"--out", filepath.Join(dir, name)}, more...)...)...)
	}
	began := time.Now()
	if r := download(nil, "1.pdf"); r.code != 0 {
		t.Fatalf("got %d and %s", r.code, r.stderr)
	}
	if r := download(nil, "2.pdf", "--timeout", "1s"); r.code != 1 || !strings.Contains(r.stderr, "its turn comes later") {
		t.Errorf("at once after it: got %d and %s", r.code, r.stderr)
	}
	if r := download(env{"ECPAYQ_ECPAY_URL": elsewhere.web.URL}, "3.pdf", "--timeout", "1s", "--egress", "another"); r.code != 0 {
		t.Errorf("from another address: got %d and %s", r.code, r.stderr)
	}
	if r := download(nil, "4.pdf"); r.code != 0 {
		t.Errorf("when it waits: got %d and %s", r.code, r.stderr)
	}
	// The first was permitted after this test began, and the second a window after that.
	if calls := b.fake.Calls(); len(calls) != 2 || calls[1].At.Sub(began) < ecpay.PDFWindow {
		t.Errorf("began at %s and got calls %+v, want two, %s apart", began, calls, ecpay.PDFWindow)
	}
	if n := len(elsewhere.fake.Calls()); n != 1 {
		t.Errorf("%d calls from another address, want 1", n)
	}
	if listed := b.run("merchant", "list"); strings.Contains(listed.stdout, "pdf-of") {
		t.Errorf("the address is listed as a merchant: %s", listed.stdout)
	}
}
