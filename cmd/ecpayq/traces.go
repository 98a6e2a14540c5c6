package main

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/ecpayq/ecpayq/worker"
	"github.com/ecpayq/ecpayq/worker/tracing"
)

// traces opens the export of traces when it is first wanted. A collector that is
// away keeps nothing from being done: it is worth a complaint.
type traces struct {
	env      func(string) (string, bool)
	complain func(error)
	provider *sdk.TracerProvider
}

// newTraces complains once.
func newTraces(s streams) *traces {
	var once sync.Once
	return &traces{env: s.env, complain: func(err error) {
		once.Do(func() { sayLines(s.err, "ecpayq: traces are not exported: "+err.Error()) })
	}}
}

// complainTo lets a process that stays complain to its log.
func (t *traces) complainTo(log zerolog.Logger) *traces {
	quiet := log.With().Str("component", "traces").Logger().Hook(worker.QuietHook())
	t.complain = func(err error) { quiet.Warn().Err(err).Msg("traces are not exported") }
	return t
}

// open returns nil unless the OTEL_* variables ask for traces.
func (t *traces) open(ctx context.Context) (trace.TracerProvider, error) {
	wanted, err := tracing.Wanted(t.env)
	if err != nil {
		return nil, usageError{err}
	}
	if !wanted {
		return nil, nil
	}
	if t.provider == nil {
		tracing.UseLogger(t.complain)
		if t.provider, err = tracing.Export(ctx, version); err != nil {
			return nil, err
		}
	}
	return t.provider, nil
}

// flushTime is how long a command waits at its end for a collector that is away.
const flushTime = 3 * time.Second

// flush sends what is left.
func (t *traces) flush(ctx context.Context) {
	if t.provider == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.complain(err)
	}
	t.provider = nil
}
