package webhook

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Result is how one try ended. The set is closed.
type Result string

// The results.
const (
	Delivered   Result = "delivered"   // 2xx
	Redirected  Result = "redirected"  // 3xx: it is not followed
	Refused     Result = "refused"     // 4xx but the two below
	Gone        Result = "gone"        // 410: nothing more is wanted
	Throttled   Result = "throttled"   // 429, or 503 with Retry-After
	Failed      Result = "failed"      // 5xx, and what is no answer of HTTP
	Unreachable Result = "unreachable" // no connection, or no answer in time
	Forbidden   Result = "forbidden"   // an address that nothing is sent to
)

// Results lists them.
func Results() []Result {
	return []Result{Delivered, Redirected, Refused, Gone, Throttled, Failed, Unreachable, Forbidden}
}

// Answer is what became of one request.
type Answer struct {
	Result Result `json:"result"`
	// Status is that of HTTP, 0 where there was no answer.
	Status int `json:"status,omitempty"`
	// RetryAfter is how long the endpoint wants to be left alone.
	RetryAfter time.Duration `json:"-"`
	// Text and TextZh say it in words, and hold neither the path of the address nor what was answered.
	Text   string `json:"text"`
	TextZh string `json:"text_zh"`
	// Body is how the answer begins, for a person who tests.
	Body string        `json:"-"`
	Took time.Duration `json:"-"`
}

// statusOf is the verdict on an answer.
func statusOf(status int, retryAfter time.Duration) Answer {
	a := Answer{Status: status, Result: Failed, Text: answered.En + strconv.Itoa(status)}
	if text := http.StatusText(status); text != "" {
		a.Text += " " + text
	}
	switch {
	case status >= 200 && status < 300:
		a.Result = Delivered
	case status >= 300 && status < 400:
		a.Result = Redirected
		a.Text += notFollowed.En
	case status == http.StatusGone:
		a.Result = Gone
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable && retryAfter > 0:
		a.Result, a.RetryAfter = Throttled, retryAfter
	case status >= 400 && status < 500:
		a.Result = Refused
	}
	a.TextZh = textZh(a.Text)
	return a
}

// errorOf is the verdict on a request without an answer.
func errorOf(err error) Answer {
	why := cause(err)
	a := Answer{Result: Unreachable, Text: why.En, TextZh: why.Zh}
	if errors.Is(err, ErrAddress) {
		a.Result = Forbidden
	}
	return a
}

// maxRetryAfter bounds for how long an endpoint is left alone at its word.
const maxRetryAfter = 24 * time.Hour

// retryAfterOf reads a Retry-After: seconds, or a time.
func retryAfterOf(text string, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	var d time.Duration
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		d = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), maxRetryAfter)
}

// MaxTries is how often an outcome is sent, until it is given up.
const MaxTries = 10

// pauses are those between the tries, a tenth longer at most: together three days and eleven
// minutes.
var pauses = [MaxTries - 1]time.Duration{
	5 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 4 * time.Hour, 8 * time.Hour, 16 * time.Hour, 20 * time.Hour, 23 * time.Hour,
}

// Patience is for how long an endpoint may fail, without one delivery, until it is disabled.
const Patience = 72 * time.Hour

// pauseAfter is how long to wait after so many tries that failed. random is in [0, 1).
func pauseAfter(tries int, retryAfter time.Duration, random float64) time.Duration {
	d := pauses[min(max(tries, 1), len(pauses))-1]
	return max(d+time.Duration(float64(d)*random/10), retryAfter)
}
