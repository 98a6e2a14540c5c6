package dashboard

import (
	"context"
	"errors"
	"testing"
)

func TestNobodyTakesEverySlotOfARoom(t *testing.T) {
	t.Parallel()
	r := newRoom(3, 0, 2, 1, 2)
	enter := func(who string) func() {
		t.Helper()
		leave, err := r.enter(t.Context(), who, true)
		if err != nil {
			t.Fatalf("%s: %v", who, err)
		}
		return leave
	}
	leave := []func(){enter("slow"), enter("slow")}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.enter(gone, "slow", true); !errors.Is(err, context.Canceled) {
		t.Errorf("a third of one client: got error %v, want that it waits", err)
	}
	leave = append(leave, enter("quick"))     // the last slot is for others
	if _, err := r.join("slow"); err != nil { // one that waits
		t.Error(err)
	}
	if _, err := r.enter(t.Context(), "slow", true); !errors.Is(err, errFull) {
		t.Errorf("a fourth of one client: got error %v, want that it is refused", err)
	}
	r.part("slow")
	leave[0]()
	enter("slow")()
	leave[1]()
	leave[2]()
	if r.inside != 0 || len(r.clients) != 0 || len(r.slots) != 0 {
		t.Errorf("left behind: %d inside, %d clients, %d slots", r.inside, len(r.clients), len(r.slots))
	}
}
