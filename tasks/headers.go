package tasks

import (
	"crypto/rand"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/ecpayq/ecpayq/internal/exactjson"
)

// Schema is the version of the stored format that this code writes, and newestSchema that of payloads
// with a field that came later, see [SchemaOf]: an older reader, which would take the field for damage,
// holds what is newer.
const (
	Schema       = 1
	newestSchema = 2
)

// Headers of a task. The names are short: they are stored with every task.
const (
	headerSchema    = "v"
	headerEnqueued  = "t" // Unix milliseconds
	headerProcessAt = "p" // Unix milliseconds, absent when at once
	headerNonce     = "n"
)

// Headers is what travels beside the payload.
type Headers struct {
	// Schema is the [SchemaOf] the payload; 0 is [Schema].
	Schema int
	// Enqueued is when the producer enqueued, by its clock; zero when unknown.
	Enqueued time.Time
	// ProcessAt is when the task was wished to run first; zero for at once.
	ProcessAt time.Time
	// Nonce tells one enqueue from another: a producer whose write was repeated
	// by its Redis client knows its own task again by it.
	Nonce string
	// Trace is the trace context, as W3C header names and values; empty unless sampled.
	Trace map[string]string
}

// NewNonce returns 8 random characters.
func NewNonce() string { return rand.Text()[:8] }

// Map returns the stored form.
func (h Headers) Map() map[string]string {
	m := maps.Clone(h.Trace)
	if m == nil {
		m = make(map[string]string, 4)
	}
	m[headerSchema] = strconv.Itoa(max(h.Schema, Schema))
	m[headerNonce] = h.Nonce
	if !h.Enqueued.IsZero() {
		m[headerEnqueued] = strconv.FormatInt(h.Enqueued.UnixMilli(), 10)
	}
	if !h.ProcessAt.IsZero() {
		m[headerProcessAt] = strconv.FormatInt(h.ProcessAt.UnixMilli(), 10)
	}
	return m
}

// ParseHeaders reads what [Headers.Map] wrote. Anything else, as from a producer
// that used asynq directly, reads as zero.
func ParseHeaders(m map[string]string) Headers {
	schema, _ := strconv.Atoi(m[headerSchema])
	h := Headers{Schema: schema, Nonce: m[headerNonce], Enqueued: Milli(m[headerEnqueued]), ProcessAt: Milli(m[headerProcessAt])}
	for _, name := range []string{"traceparent", "tracestate"} {
		if v, ok := m[name]; ok {
			if h.Trace == nil {
				h.Trace = map[string]string{}
			}
			h.Trace[name] = v
		}
	}
	return h
}

// Milli reads Unix milliseconds as they are stored; what is none reads as zero.
func Milli(s string) time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(n)
}

// checkSchema accepts tasks without a schema: those come from producers that
// used asynq directly.
func checkSchema(m map[string]string) error {
	s, ok := m[headerSchema]
	if !ok {
		return nil
	}
	v, err := strconv.Atoi(s)
	switch {
	case err != nil || v < 1:
		return fmt.Errorf("%w: schema %q", ErrCorrupt, exactjson.Name(s))
	case v > newestSchema:
		return fmt.Errorf("%w: schema %d, this one knows %d", ErrNewerSchema, v, newestSchema)
	}
	return nil
}
