package asynqx

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecpayq/ecpayq/internal/redistest"
)

func TestWithPayloadChangesNothingElse(t *testing.T) {
	t.Parallel()
	rdb := redistest.New(t, redistest.Options{AppendFsync: "no"}).Client()
	spec := Spec{
		Type: "b2c:issue", Queue: "issue", ID: "x", Payload: []byte(`{"a":"王"}`), Headers: map[string]string{"v": "1", "n": "N"},
		Retention: time.Hour, ProcessAt: time.Now().Add(time.Hour),
	}
	if _, err := NewClient(rdb).Enqueue(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	key := TaskKey("issue", "x")
	msg, err := rdb.HGet(t.Context(), key, "msg").Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for _, payload := range []string{`{"b":1}`, "", string(make([]byte, 70_000))} {
		again, err := WithPayload(msg, []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		if err := rdb.HSet(t.Context(), key, "msg", again).Err(); err != nil {
			t.Fatal(err)
		}
		got, err := NewInspector(rdb).Task(t.Context(), "issue", "x")
		if err != nil {
			t.Fatal(err)
		}
		if string(got.Payload) != payload || got.State != Scheduled || got.ID != "x" || got.Type != spec.Type || got.MaxRetry != MaxRetry {
			t.Errorf("got %+v", got)
		}
		if diff := cmp.Diff(spec.Headers, got.Headers); diff != "" {
			t.Errorf("headers (-want +got):\n%s", diff)
		}
		msg = again
	}
	for _, broken := range [][]byte{nil, {0xff}, msg[:20]} {
		if b, err := WithPayload(broken, []byte("x")); !errors.Is(err, ErrUnreadable) {
			t.Errorf("%x: got %x and the error %v", broken, b, err)
		}
	}
}
