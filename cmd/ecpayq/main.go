// Command ecpayq enqueues ECPay e-invoice intents, carries them to ECPay, and
// shows what became of them.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker, and commit where the build has no checkout to read it from.
var (
	version = "dev"
	commit  = ""
)

func main() {
	// Only here are signals known: everything below ends with its context.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	code := run(ctx, os.Args, streams{os.Stdin, os.Stdout, os.Stderr, os.LookupEnv, reload})
	stop()
	os.Exit(code)
}
