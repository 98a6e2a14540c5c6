package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/ask"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// outFlag names the file that a PDF becomes. It never goes to stdout, which is for data that is shown.
func outFlag() cli.Flag {
	return &cli.StringFlag{Name: "out", Usage: "file to write the PDF to, by its owner alone to be read; it must not be there yet"}
}

// checkOut looks at the file of --out before ECPay is asked.
func checkOut(name string) error {
	_, err := os.Lstat(name)
	switch {
	case name == "" || name == "-":
		return usageError{errors.New("--out must name a file: a PDF is not written to the standard output")}
	case err == nil:
		return &config.Hint{
			Err: fmt.Errorf("%s is there already", quoted(name)), Text: "nothing was asked; give another --out, or move that file",
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

// pdfTurn waits for the turn of the address, which ECPay wants to ask for few PDFs, whatever their merchants. It is paced as a
// merchant of its own is. One in a window, rather than two, leaves room for requests that are long on their way.
func (a *asker) pdfTurn(ctx context.Context, egress string) (over func(), whyNot string) {
	q := gate.Question{MerchantID: "pdf-of-" + egress, Token: a.Token(),
		Interval: ecpay.PDFWindow, InFlight: 1, Life: ask.FileTimeout + time.Second}
	if why := a.Turn(ctx, q); why != "" {
		return nil, why
	}
	return func() { _ = a.questions.Over(context.WithoutCancel(ctx), q, 0, "") }, "" // its life ends by itself, too
}

// savedPDF is what is printed of a PDF.
type savedPDF struct {
	Operation string     `json:"operation"`
	Kind      ecpay.Kind `json:"kind"`
	File      string     `json:"file"`
	Bytes     int        `json:"bytes"`
}

// printPDF writes the file, and says so.
func (p *program) printPDF(c *cli.Command, req ecpay.Request, pdf []byte) error {
	name := c.String("out")
	if err := save(name, pdf); err != nil {
		return &config.Hint{Err: err, Text: "the invoice was not written; asking again is safe"}
	}
	saved := savedPDF{req.Operation().String(), ecpay.OK, name, len(pdf)}
	if !p.wantsTable(c) {
		return p.printJSON(saved)
	}
	p.printTable(nil, []table.Row{{"operation", saved.Operation}, {"kind", saved.Kind.String()}, {"file", saved.File}, {"bytes", saved.Bytes}})
	return nil
}

// save writes a PDF to a file that is not there yet, and leaves none that is not whole.
func save(name string, pdf []byte) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return config.FileError(err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(name)
		}
	}()
	if _, err := f.Write(pdf); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
