package worker

import (
	"strings"
	"testing"
	"time"
)

func TestAWorkerWhoseServersAskForNothingIsNotAlive(t *testing.T) {
	t.Parallel()
	silence := time.Duration(0)
	w := &Worker{silent: func() time.Duration { return silence }}
	if err := w.Alive(); err != nil {
		t.Errorf("before the start: %v", err)
	}
	silence = longestSilence
	if err := w.Alive(); err != nil {
		t.Errorf("after %s: %v", silence, err)
	}
	silence += time.Minute
	if err := w.Alive(); err == nil || !strings.Contains(err.Error(), "16m") {
		t.Errorf("got %v, want that nobody has asked for 16 minutes", err)
	}
	// Stop holds the worker's lock as long as attempts take: a probe must not wait.
	w.mu.Lock()
	defer w.mu.Unlock()
	answered := make(chan struct{})
	go func() {
		_ = w.Alive()
		close(answered)
	}()
	select {
	case <-answered:
	case <-time.After(30 * time.Second):
		t.Error("while it stops: no answer")
	}
}
