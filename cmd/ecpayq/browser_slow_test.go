//go:build slow

package main_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// browser is a headless Chromium, spoken to by its DevTools protocol over a pipe:
// lines of JSON that end with a zero byte.
type browser struct {
	t  *testing.T
	to io.Writer

	mu      sync.Mutex
	id      int
	waiting map[int]chan message
	tabs    map[string]*tab
	ended   error
}

type message struct {
	ID        int             `json:"id"`
	SessionID string          `json:"sessionId"`
	Method    string          `json:"method"`
	Params    json.RawMessage `json:"params"`
	Result    json.RawMessage `json:"result"`
	Error     *struct{ Message string }
}

// startBrowser starts one that is ended with the test. It reaches this machine only.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Fatal("no Chromium on PATH: make slow installs it")
	}
	fromUs, toThem, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fromThem, toUs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--headless=new", "--no-sandbox", "--disable-gpu",
		"--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
		"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost", "--user-data-dir="+filepath.Join(t.TempDir(), "profile"))
	cmd.ExtraFiles = []*os.File{fromUs, toUs} // its descriptors 3 and 4
	said := newLines()
	cmd.Stderr = said
	cmd.SysProcAttr = childAttr()
	b := &browser{t: t, to: toThem, waiting: map[int]chan message{}, tabs: map[string]*tab{}}
	done := make(chan struct{})
	started := make(chan error)
	go func() { // as startReading does it
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(done)
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	_ = fromUs.Close()
	_ = toUs.Close()
	go b.read(fromThem)
	t.Cleanup(func() {
		_, _ = b.call("", "Browser.close", nil)
		_ = cmd.Process.Kill()
		<-done
		_ = toThem.Close()
		_ = fromThem.Close()
		if t.Failed() {
			t.Logf("stderr of the browser:\n%s", tail(said.String(), 4<<10))
		}
	})
	return b
}

func (b *browser) read(r io.Reader) {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes(0)
		if err != nil {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.ended = errors.New("the browser has ended")
			for _, ch := range b.waiting {
				close(ch)
			}
			b.waiting = nil
			return
		}
		var m message
		if json.Unmarshal(line[:len(line)-1], &m) != nil {
			continue
		}
		b.mu.Lock()
		if ch, ok := b.waiting[m.ID]; ok && m.ID != 0 {
			delete(b.waiting, m.ID)
			ch <- m
		} else if tab := b.tabs[m.SessionID]; tab != nil {
			tab.events = append(tab.events, m)
		}
		b.mu.Unlock()
	}
}

