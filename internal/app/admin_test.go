package app

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

func TestAProbeSaysWhatIsWrongAndOnlyItsOwn(t *testing.T) {
	t.Parallel()
	var live, ready error
	a, err := startAdmin("127.0.0.1:0", adminConns, prometheus.NewRegistry(),
		func() error { return live }, func(context.Context) error { return ready }, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.stop() })
	get := func(path string) string {
		t.Helper()
		resp, err := http.Get("http://" + a.addr + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.Status + " " + string(body)
	}
	for _, row := range []struct {
		live, ready         error
		wantLive, wantReady string
	}{
		{nil, nil, "200 OK ok\n", "200 OK ok\n"},
		{nil, errors.New("draining"), "200 OK ok\n", "503 Service Unavailable draining\n"},
		{errors.New("stuck"), nil, "503 Service Unavailable stuck\n", "200 OK ok\n"},
	} {
		live, ready = row.live, row.ready
		if gotLive, gotReady := get("/livez"), get("/readyz"); gotLive != row.wantLive || gotReady != row.wantReady {
			t.Errorf("live %v, ready %v: got %q and %q", row.live, row.ready, gotLive, gotReady)
		}
	}
}

func TestAWorkerThatHasNotBegunIsLiveAndNotReady(t *testing.T) {
	t.Parallel()
	w := &Worker{}
	if err := w.live(); err != nil {
		t.Errorf("live: %v", err)
	}
	if err := w.ready(nil)(t.Context()); err == nil || err.Error() != "starting" {
		t.Errorf("ready: %v, want that it is starting", err)
	}
	w.draining.Store(true)
	if err := w.ready(nil)(t.Context()); err == nil || err.Error() != "draining" {
		t.Errorf("ready: %v, want that it is draining", err)
	}
}
