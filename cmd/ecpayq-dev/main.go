// Command ecpayq-dev is for trying ecpayq out: it embeds Redis and a fake ECPay.
// It is never shipped.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v3"
)

var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

type usageError struct{ error }

func run(ctx context.Context, args []string, out, errw io.Writer) int {
	onUsage := func(_ context.Context, _ *cli.Command, err error, _ bool) error { return usageError{err} }
	up := upCommand(out, errw)
	root := &cli.Command{
		Name: "ecpayq-dev", Usage: "try ecpayq out: embedded Redis, fake ECPay, guided tour", Version: version,
		Writer: out, ErrWriter: errw,
		Commands:       []*cli.Command{up, fakeCommand(errw), benchCommand(out, errw), benchPartCommand(out)},
		DefaultCommand: "up",
		OnUsageError:   onUsage,
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
	}
	for _, c := range root.Commands {
		c.OnUsageError = onUsage
	}
	err := root.Run(ctx, args)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(errw, "ecpayq-dev: error: %s\nhint: ecpayq-dev help lists commands and flags\n", err)
		return 2
	default:
		fmt.Fprintf(errw, "ecpayq-dev: error: %s\n", err)
		return 1
	}
}
