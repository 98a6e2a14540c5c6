package webhook_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/internal/webhook"
)

// output is where logs go.
type output struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.String()
}

// dump is all that Redis has.
func (b *bench) dump() string {
	b.Helper()
	var text strings.Builder
	ctx := b.Context()
	keys, err := b.rdb.Keys(ctx, "*").Result()
	b.must(err)
	for _, k := range keys {
		var v any
		switch b.rdb.Type(ctx, k).Val() {
		case "string":
			v = b.rdb.Get(ctx, k).Val()
		case "hash":
			v = b.rdb.HGetAll(ctx, k).Val()
		case "list":
			v = b.rdb.LRange(ctx, k, 0, -1).Val()
		case "set":
			v = b.rdb.SMembers(ctx, k).Val()
		case "zset":
			v = b.rdb.ZRangeWithScores(ctx, k, 0, -1).Val()
		case "stream":
			v = b.rdb.XRange(ctx, k, "-", "+").Val()
		default:
			b.Fatalf("%s is a %s", k, b.rdb.Type(ctx, k).Val())
		}
		fmt.Fprintf(&text, "%s\n%v\n", k, v)
	}
	return text.String()
}

// failsInAllWays tells what nobody may read, each time otherwise.
func failsInAllWays(t *testing.T, requests *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.String() != hiddenPath {
			t.Errorf("got %s", r.URL)
		}
		n := requests.Add(1)
		w.Header().Set("X-Answer", "hidden-answer")
		switch n % 6 {
		case 0:
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, "hidden-answer")
		case 1:
			w.Header().Set("Location", r.URL.String())
			w.WriteHeader(http.StatusFound)
		case 2:
			w.Header().Set("Location", "https://[hidden-answer"+r.URL.String())
			w.WriteHeader(http.StatusFound)
		case 3:
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				fmt.Fprintf(c, "POST %s HTTP/1.1\r\n\r\n", r.URL)
				c.Close()
			}
		case 4:
			panic(http.ErrAbortHandler)
		case 5:
			w.WriteHeader(http.StatusGone)
		}
	}
}

// wordsOf are those of a secret that nobody may read, and those of an address and an answer.
func wordsOf(key string) []string {
	raw := []byte(key)
	return []string{
		key, base64.StdEncoding.EncodeToString(raw), "whsec_", hex.EncodeToString(raw), "hidden-path", "hidden-query", "hidden-answer",
	}
}

// secretEndpoints are some whose secret and address nobody may read, each of which fails otherwise.
func (b *bench) secretEndpoints(plain, tls, encoded string) []webhook.Endpoint {
	b.Helper()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	var list []webhook.Endpoint
	for i, at := range []string{plain, tls, closed.URL, "https://shop.invalid", strings.Replace(tls, "127.0.0.1", "localhost", 1)} {
		e := endpointAt(b, at+hiddenPath, true)
		e.Name, e.AllowPrivate = fmt.Sprintf("e%d", i), i != 4
		k, err := webhook.ParseKey("whsec_" + encoded)
		b.must(err)
		e.Secrets = []webhook.Key{k}
		list = append(list, e)
	}
	// That these are where they should be.
	if u := list[0].URL.String(); !strings.Contains(u, "hidden-path") || !strings.Contains(u, "hidden-query") {
		b.Fatalf("the address is %s", u)
	}
	return list
}

func TestNeitherSecretsNorAddressesAreToldToAnybody(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const key = "n0b0dyMayReadThisSecretOfAShop-01" // of 33 bytes
	encoded := base64.StdEncoding.EncodeToString([]byte(key))
	hidden := wordsOf(key)
	var requests atomic.Int64
	answers := failsInAllWays(t, &requests)
	plain, tls := httptest.NewServer(answers), httptest.NewUnstartedServer(answers)
	tls.Config.ErrorLog = log.New(io.Discard, "", 0)
	tls.StartTLS()
	defer plain.Close()
	defer tls.Close()
	list := b.secretEndpoints(plain.URL, tls.URL, encoded)
	// That what Redis has would be found.
	b.must(b.rdb.Set(t.Context(), "proof", "whsec_"+encoded+hiddenPath, 0).Err())
	for _, h := range []string{encoded, "whsec_", "hidden-path", "hidden-query"} {
		if !strings.Contains(b.dump(), h) {
			t.Fatalf("%s would not be found", h)
		}
	}
	b.must(b.rdb.Del(t.Context(), "proof").Err())

	var logs output
	s := webhook.New(webhook.Config{
		Redis: b.rdb, Logger: zerolog.New(&logs).Level(zerolog.DebugLevel), Agent: "test",
		Observe: func(_ string, a webhook.Answer) {
			for _, h := range hidden {
				if strings.Contains(a.Text, h) {
					t.Errorf("%q holds %s", a.Text, h)
				}
			}
		},
	})
	b.Cleanup(s.Stop)
	b.must(s.Set(list))
	for _, e := range list {
		b.adopted(e)
	}
	for i := range 24 {
		b.ends(shop, fmt.Sprintf("T%d", i), "done")
	}
	b.eventually("each has failed, and one has in all ways", func() bool {
		for _, e := range list {
			if b.status(e).LastAt == nil {
				return false
			}
		}
		if b.status(list[0]).State == webhook.StateDisabled && requests.Load() < 18 {
			b.enable(list[0])
		}
		return requests.Load() >= 18
	})
	s.Stop()
	told := map[string]string{"the log": logs.String(), "redis": b.dump()}
	for _, e := range list {
		told["the state of "+e.Name] = fmt.Sprintf("%+v", b.status(e))
	}
	told["the keys in a log"] = fmt.Sprintf("%v %+v %#v", list[0].Secrets, list[0].Secrets, list[0].Secrets)
	for where, text := range told {
		if text == "" {
			t.Errorf("%s is empty", where)
		}
		for _, h := range hidden {
			if i := strings.Index(text, h); i >= 0 {
				t.Errorf("%s holds %s: …%s…", where, h, text[max(0, i-200):min(len(text), i+100)])
			}
		}
	}
	for _, word := range []string{`"e0"`, `"e4"`, "not delivered", "is disabled"} {
		if !strings.Contains(logs.String(), word) {
			t.Errorf("the log has no %s", word)
		}
	}
	if !strings.Contains(told["redis"], "b2c.trigger_issue") || !strings.Contains(told["redis"], "last_text") {
		t.Error("not all of redis was read")
	}
}
