package bench

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestTheOwnPartIsTheTimeInTheHandlerWithoutRedis(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		call := waits{}.ProcessHook(func(context.Context, redis.Cmder) error {
			time.Sleep(30 * time.Millisecond)
			return nil
		})
		pipeline := waits{}.ProcessPipelineHook(func(context.Context, []redis.Cmder) error {
			time.Sleep(20 * time.Millisecond)
			return nil
		})
		var own ownPart
		h := own.around(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			time.Sleep(5 * time.Millisecond)
			ctx := context.WithoutCancel(r.Context())
			if err := call(ctx, nil); err != nil {
				t.Error(err)
			}
			if err := pipeline(ctx, nil); err != nil {
				t.Error(err)
			}
			time.Sleep(2 * time.Millisecond)
		}))
		for _, path := range []string{"/v1/intents", "/v1/intents", "/v1/tasks"} {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, path, nil))
		}
		if got, want := own.summary(), (ownSummary{Requests: 2, P50: 7, P99: 7}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if err := call(t.Context(), nil); err != nil { // of no request
			t.Error(err)
		}
	})
}

// Were the hook not in the way of the calls, all of a request would seem to be the API's own.
func TestRequestsWithoutACallToRedisAreNoMeasurement(t *testing.T) {
	t.Parallel()
	var own ownPart
	s := httptest.NewServer(own.around(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	defer s.Close()
	resp, err := http.Post(s.URL+"/v1/intents", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if _, err := askOwn(t.Context(), s.URL, 1); err == nil || !strings.Contains(err.Error(), "1 of them without Redis") {
		t.Errorf("got %v", err)
	}
}
