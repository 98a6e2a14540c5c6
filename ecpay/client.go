package ecpay

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// DefaultTimeout bounds one exchange where nothing else is set: ECPay's own integrations use it.
const DefaultTimeout = 20 * time.Second

// Config configures a [Client]. The zero value talks to ECPay's stage host.
type Config struct {
	// BaseURL is where ECPay is, see [ParseBaseURL]. Defaults to stage.
	BaseURL *url.URL
	// Timeout bounds one exchange from connecting to the last byte of the answer.
	// Defaults to [DefaultTimeout].
	Timeout time.Duration
	// MaxConns is how many idle connections are kept. Defaults to 64.
	MaxConns int
	// Codes is the code table. Defaults to the built-in one.
	Codes *Codes
	// Now is the clock. Defaults to [time.Now].
	Now func() time.Time
	// RootCAs replaces the system's certificate authorities when not nil.
	RootCAs *x509.CertPool
	// Dial opens a connection, as [net.Dialer.DialContext] does, for example from one
	// of several addresses of this machine. Defaults to a dialer that gives up after 5 s.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Observe, when not nil, is told of every exchange after it ended; ctx is that of
	// [Client.Do].
	Observe func(ctx context.Context, x Exchange)
}

// Exchange describes one finished HTTP exchange for metrics and traces. It
// holds no field of the request or the answer.
type Exchange struct {
	Operation Operation
	Kind      Kind
	// Status is that of HTTP, and the codes are ECPay's; 0 where there was none.
	Status    int
	TransCode int
	RtnCode   int64
	Duration  time.Duration
}

// Client sends requests to ECPay. It is safe for concurrent use and keeps
// connections open between requests. It never retries and never follows
// redirects.
type Client struct {
	cfg   Config
	http  *http.Client
	clock *clock

	pdfs      chan struct{} // one for each call of the window, see awaitPDF
	pdfWindow time.Duration
}

// MaxResponseBytes bounds what is read of an answer that is no PDF.
const MaxResponseBytes = 1 << 20