// call sends a command and returns its result.
func (b *browser) call(session, method string, params any) (json.RawMessage, error) {
	b.mu.Lock()
	if b.ended != nil {
		b.mu.Unlock()
		return nil, b.ended
	}
	b.id++
	ch := make(chan message, 1)
	b.waiting[b.id] = ch
	cmd := map[string]any{"id": b.id, "method": method}
	if params != nil {
		cmd["params"] = params
	}
	if session != "" {
		cmd["sessionId"] = session
	}
	line, err := json.Marshal(cmd)
	if err == nil {
		_, err = b.to.Write(append(line, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return nil, err
	}
	m, ok := <-ch
	switch {
	case !ok:
		return nil, errors.New("the browser has ended")
	case m.Error != nil:
		return nil, fmt.Errorf("%s: %s", method, m.Error.Message)
	}
	return m.Result, nil
}

// tab is a window with cookies of its own.
type tab struct {
	*browser
	session string
	width   int // of its window
	events  []message
}

func (b *browser) tab(language string, width, height int) *tab {
	b.t.Helper()
	var context struct{ BrowserContextID string }
	b.must("", "Target.createBrowserContext", nil, &context)
	var target struct{ TargetID string }
	b.must("", "Target.createTarget", map[string]any{"url": "about:blank", "browserContextId": context.BrowserContextID}, &target)
	var attached struct{ SessionID string }
	b.must("", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	t := &tab{browser: b, session: attached.SessionID}
	b.mu.Lock()
	b.tabs[t.session] = t
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		t.do(domain+".enable", nil)
	}
	t.do("Network.setExtraHTTPHeaders", map[string]any{"headers": map[string]string{"Accept-Language": language}})
	t.size(width, height)
	return t
}

func (b *browser) must(session, method string, params, result any) {
	b.t.Helper()
	r, err := b.call(session, method, params)
	if err == nil && result != nil {
		err = json.Unmarshal(r, result)
	}
	if err != nil {
		b.t.Fatalf("browser: %v", err)
	}
}

func (t *tab) do(method string, params any) {
	t.t.Helper()
	t.must(t.session, method, params, nil)
}

func (t *tab) size(width, height int) {
	t.t.Helper()
	t.width = width
	t.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
}

// eval evaluates an expression, and the promise that it may be. ok is false when the
// page was changing.
func (t *tab) eval(js string) (value any, ok bool) {
	t.t.Helper()
	r, err := t.call(t.session, "Runtime.evaluate", map[string]any{"expression": js, "returnByValue": true, "awaitPromise": true})
	if err != nil {
		return nil, false
	}
	var out struct {
		Result           struct{ Value any }
		ExceptionDetails any
	}
	if err := json.Unmarshal(r, &out); err != nil {
		t.t.Fatal(err)
	}
	return out.Result.Value, out.ExceptionDetails == nil
}

// until waits until an expression is true, and shows the page when it does not come.
func (t *tab) until(what, js string) {
	t.t.Helper()
	defer func() {
		t.t.Helper()
		if t.t.Failed() {
			t.t.Logf("the page:\n%s", t.text())
		}
	}()
	eventually(t.t, what, func() bool {
		v, ok := t.eval("Boolean(" + js + ")")
		return ok && v == true
	})
}

func (t *tab) text() string {
	v, _ := t.eval("document.title + '\\n' + location.href + '\\n' + (document.body ? document.body.innerText : '')")
	s, _ := v.(string)
	return s
}

func (t *tab) html() string {
	v, _ := t.eval("document.documentElement.outerHTML")
	s, _ := v.(string)
	return s
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// open goes to an address and waits until the page is there.
func (t *tab) open(url string) {
	t.t.Helper()
	t.do("Page.navigate", map[string]any{"url": url})
	t.until(url+" is loaded", "document.readyState === 'complete' && location.href !== 'about:blank'")
}

// shows waits for a text.
func (t *tab) shows(text string) {
	t.t.Helper()
	t.until("the page shows "+text, "document.readyState === 'complete' && document.body.innerText.includes("+quote(text)+")")
}

// point moves the mouse to an element, which is where a person's would be.
func (t *tab) point(selector string) (x, y float64) {
	t.t.Helper()
	t.until(selector+" is there", "document.querySelector("+quote(selector)+")")
	v, ok := t.eval("(e => { e.scrollIntoView({block: 'center'}); const r = e.getClientRects()[0]; return [r.x + " +
		"r.width / 2, r.y + r.height / 2] })(document.querySelector(" + quote(selector) + "))")
	at, isList := v.([]any)
	if !ok || !isList {
		t.t.Fatalf("%s is nowhere", selector)
	}
	x, y = at[0].(float64), at[1].(float64)
	t.do("Input.dispatchMouseEvent", map[string]any{"type": "mouseMoved", "x": x, "y": y})
	return x, y
}

func (t *tab) click(selector string) {
	t.t.Helper()
	x, y := t.point(selector)
	for _, what := range []string{"mousePressed", "mouseReleased"} {
		t.do("Input.dispatchMouseEvent", map[string]any{"type": what, "x": x, "y": y, "button": "left", "clickCount": 1})
	}
}

func (t *tab) fill(selector, text string) {
	t.t.Helper()
	t.click(selector)
	t.do("Input.insertText", map[string]any{"text": text})
}

// screenshot writes the whole page to the directory that ECPAYQ_SCREENSHOTS names, for
// a person to look at.
func (t *tab) screenshot(name string) {
	t.t.Helper()
	v, _ := t.eval("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
	size, ok := v.([]any)
	if !ok {
		t.t.Fatalf("screenshot %s: the page has no size", name)
	}
	clip := map[string]any{"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
	var shot struct{ Data string }
	t.must(t.session, "Page.captureScreenshot", map[string]any{"captureBeyondViewport": true, "clip": clip}, &shot)
	text, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		t.t.Fatalf("screenshot %s: %v", name, err)
	}
	if got, err := png.DecodeConfig(bytes.NewReader(text)); err != nil || float64(got.Height) < size[1].(float64) {
		t.t.Errorf("screenshot %s is %d pixels high, %v; the page is %v", name, got.Height, err, size[1])
	}
	if dir := os.Getenv("ECPAYQ_SCREENSHOTS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name+".png"), text, 0o600); err != nil {
			t.t.Error(err)
		}
	}
}

// complaints are what the browser refused, by the page's own policy or because a
// script failed, and the addresses that are not below base.
func (t *tab) complaints(base string) (all []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.events {
		text := string(m.Params)
		switch m.Method {
		case "Runtime.exceptionThrown":
			all = append(all, text)
		case "Log.entryAdded":
			if strings.Contains(text, "Content Security Policy") || strings.Contains(text, `"source":"security"`) {
				all = append(all, text)
			}
		case "Network.requestWillBeSent":
			var p struct{ Request struct{ URL string } }
			if json.Unmarshal(m.Params, &p) == nil && !strings.HasPrefix(p.Request.URL, base+"/") && !strings.HasPrefix(p.Request.URL, "data:") {
				all = append(all, "fetches "+p.Request.URL)
			}
		}
	}
	return all
}
