package ecpaytest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// maxControlBody is the largest body the control API takes, enough for some 100,000 staged invoices.
const maxControlBody = 32 << 20

// Control returns the JSON API by which other processes steer the fake. Its paths begin with /_fake/, so it is mounted
// with mux.Handle("/_fake/", s.Control()). README.md lists them. It asks for no password: serve it on loopback only.
func (s *Server) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_fake/calls", s.controlCalls)
	mux.HandleFunc("GET /_fake/effects", s.controlEffects)
	mux.HandleFunc("GET /_fake/state", s.controlState)
	mux.HandleFunc("POST /_fake/stage", s.controlStage)
	mux.HandleFunc("POST /_fake/agree", s.controlAgree)
	mux.HandleFunc("POST /_fake/upload", s.controlUpload)
	mux.HandleFunc("POST /_fake/faults", s.controlFaults)
	mux.HandleFunc("DELETE /_fake/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFaults()
		reply(w, struct{}{})
	})
	mux.HandleFunc("POST /_fake/advance", s.controlAdvance)
	mux.HandleFunc("POST /_fake/reset", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		reply(w, struct{}{})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		replyError(w, http.StatusNotFound, fmt.Errorf("no %s %s in the control API", r.Method, r.URL.Path))
	})
	return mux
}

func (s *Server) controlCalls(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	since, err := strconv.Atoi(cmp.Or(q.Get("since"), "0"))
	if err != nil {
		replyError(w, http.StatusBadRequest, fmt.Errorf("since: %w", err))
		return
	}
	match := Match{Operation: q.Get("operation"), Category: q.Get("category"), MerchantID: q.Get("merchant_id"),
		Subject: q.Get("subject")}
	out := []Call{}
	for _, call := range s.Calls() {
		if call.Seq > since && match.matches(&call) {
			call.At = call.At.In(taipei) // like every time that ecpayq prints
			out = append(out, call)
		}
	}
	reply(w, struct {
		Calls []Call `json:"calls"`
	}{out})
}

func (s *Server) controlEffects(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	out := []Effect{}
	for _, e := range s.Effects() {
		if cmp.Or(q.Get("merchant_id"), e.MerchantID) == e.MerchantID && cmp.Or(q.Get("subject"), e.Subject) == e.Subject {
			e.At = e.At.In(taipei)
			out = append(out, e)
		}
	}
	reply(w, struct {
		Effects []Effect `json:"effects"`
	}{out})
}

func (s *Server) controlState(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	reply(w, struct {
		State string `json:"state"`
	}{s.State(cmp.Or(q.Get("merchant_id"), s.cfg.Merchants[0].MerchantID), q.Get("subject"))})
}

// staging is the body of POST /_fake/stage.
type staging struct {
	Delayed      oneOrMany[Delayed]      `json:"delayed"`
	Invoice      oneOrMany[Invoice]      `json:"invoice"`
	Allowance    oneOrMany[Allowance]    `json:"allowance"`
	B2CAllowance oneOrMany[B2CAllowance] `json:"b2c_allowance"`
	Track        oneOrMany[Track]        `json:"track"`
}

func (s *Server) controlStage(w http.ResponseWriter, r *http.Request) {
	var body staging
	if !readControl(w, r, &body) {
		return
	}
	var steps []func() error
	for _, d := range body.Delayed {
		steps = append(steps, func() error { return s.StageDelayed(d) })
	}
	for _, i := range body.Invoice {
		steps = append(steps, func() error { return s.StageInvoice(i) })
	}
	for _, a := range body.Allowance {
		steps = append(steps, func() error { return s.StageAllowance(a) })
	}
	for _, a := range body.B2CAllowance {
		steps = append(steps, func() error { return s.StageB2CAllowance(a) })
	}
	for _, t := range body.Track {
		steps = append(steps, func() error { return s.StageTrack(t) })
	}
	if len(steps) == 0 {
		replyError(w, http.StatusBadRequest, errors.New(`nothing to stage: give "delayed", "invoice", "allowance", "b2c_allowance" or "track"`))
		return
	}
	for n, stage := range steps {
		if err := stage(); err != nil {
			replyError(w, http.StatusBadRequest, fmt.Errorf("%w (%d staged before it)", err, n))
			return
		}
	}
	reply(w, struct {
		Staged int `json:"staged"`
	}{len(steps)})
}

