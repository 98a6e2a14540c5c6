package ecpay

import (
	"bytes"
	"context"
	"fmt"
	"mime"
	"net/http"
	"time"
)

var opB2BDownloadB2BPdf = Operation{
	Name: "DownloadB2BPdf", Category: B2B,
	Success:     []int64{1},
	pdf:         true,
	newRequest:  func() Request { return new(B2BDownloadB2BPdfRequest) },
	newResponse: func() Response { return new(B2BDownloadB2BPdfResponse) },
}

const (
	// MaxPDFBytes bounds what is read of a PDF.
	MaxPDFBytes = 16 << 20
	// PDFWindow is the time in which ECPay takes [PDFsInWindow] calls of DownloadB2BPdf from one address,
	// whatever their merchants: the one rate that it publishes (developers.ecpay.com.tw ?p=53383).
	PDFWindow    = 10 * time.Second
	PDFsInWindow = 2
)

// B2BDownloadB2BPdfRequest downloads an invoice as a PDF (developers.ecpay.com.tw ?p=53383; archive
// mode ?p=52123), those that the merchant issued: of one that it received ECPay's page has a refusal as
// its example. It changes nothing and may be repeated, as often as [PDFWindow] says: a [Client] waits
// before a call that would be one too many of its own, but knows of no other process.
type B2BDownloadB2BPdfRequest struct{ B2BPrint }

// Operation implements [Request].
func (*B2BDownloadB2BPdfRequest) Operation() Operation { return opB2BDownloadB2BPdf }

// Validate implements [Request].
func (r *B2BDownloadB2BPdfRequest) Validate() error { return r.validate(opB2BDownloadB2BPdf) }

// B2BDownloadB2BPdf downloads an invoice as a PDF.
func (c *Client) B2BDownloadB2BPdf(
	ctx context.Context, m *Merchant, r *B2BDownloadB2BPdfRequest,
) (*B2BDownloadB2BPdfResponse, error) {
	return call[B2BDownloadB2BPdfResponse](ctx, c, m, r)
}

// B2BDownloadB2BPdfResponse has the file. ECPay sends no RtnCode with it; it is 1 here.
type B2BDownloadB2BPdfResponse struct {
	RtnStatus
	// PDF has at most [MaxPDFBytes] bytes.
	PDF []byte `json:"-"`
}

var errNoPDF = fmt.Errorf("%w: no whole PDF in the answer", ErrUnreadable)

// isPDF reports whether the answer says that it is one.
func (x *exchange) isPDF() bool {
	media, _, _ := mime.ParseMediaType(x.header.Get("Content-Type"))
	return x.status == http.StatusOK && media == "application/pdf"
}

// readPDF looks for the beginning and the end that every PDF has: one that was cut off lacks the latter.
func readPDF(body []byte) (*B2BDownloadB2BPdfResponse, error) {
	if tail := body[max(0, len(body)-1024):]; !bytes.HasPrefix(body, []byte("%PDF-")) || !bytes.Contains(tail, []byte("%%EOF")) {
		return nil, errNoPDF
	}
	return &B2BDownloadB2BPdfResponse{RtnStatus: RtnStatus{RtnCode: 1}, PDF: body}, nil
}

// awaitPDF waits until a call of DownloadB2BPdf may be sent. The returned func is to be called when it
// was answered: only then is it known to have reached ECPay, and the window begins.
func (c *Client) awaitPDF(ctx context.Context, op Operation) (func(), error) {
	if !op.pdf {
		return func() {}, nil
	}
	select {
	case c.pdfs <- struct{}{}:
		return func() { time.AfterFunc(c.pdfWindow, func() { <-c.pdfs }) }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
