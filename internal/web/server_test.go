package web

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func serve(t *testing.T, h http.Handler, limit time.Duration, connections int) (addr string) {
	t.Helper()
	ln, err := Listen("127.0.0.1:0", connections)
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(h, limit)
	go func() { _ = s.Serve(ln) }()
	t.Cleanup(func() { _ = s.Close() })
	return ln.Addr().String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestAResponseThatNobodyReadsEndsAndOneThatTakesLongToMakeDoesNot(t *testing.T) {
	t.Parallel()
	const limit = 200 * time.Millisecond
	ended := make(chan error, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		chunk := bytes.Repeat([]byte("x"), 1<<20)
		for range 1000 {
			if _, err := w.Write(chunk); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	})
	mux.HandleFunc("/late", func(w http.ResponseWriter, r *http.Request) {
		timer := time.NewTimer(3 * limit)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
		}
		fmt.Fprint(w, "here it is")
	})
	addr := serve(t, mux, limit, 10)
	fmt.Fprintf(dial(t, addr), "GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
	select {
	case err := <-ended:
		if err == nil {
			t.Error("1,000 MiB were written to somebody who reads nothing")
		}
	case <-time.After(20 * time.Second):
		t.Error("the response did not end")
	}
	// The time counts from the first byte on, and anew for each response of a connection.
	c := http.Client{}
	for range 2 {
		resp, err := c.Get("http://" + addr + "/late")
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "here it is" {
			t.Errorf("got %q and %v", body, err)
		}
		resp.Body.Close()
	}
}

func TestEveryWaitOfAServerHasAnEnd(t *testing.T) {
	t.Parallel()
	s := NewServer(http.NotFoundHandler(), WriteLimit)
	for name, d := range map[string]time.Duration{"header": s.ReadHeaderTimeout,
		"request": s.ReadTimeout, "answer": s.WriteTimeout, "idle": s.IdleTimeout} {
		if d <= 0 || d > 2*time.Minute {
			t.Errorf("%s: %s, want an end within two minutes", name, d)
		}
	}
	if s.MaxHeaderBytes <= 0 || s.HTTP2.MaxConcurrentStreams <= 0 {
		t.Errorf("headers of %d bytes, %d streams: want bounds", s.MaxHeaderBytes, s.HTTP2.MaxConcurrentStreams)
	}
}

func TestMoreConnectionsThanThereIsRoomForWaitForOneThatEnds(t *testing.T) {
	t.Parallel()
	addr := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }), WriteLimit, 2)
	idle := []net.Conn{dial(t, addr), dial(t, addr)}
	answered := make(chan error, 1)
	go func() {
		resp, err := http.Get("http://" + addr)
		if err == nil {
			err = resp.Body.Close()
		}
		answered <- err
	}()
	idle[0].Close()
	select {
	case err := <-answered:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("no answer after a connection has ended")
	}
}

func TestWhatABrowserSendsForAnotherSiteIsTold(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		headers map[string]string
		cross   bool
		link    bool
	}{
		"no browser":   {nil, false, false},
		"its own page": {map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "http://rewritten.example"}, false, false},
		"the address bar": {map[string]string{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
			false, true},
		"another site's link": {map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
			true, true},
		"another site's frame": {map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
			true, false},
		"another site's image": {map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
			true, false},
		"another port's script":  {map[string]string{"Sec-Fetch-Site": "same-site"}, true, false},
		"a word of tomorrow":     {map[string]string{"Sec-Fetch-Site": "some-site"}, true, false},
		"old, its own page":      {map[string]string{"Origin": "http://127.0.0.1:8980"}, false, false},
		"old, another port":      {map[string]string{"Origin": "http://127.0.0.1:1"}, true, false},
		"old, a sandboxed frame": {map[string]string{"Origin": "null"}, true, false},
		"old, nonsense":          {map[string]string{"Origin": "http://[::1"}, true, false},
	} {
		r := httptest.NewRequest("GET", "http://127.0.0.1:8980/", nil)
		for k, v := range row.headers {
			r.Header.Set(k, v)
		}
		if CrossSite(r) != row.cross || FollowedLink(r) != row.link {
			t.Errorf("%s: got cross-site %v and a link %v, want %v and %v", name, CrossSite(r), FollowedLink(r), row.cross, row.link)
		}
		rec := httptest.NewRecorder()
		SameSiteOnly(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {})).ServeHTTP(rec, r)
		if (rec.Code == http.StatusForbidden) != row.cross {
			t.Errorf("%s: got status %d", name, rec.Code)
		}
	}
}
