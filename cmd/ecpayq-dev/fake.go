package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/internal/web"
)

// maxConnections bounds those of the fake.
const maxConnections = 4096

func fakeCommand(errw io.Writer) *cli.Command {
	return &cli.Command{
		Name: "fake", Usage: "serve the fake ECPay alone",
		Description: "It accepts the public stage merchant: MerchantID " + ecpaytest.StageMerchantID +
			", HashKey " + ecpaytest.StageHashKey + ", HashIV " + ecpaytest.StageHashIV +
			".\nPOST /_fake/stage puts invoices there, GET /_fake/calls and /_fake/effects show what happened;\nsee ecpay/ecpaytest/README.md.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "addr", Value: "127.0.0.1:8990", Usage: "loopback address to listen on"},
			&config.DurationFlag{Name: "min-interval", Usage: "answer HTTP 403 to a merchant that calls more often than this"},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			f, err := startFake(c.String("addr"), ecpaytest.Config{MinInterval: c.Duration("min-interval"), Callback: callback(errw)})
			if err != nil {
				return err
			}
			fmt.Fprintf(errw, "fake ECPay on %s\n", f.URL())
			<-ctx.Done()
			return f.Stop()
		},
	}
}

// callback sends what ECPay sends to a NotifyURL, and says what became of it where that is not 1|OK.
func callback(errw io.Writer) func(ecpaytest.Callback) {
	return func(c ecpaytest.Callback) {
		if err := ecpaytest.PostCallback(context.Background(), c); err != nil {
			fmt.Fprintln(errw, err)
		}
	}
}

// fake is a fake ECPay that listens.
type fake struct {
	*ecpaytest.Server
	addr   string
	server *http.Server
}

func startFake(addr string, cfg ecpaytest.Config) (*fake, error) {
	host, _, err := net.SplitHostPort(addr)
	if ip, perr := netip.ParseAddr(host); err != nil || host != "localhost" && (perr != nil || !ip.IsLoopback()) {
		return nil, usageError{fmt.Errorf("--addr is %q; the fake listens on loopback addresses only, like 127.0.0.1:8990", addr)}
	}
	ln, err := web.Listen(addr, maxConnections)
	if err != nil {
		return nil, err
	}
	f := &fake{Server: ecpaytest.New(cfg), addr: ln.Addr().String()}
	mux := http.NewServeMux()
	mux.Handle("/", f.Server)
	mux.Handle("/_fake/", f.Control())
	f.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := f.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			panic(err) // a try-it program: nothing works without it
		}
	}()
	return f, nil
}

// URL is where it is.
func (f *fake) URL() string { return "http://" + f.addr }

// Stop ends it.
func (f *fake) Stop() error {
	f.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return f.server.Shutdown(ctx)
}