func (s *Server) controlAgree(w http.ResponseWriter, r *http.Request) {
	var body struct {
		MerchantID  string `json:"merchant_id"`
		AllowanceNo string `json:"allowance_no"`
	}
	if !readControl(w, r, &body) {
		return
	}
	if err := s.AgreeAllowance(body.MerchantID, body.AllowanceNo); err != nil {
		replyError(w, http.StatusBadRequest, err)
		return
	}
	reply(w, struct{}{})
}

// faultJSON is a Fault whose durations are written as "1m30s". Its fields hide the embedded ones of the same name.
type faultJSON struct {
	Fault
	For         duration `json:"for"`
	Latency     duration `json:"latency"`
	EffectAfter duration `json:"effect_after"`
	ClockOffset duration `json:"clock_offset"`
}

func (s *Server) controlFaults(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Match  Match                `json:"match"`
		Faults oneOrMany[faultJSON] `json:"faults"`
	}
	if !readControl(w, r, &body) {
		return
	}
	if len(body.Faults) == 0 {
		replyError(w, http.StatusBadRequest, errors.New(`"faults" is empty`))
		return
	}
	faults := make([]Fault, len(body.Faults))
	for i, f := range body.Faults {
		faults[i] = f.Fault
		faults[i].For, faults[i].Latency = time.Duration(f.For), time.Duration(f.Latency)
		faults[i].EffectAfter, faults[i].ClockOffset = time.Duration(f.EffectAfter), time.Duration(f.ClockOffset)
		if h := f.HTTPStatus; h != 0 && (h < 200 || h > 999) {
			replyError(w, http.StatusBadRequest, fmt.Errorf("http_status %d: must be 200 to 999", h))
			return
		}
	}
	s.Inject(body.Match, faults...)
	reply(w, struct {
		Faults int `json:"faults"`
	}{len(faults)})
}

func (s *Server) controlAdvance(w http.ResponseWriter, r *http.Request) {
	var body struct {
		By duration `json:"by"`
	}
	if !readControl(w, r, &body) {
		return
	}
	if body.By <= 0 {
		replyError(w, http.StatusBadRequest, errors.New(`"by" must be a positive duration such as "24h"`))
		return
	}
	s.Advance(time.Duration(body.By))
	reply(w, struct{}{})
}

// readControl reads a body of JSON with no unknown fields, or replies with what is wrong.
func readControl(w http.ResponseWriter, r *http.Request, into any) bool {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControlBody))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one JSON value")
		}
	}
	if err != nil {
		replyError(w, http.StatusBadRequest, fmt.Errorf("body: %w", err))
	}
	return err == nil
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(append(mustJSON(v), '\n'))
}

func replyError(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(append(mustJSON(object{{"error", err.Error()}}), '\n'))
}

// oneOrMany reads one JSON object, or an array of them.
type oneOrMany[T any] []T

func (o *oneOrMany[T]) UnmarshalJSON(text []byte) error {
	var list []T
	if bytes.HasPrefix(text, []byte("[")) {
		if err := strict(text, &list); err != nil {
			return err
		}
	} else {
		list = make([]T, 1)
		if err := strict(text, &list[0]); err != nil {
			return err
		}
	}
	*o = list
	return nil
}

// strict is json.Unmarshal with no unknown fields; an UnmarshalJSON does not inherit that from its Decoder.
func strict(text []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}

// duration is written as Go writes it, "1m30s".
type duration time.Duration

func (d *duration) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("a duration must be a string such as %q", "1m30s")
	}
	parsed, err := time.ParseDuration(s)
	*d = duration(parsed)
	return err
}