// New returns a Client.
func New(cfg Config) (*Client, error) {
	if cfg.BaseURL == nil {
		cfg.BaseURL, _ = ParseBaseURL("stage")
	}
	if _, err := ParseBaseURL(cfg.BaseURL.String()); err != nil {
		return nil, err
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.MaxConns == 0 {
		cfg.MaxConns = 64
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Codes == nil {
		codes, err := NewCodes()
		if err != nil {
			return nil, err
		}
		cfg.Codes = codes
	}
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}).DialContext
	}
	var roots *tls.Config
	if cfg.RootCAs != nil {
		roots = &tls.Config{RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12}
	}
	return &Client{
		cfg:   cfg,
		clock: newClock(cfg.Now),
		pdfs:  make(chan struct{}, PDFsInWindow), pdfWindow: PDFWindow,
		http: &http.Client{
			Transport:     newTransport(cfg.Dial, cfg.BaseURL.Scheme == "http", cfg.MaxConns, roots),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// CloseIdleConnections closes the connections that are not in use.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// Skew returns what is known of the local clock.
func (c *Client) Skew() Skew { return c.clock.read() }

// Stamp returns the time by which a request would be stamped now.
func (c *Client) Stamp() time.Time { return c.clock.stamp() }

// ObserveReference tells the client how far a second clock, Redis TIME, is
// ahead of the local one (negative: behind).
func (c *Client) ObserveReference(offset time.Duration) { c.clock.reference(offset) }

// Do sends one request with the merchant's keys and returns the typed response
// of the operation, or an error that is always an [*Error]. The timestamp and
// the ciphertext are made here, after every wait.
func (c *Client) Do(ctx context.Context, m *Merchant, req Request) (Response, error) {
	x := exchange{op: req.Operation(), merchant: m}
	start := c.cfg.Now()
	resp, err := c.do(ctx, &x, req)
	if c.cfg.Observe != nil {
		c.cfg.Observe(ctx, describe(&x, resp, err, c.cfg.Now().Sub(start)))
	}
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// call gives [Client.Do] the response type of the operation.
func call[R any](ctx context.Context, c *Client, m *Merchant, req Request) (*R, error) {
	resp, err := c.Do(ctx, m, req)
	if err != nil {
		return nil, err
	}
	return any(resp).(*R), nil
}

func describe(x *exchange, resp Response, err error, took time.Duration) Exchange {
	out := Exchange{Operation: x.op, Kind: KindOf(err), Status: x.status, Duration: took}
	var e *Error
	switch {
	case errors.As(err, &e):
		out.TransCode, out.RtnCode = e.TransCode, e.RtnCode
	case resp != nil:
		out.TransCode = transReceived
		out.RtnCode, _ = resp.Result()
	}
	return out
}

func (c *Client) do(ctx context.Context, x *exchange, req Request) (Response, error) {
	data, err := prepare(x, req)
	if err != nil {
		return nil, err
	}
	x.data = data
	unsent := func(err error) error {
		return &Error{Op: x.op.String(), Kind: Unavailable, Execution: NotSent, Err: err}
	}
	answered, err := c.awaitPDF(ctx, x.op)
	if err != nil {
		return nil, unsent(err)
	}
	defer answered()
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	leave, err := c.clock.enter(ctx)
	if err != nil {
		return nil, unsent(err)
	}
	defer leave()
	c.send(ctx, x, data)
	return c.judge(x)
}

// prepare validates and marshals a request; nothing has been sent yet.
func prepare(x *exchange, req Request) ([]byte, error) {
	rejected := func(err error) error {
		return &Error{Op: x.op.String(), Kind: Rejected, Execution: NotSent, Err: err}
	}
	if err := req.Validate(); err != nil {
		return nil, rejected(err)
	}
	if x.merchant == nil {
		return nil, &Error{Op: x.op.String(), Kind: Denied, Execution: NotSent, Err: errors.New("no keys")}
	}
	if req.Merchant() != x.merchant.id {
		return nil, rejected(errors.New("MerchantID differs from the merchant whose keys are used"))
	}
	data, err := marshalData(req)
	if err != nil {
		return nil, rejected(err)
	}
	return data, nil
}

// exchange is what is known of one request and its answer.
type exchange struct {
	op       Operation
	merchant *Merchant
	data     []byte // of the request, as JSON
	notSent  bool   // proven: no byte left
	err      error  // no answer, or its body broke off
	status   int
	header   http.Header
	body     []byte
}

// send does the HTTP exchange. The envelope is written when the connection
// stands, see [lateBody].
func (c *Client) send(ctx context.Context, x *exchange, data []byte) {
	proof := new(sendProof)
	var sent atomic.Pointer[time.Time]
	var made envelopeMade
	request := seal(x.merchant, x.op, data)
	start, limit := c.cfg.Now(), c.cfg.Timeout
	if d, ok := ctx.Deadline(); ok {
		limit = time.Until(d)
	}
	write := func() ([]byte, error) {
		// A process that was frozen wakes here with its time long over, perhaps
		// before any timer has fired; and on a machine that was suspended only the wall
		// clock has gone on.
		now := c.cfg.Now()
		if d, ok := ctx.Deadline(); ok && !time.Now().Before(d) || ctx.Err() != nil || now.Round(0).Sub(start.Round(0)) >= limit {
			return nil, context.DeadlineExceeded
		}
		sent.Store(&now)
		return request.envelope(x.op, c.clock.stamp())
	}
	req, err := c.newRequest(proof.trace(ctx), x.op, write, &made)
	if err != nil {
		x.err, x.notSent = err, true
		return
	}
	resp, err := c.http.Do(req)
	if err != nil {
		x.err, x.notSent = err, proof.notSent() || made.never()
		return
	}
	defer resp.Body.Close()
	received := c.cfg.Now()
	x.status, x.header = resp.StatusCode, resp.Header
	most := MaxResponseBytes
	if x.op.pdf {
		most = MaxPDFBytes
	}
	x.body, x.err = io.ReadAll(io.LimitReader(resp.Body, int64(most)+1))
	if len(x.body) > most {
		x.body, x.err = nil, fmt.Errorf("the answer is larger than %d bytes", most)
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil && sent.Load() != nil {
		env, ok := parseEnvelope(x.body)
		c.clock.observe(date, *sent.Load(), received, ok && *env.TransCode == transStale)
	}
}

func (c *Client) newRequest(ctx context.Context, op Operation, write func() ([]byte, error), made *envelopeMade) (*http.Request, error) {
	trial, err := write() // for its length, which does not depend on the stamp
	if err != nil {
		return nil, err
	}
	body := func() (io.ReadCloser, error) { return &lateBody{write: write, made: made}, nil }
	first, _ := body()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.BaseURL.JoinPath(op.Path()).String(), first)
	if err != nil {
		return nil, err
	}
	req.ContentLength, req.GetBody = int64(len(trial)), body
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if op.pdf {
		req.Header.Set("Accept", "application/pdf, application/json")
	}
	req.Header.Set("User-Agent", "ecpayq")
	return req, nil
}

const (
	transReceived = 1
	transStale    = 104
)

// judge is the one place that turns an exchange into a response or an [*Error].
// A readable envelope is judged before the HTTP status: ECPay sends some
// refusals as HTTP 500 with a valid JSON envelope.
func (c *Client) judge(x *exchange) (Response, error) {
	e := &Error{Op: x.op.String(), HTTPStatus: x.status, Err: x.err}
	if x.status == 0 {
		return nil, x.unanswered(e)
	}
	if x.op.pdf && x.err == nil && x.isPDF() {
		resp, err := readPDF(x.body)
		if err != nil {
			e.Err = err
			return nil, x.unanswered(e)
		}
		return resp, nil
	}
	throttled := x.status == http.StatusForbidden || x.status == http.StatusTooManyRequests
	env, ok := parseEnvelope(x.body)
	if ok {
		e.TransCode, e.Msg = int(*env.TransCode), clip(string(env.TransMsg), maxMsg)
	}
	switch {
	case x.err == nil && ok && e.TransCode == transReceived:
		return c.judgeData(x, env, e)
	case throttled:
		e.Kind, e.Execution, e.RetryAfter = Throttled, NotExecuted, retryAfter(x.header, c.cfg.Now())
	case x.err == nil && ok:
		row, known := c.cfg.Codes.Lookup(x.op.ID(), 0, e.TransCode)
		e.Kind = row.Kind
		if known && e.Kind != Unknown {
			e.Execution = NotExecuted // the envelope was refused before its Data was looked at
		}
	default:
		if e.Err == nil {
			e.Err = errors.New("no ECPay envelope in the answer")
		}
		return nil, x.unanswered(e)
	}
	return nil, e
}

// maxMsg is ECPay's own limit of RtnMsg and TransMsg, in bytes of UTF-8.
const maxMsg = 3 * 200

// judgeData judges the decrypted Data of an envelope that ECPay received.
func (c *Client) judgeData(x *exchange, env responseEnvelope, e *Error) (Response, error) {
	resp, err := openData(x.merchant, x.op, env, x.data)
	if err != nil {
		e.Err = err
		return nil, x.unanswered(e)
	}
	code, msg := resp.Result()
	if x.op.Succeeded(code) && x.op.pdf {
		e.Err = errNoPDF
		return nil, x.unanswered(e)
	}
	if x.op.Succeeded(code) {
		return resp, nil
	}
	row, known := c.cfg.Codes.Lookup(x.op.ID(), code, 0)
	e.RtnCode, e.Msg, e.Kind = code, clip(msg, maxMsg), row.Kind
	switch {
	case !known || e.Kind == Unknown: // nothing is proven
	case e.Kind == Ambiguous:
		if !x.op.Write {
			e.Kind, e.Execution = Unavailable, NotExecuted
		}
	default:
		e.Execution = NotExecuted
	}
	return nil, e
}

// unanswered is the verdict on an exchange without a readable answer to what was
// asked: nothing sent, nothing to lose; a read loses nothing either; a write may have
// been executed.
func (x *exchange) unanswered(e *Error) *Error {
	switch {
	case x.notSent:
		e.Kind, e.Execution = Unavailable, NotSent
	case x.op.Write:
		e.Kind, e.Execution = Ambiguous, MaybeExecuted
	case errors.Is(e.Err, errAnother):
		e.Kind = Unknown
	case x.status >= 400 && x.status < 500:
		e.Kind = Unknown // a query that is refused as such will not get better by itself
	default:
		e.Kind = Unavailable
	}
	return e
}

const maxRetryAfter = 24 * time.Hour

// retryAfter reads a Retry-After header, in seconds or as a date; 0 without one.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if seconds, err := strconv.ParseInt(v, 10, 32); err == nil {
		return min(max(0, time.Duration(seconds)*time.Second), maxRetryAfter)
	}
	if at, err := http.ParseTime(v); err == nil {
		if date, err := http.ParseTime(h.Get("Date")); err == nil {
			now = date // both by ECPay's clock
		}
		return min(max(0, at.Sub(now)), maxRetryAfter)
	}
	return 0
}
