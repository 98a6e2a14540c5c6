package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/tasks/record"
)

const jsonType, ndjsonType = "application/json", "application/x-ndjson"

// wantedType is the Content-Type that a route takes.
func wantedType(r *http.Request) string {
	if strings.HasSuffix(r.URL.Path, "/batch") {
		return ndjsonType
	}
	return jsonType
}

// checkType refuses a body of another type. Most clients send one of their own when nothing is
// said, so that the answer says what to set.
func checkType(r *http.Request) *Problem {
	want := wantedType(r)
	types := r.Header.Values("Content-Type")
	got, _, err := mime.ParseMediaType(strings.Join(types, ", "))
	encoding := strings.Join(r.Header.Values("Content-Encoding"), ", ")
	switch {
	case err != nil || got != want || len(types) > 1:
		return newProblem(mediaType, record.Text{En: "set Content-Type: " + want, Zh: "請設定 Content-Type: " + want})
	case encoding != "" && encoding != "identity":
		return newProblem(mediaType, record.Text{En: "send the body without Content-Encoding", Zh: "請勿使用 Content-Encoding"})
	}
	return nil
}

// readBody reads all of a body of JSON.
func (a *API) readBody(w http.ResponseWriter, r *http.Request, most int) ([]byte, *Problem) {
	if p := checkType(r); p != nil {
		return nil, p
	}
	return a.readAll(w, r, most)
}

// readAll reads all of a body, whatever its type.
func (a *API) readAll(w http.ResponseWriter, r *http.Request, most int) ([]byte, *Problem) {
	large := newProblem(tooLarge, record.Text{
		En: fmt.Sprintf("the body may have %d bytes", most), Zh: fmt.Sprintf("內容至多 %d 位元組", most),
	})
	if r.ContentLength > int64(most) {
		return nil, large
	}
	defer context.AfterFunc(a.stopping, func() { _ = http.NewResponseController(w).SetReadDeadline(time.Now()) })()
	b, err := io.ReadAll(io.LimitReader(r.Body, int64(most)+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && a.stopping.Err() != nil:
		return nil, newProblem(ending, record.Text{
			En: "the API is stopping; nothing was done, send it again", Zh: "API 正在停止，未做任何處理，請稍後重新送出",
		}).retry(busyAfter)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, newProblem(timeout, record.Text{En: "the body did not come within 30 seconds", Zh: "內容未在 30 秒內送達"})
	case err != nil:
		return nil, newProblem(invalidJSON, record.Text{En: "the body did not come to its end", Zh: "內容未完整送達"})
	case len(b) > most:
		return nil, large
	}
	return b, nil
}
