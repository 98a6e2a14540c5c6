package dashboard

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

// Bounds of asynqmon's lists. It offers at most 100 tasks on a page, and reads as many
// as it is asked for in one script, during which Redis answers nobody else.
const (
	mostOnPage = 100
	lastPage   = 1_000_000
)

// checkPaging refuses a list that is too long, or begins nowhere. asynqmon takes what
// is no number for its default.
func checkPaging(q url.Values) error {
	for name, most := range map[string]int{"size": mostOnPage, "page": lastPage} {
		for _, v := range q[name] {
			if n, err := strconv.Atoi(v); v != "" && (err != nil || n < 1 || n > most) {
				return fmt.Errorf("%s must be a number from 1 to %d / %[1]s 須為 1 到 %[2]d 的數字", name, most)
			}
		}
	}
	return nil
}

// monFile is a file of asynqmon's, which all who read it share: asynqmon copies it for
// each of them.
type monFile struct {
	kind    string
	content []byte
}

// monFile serves one of asynqmon's files, but for its source maps: they are seven times
// as large as all others, and for nobody here.
func (d *Dashboard) monFile(w http.ResponseWriter, r *http.Request) {
	f := d.readMonFile(r)
	if f == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", f.kind)
	w.Header().Set("Cache-Control", "private, max-age=3600")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
}

// readMonFile returns a file, nil where there is none. asynqmon answers with its page
// instead, and names no type then, so that only what it has is kept.
func (d *Dashboard) readMonFile(r *http.Request) *monFile {
	name := path.Clean(r.URL.Path)
	if strings.HasSuffix(name, ".map") {
		return nil
	}
	d.fileLock.Lock()
	defer d.fileLock.Unlock()
	if f, ok := d.files[name]; ok {
		return f
	}
	a := &answer{header: http.Header{}}
	d.mon.ServeHTTP(a, r)
	kind := a.header.Get("Content-Type")
	if a.status != http.StatusOK || kind == "" || strings.HasPrefix(kind, "text/html") {
		return nil
	}
	if strings.HasSuffix(name, ".svg") {
		kind = "image/svg+xml" // as text, no browser shows it
	}
	f := &monFile{kind, a.body.Bytes()}
	d.files[name] = f
	return f
}
