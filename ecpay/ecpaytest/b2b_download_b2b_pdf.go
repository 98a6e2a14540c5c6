package ecpaytest

import (
	"fmt"
	"net"
	"net/http"
	"time"
)

var opB2BDownloadB2BPdf = endpoint(operation{
	name: "DownloadB2BPdf", category: "B2B", subject: []string{"InvoiceNo"},
	run:     (*Server).b2bDownloadB2BPdf,
	another: func(o *another) { o.invoice = invoiceOfToday() },
})

// b2bDownloadB2BPdf is B2B DownloadB2BPdf. Documented: its fields, that success is a PDF, and RtnCode 0 for a purchase, in an example.
// That an unknown number and a voided invoice are answered as by InvoicePrint is our choice.
func (s *Server) b2bDownloadB2BPdf(r request) answer {
	i, category, a := s.printed(r)
	switch {
	case i == nil:
		return a
	case category == 1:
		return answer{code: CodeNoPDF}
	}
	return answer{code: CodeOK, pdf: fmt.Appendf(nil, "%%PDF-1.4\n%% invoice %s\ntrailer<</Root<</Pages<<>>>>>>\n%%%%EOF\n", i.InvoiceNumber)}
}

// pdfWindow is the time in which two calls of DownloadB2BPdf are taken from one address (documented).
const pdfWindow = 10 * time.Second

// tooManyPDFs reports whether a request is the third of DownloadB2BPdf that an address sent within the window, by the server's
// clock. That it is refused as a ban is, and that it alone is, is our choice.
func (s *Server) tooManyPDFs(r *http.Request, op *operation) bool {
	if op.id() != opB2BDownloadB2BPdf.id() {
		return false
	}
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr // of a test without a network
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now, last := s.now(), s.pdfs[address]
	s.pdfs[address] = [2]time.Time{last[1], now}
	return now.Sub(last[0]) < pdfWindow
}

// pdf writes a file as the answer.
func (s *Server) pdf(w http.ResponseWriter, x *exchange, f Fault, file []byte) {
	w.Header().Set("Content-Disposition", `attachment; filename="invoice.pdf"`)
	s.write(w, x, f, http.StatusOK, "application/pdf", file)
}
