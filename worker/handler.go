package worker

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/exactjson"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/gate"
)

// job is one task as asynq hands it over, without asynq's words.
type job struct {
	id, typeName, queue string
	payload             []byte
	headers             map[string]string
	failed              int // how often asynq took it back after a failure
}

// handler carries any task of the table to a verdict. One attempt is one call
// of run.
type handler struct {
	gate      *gate.Gate
	ecpay     *ecpay.Client
	turns     *turns
	keys      KeyProvider
	policy    Policy
	timeout   time.Duration // of one attempt
	finishTTL time.Duration
	retention time.Duration // of the record of a finished task
	now       func() time.Time
	random    func() float64 // in [0, 1), for jitter
	log       zerolog.Logger
	observer  Observer
	said      *said
	keeper    *keeper
	egress    *egress
	paces     *paces
	// completions takes the outcomes of what is done, where it is not nil.
	completions *completions
}

// attempt is what one run knows. Its fields are filled in on the way, in the
// order of [handler.carry].
type attempt struct {
	job
	gate    gate.Attempt
	start   time.Time // by the wall clock
	history gate.History
	payload tasks.Payload
	op      ecpay.Operation // zero until the payload is decoded
	ask     *tasks.Ask      // how to find out about a write, nil when nothing can be asked
	// mayRepeat allows one more trigger with an earlier one unanswered, see
	// Merchant.RetriggerScheduled.
	mayRepeat bool
	// open means that a write went out, by this attempt or an earlier one, and
	// nothing proves what became of it. The mark in Redis stays as long.
	open bool
	// doubt means that Redis may have lost the mark of such a write, and that no ask
	// has told.
	doubt bool
	// requests counts those that wanted to go out, and banned is how long ECPay wants
	// none, banWhy in its words.
	requests int
	banned   time.Duration
	banWhy   string
	// key is the fingerprint of the merchant's keys, and scope what ECPay may refuse for
	// them. probes means that they were refused and that the last request tried them.
	key, scope string
	probes     bool
	// first means that the last request was the first one after a pause of the egress, and
	// unheard that ECPay did not answer it: that is not the task's fault.
	first, unheard bool
	// turn is that of the first request, where it was asked for on beginning: it has one of
	// the process' requests. unsure means that nobody knows whether the attempt began.
	turn   *gate.Turn
	unsure bool
	resp   ecpay.Response
	err    *ecpay.Error
}

// errNotRecorded means that the verdict could not be written: the task must come
// back, whatever the verdict was.
var errNotRecorded = errors.New("outcome is not recorded")

// run makes one attempt: begin, decode, keys, enter, ask, do, verdict, leave.
// It returns the verdict, what to tell people about it, and an error when the
// outcome could not be recorded. That of a done task may be recorded with asynq's, after
// this has returned.
func (h *handler) run(ctx context.Context, j job) (Verdict, string, error) {
	start := time.Now()
	if h.observer.Start != nil {
		ctx = h.observer.Start(ctx, j.typeName, tasks.ParseHeaders(j.headers).Trace)
	}
	a := h.newAttempt(j)
	carry, cancel := context.WithTimeout(ctx, h.timeout-reserve(h.timeout))
	v, counted := h.carry(carry, a)
	cancel()
	return h.finish(ctx, a, v.unaccounted(a.open, a.doubt).of(a.key), counted, start)
}

// finish records and reports the verdict. It is no part of run so that the many attempts that
// wait there for their turn have small stacks.
func (h *handler) finish(ctx context.Context, a *attempt, v Verdict, counted bool, start time.Time) (Verdict, string, error) {
	report := func(err error) { h.report(ctx, a, v, err, time.Since(start)) }
	if !counted {
		report(nil)
		return v, explain(a, v), nil
	}
	res := h.result(a, v)
	leave := func() error {
		// The answer must be recorded even when the task's context has ended, for
		// example because a shutdown lost patience.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(h.timeout-time.Since(start), reserve(h.timeout)))
		defer cancel()
		err := h.leave(ctx, a, res)
		if a.unsure && errors.Is(err, gate.ErrSuperseded) {
			return nil // it never began
		}
		return err
	}
	if v.Action == Done && h.completions.take(&completion{attempt: a.gate, result: res, alone: leave, after: report}) {
		return v, explain(a, v), nil
	}
	err := leave()
	report(err)
	return v, explain(a, v), err
}

func (h *handler) newAttempt(j job) *attempt {
	headers := tasks.ParseHeaders(j.headers)
	return &attempt{job: j, start: h.now(), gate: gate.Attempt{
		ID: j.id, Token: rand.Text(), Enqueued: headers.Enqueued, Start: later(headers.Enqueued, headers.ProcessAt),
		LockFor: h.timeout + lockMargin, Failed: j.failed,
	}}
}

// explain says in one line what happened and why; it is stored and shown on
// dashboards.
func explain(a *attempt, v Verdict) string {
	text := v.Kind.String()
	if a.err != nil {
		text = a.err.Error()
	}
	if why := v.Text(); !why.IsZero() {
		text += "; " + why.Both()
	}
	return text
}

// reserve is the part of an attempt's time that is kept for recording its outcome.
func reserve(timeout time.Duration) time.Duration { return min(5*time.Second, timeout/4) }

const (
	// lockMargin is how much longer than an attempt its lock lives: nothing is sent
	// after an attempt's time, so a lock is never too short, and that of a killed
	// worker outlives what it sent.
	lockMargin = 15 * time.Second
	// busyPause is how long a task waits for another one on its subject.
	busyPause = 5 * time.Second
)

// carry returns the verdict, and whether the attempt was counted and so must leave.
//
// A crash has to be counted before anything of the task is looked at that may cause it. A task
// that never failed is looked at first all the same, so that its first request is permitted
// on beginning, by one round trip: asynq counts the crash.
func (h *handler) carry(ctx context.Context, a *attempt) (Verdict, bool) {
	var m Merchant
	ready := false
	if a.failed == 0 && a.decode() == nil {
		var err error
		m, err = h.keysOf(ctx, a)
		ready = err == nil
	}
	history, err := h.begin(ctx, a, m, ready)
	a.history = history
	var busy *gate.BusyError
	var later *gate.LaterError
	switch {
	case errors.As(err, &busy):
		return Verdict{Action: Hold, Kind: ecpay.Unavailable, Delay: min(busy.For, busyPause) + time.Second, Reason: reasonBusy}, false
	case errors.As(err, &later):
		h.paces.heed(a, later.Turn)
		return queued(later.Turn.Why, later.Turn.Wait, h.random()), false
	case err != nil:
		return h.redisAway(err), a.unsure
	}
	a.open, a.doubt = history.InFlight, history.MarksLost
	switch {
	case history.Finished:
		return Verdict{Action: Done, Kind: ecpay.AlreadyDone}, false
	case history.Crashes >= MaxCrashes:
		return Verdict{Action: Dead, Kind: ecpay.Unknown, Reason: reasonCrashes}, true
	}
	if !ready {
		if v, ok := h.decodable(a); !ok {
			return v, true
		}
		var v Verdict
		if m, v, ready = h.merchant(ctx, a); !ready {
			return v, true
		}
	}
	a.doubt = a.doubt && a.op.Write
	return h.request(ctx, a, m), true
}

// begin counts the attempt, and asks for its first request with it when nothing is known
// that the request would have to wait for.
func (h *handler) begin(ctx context.Context, a *attempt, m Merchant, ready bool) (gate.History, error) {
	first, ok := gate.First{}, false
	if ready {
		first, ok = h.first(ctx, a, m)
	}
	if !ok {
		return h.gate.Begin(ctx, a.gate, h.now())
	}
	history, turn, err := h.gate.BeginWith(ctx, a.gate, h.now(), first)
	a.turn, a.unsure = turn, gate.Unsure(err)
	if turn == nil {
		h.turns.release()
	}
	return history, err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// decode turns stored bytes into a payload, and nothing but its own.
func (a *attempt) decode() error {
	p, err := tasks.Decode(a.typeName, a.headers, a.job.payload)
	if err == nil {
		err = p.Validate()
	}
	if err == nil && tasks.ID(p) != a.id {
		err = fmt.Errorf("%w: the task's id belongs to another intent, want %s", tasks.ErrCorrupt, tasks.ID(p))
	}
	if err == nil {
		a.payload, a.op = p, p.Request().Operation()
	}
	return err
}

// decodable decodes. What a newer version wrote is held for a worker that knows it; corrupt
// bytes are dead.
func (h *handler) decodable(a *attempt) (Verdict, bool) {
	err := a.decode()
	switch {
	case errors.Is(err, tasks.ErrUnknownType) || errors.Is(err, tasks.ErrNewerSchema):
		v := Verdict{Action: Hold, Kind: ecpay.Unknown, Delay: grow(5*time.Second, time.Minute, a.history.Holds), Pauses: true, Reason: reasonNewer}
		return v.saying(record.Plain(err.Error())), false
	case err != nil:
		a.doubt = false // what cannot be read was never sent
		return Verdict{Action: Dead, Kind: ecpay.Rejected, Reason: reasonCorrupt}.saying(unreadable(err)), false
	}
	return Verdict{}, true
}

// unreadable says why stored bytes are no payload.
func unreadable(err error) record.Text {
	var wrong *exactjson.Error
	if errors.As(err, &wrong) {
		return record.Text{En: err.Error(), Zh: wrong.ZhTW()}
	}
	return record.Plain(err.Error())
}

// keysOf finds the keys, and names them.
func (h *handler) keysOf(ctx context.Context, a *attempt) (Merchant, error) {
	m, err := h.keys.Merchant(ctx, a.payload.Request().Merchant())
	a.key = gate.NoKeys
	if err == nil {
		a.key = m.KeyFingerprint()
	}
	a.scope = gate.Scope(a.op.Category, a.key)
	return m, err
}

// merchant finds the keys. Nothing dies of a key that is missing.
func (h *handler) merchant(ctx context.Context, a *attempt) (Merchant, Verdict, bool) {
	m, err := h.keysOf(ctx, a)
	if err == nil {
		return m, Verdict{}, true
	}
	a.err = &ecpay.Error{Op: a.op.String(), Kind: ecpay.Unavailable, Execution: ecpay.NotSent, Err: err}
	if errors.Is(err, ErrUnknownMerchant) {
		a.err.Kind = ecpay.Denied
		h.answered(ctx, a, a.err)
	}
	return Merchant{}, h.decide(a), false
}

// answered tells the others of the merchant what an answer says about its keys, where
// that is news.
func (h *handler) answered(ctx context.Context, a *attempt, e *ecpay.Error) {
	var says gate.Answer
	var why string
	switch {
	case e != nil && e.Kind == ecpay.Denied:
		says, why = gate.KeysRefused, e.Error()
	case !a.probes:
		return
	case e == nil || e.RtnCode != 0: // its Data was sealed with these keys
		says = gate.KeysWork
	default:
		says = gate.KeysUnsure
	}
	a.probes = false
	pause, began, err := h.gate.Answered(ctx, a.gate, a.scope, says, why)
	switch {
	case err != nil:
		h.log.Warn().Str("task_id", a.id).Str("key", a.key).Err(err).Msg("the merchant's other tasks are not told about its keys")
	case says == gate.KeysWork:
		h.keeper.lift(a.payload.Request().Merchant())
	case says == gate.KeysRefused && began:
		e.RetryAfter = pause
	case says == gate.KeysRefused:
		e.RetryAfter = pause + longer(h.random())
	}
}

// request talks to ECPay: asks first while an earlier write is not accounted
// for, then sends, then asks where the answer alone proves nothing.
func (h *handler) request(ctx context.Context, a *attempt, m Merchant) Verdict {
	a.ask = a.payload.Ask(m.TsrIsRelateNumber)
	a.mayRepeat = m.RetriggerScheduled && a.payload.Delay().Applies && a.history.Repeated == 0
	if !a.op.Resendable && (a.open || a.doubt) {
		if v, send := h.askFirst(ctx, a, m); !send {
			return v
		}
	}
	if a.op.Resendable && wordProves(a.history, h.policy) {
		a.open = false
	}
	if a.history.Undone {
		return Verdict{Action: Dead, Kind: ecpay.Conflict, Reason: reasonUndone}
	}
	earlier := a.open
	a.resp, a.err = h.do(ctx, a, m, a.payload.Request(), a.wants(earlier))
	a.open = a.op.Write && (a.err != nil && a.err.Execution == ecpay.MaybeExecuted || a.err != nil && earlier)
	return h.settle(ctx, a, m, earlier)
}

// wants is what the task's own request needs of the gate; repeats means that an earlier
// one is still unanswered.
func (a *attempt) wants(repeats bool) gate.Request {
	r := gate.Request{Write: a.op.Write, Repeats: repeats}
	if a.op.Write && a.op.Resendable {
		r.Rank = gate.Ahead // a cancel races the hour of issue
	}
	return r
}

// errOver means that the time of an attempt is over by the wall clock only: the
// machine was suspended, during which its monotonic clock stood still and no
// deadline of ours came nearer. The lock has ended meanwhile.
var errOver = errors.New("the time of this attempt is over by the wall clock: the machine slept, or its clock was set")

// do sends one request when it is its turn, as long as the attempt may last.
func (h *handler) do(ctx context.Context, a *attempt, m Merchant, req ecpay.Request, r gate.Request) (ecpay.Response, *ecpay.Error) {
	done, held := h.turn(ctx, a, m, r)
	if held != nil {
		return nil, held
	}
	defer done()
	if h.left(a) <= 0 {
		return nil, &ecpay.Error{Op: req.Operation().String(), Kind: ecpay.Unavailable, Execution: ecpay.NotSent, Err: errOver}
	}
	h.keeper.sent(m.ID())
	resp, err := h.ecpay.Do(ctx, m.Merchant, req)
	var e *ecpay.Error
	if err != nil && !errors.As(err, &e) {
		e = &ecpay.Error{Op: req.Operation().String(), Kind: ecpay.Unknown, Err: err}
	}
	if e != nil && e.Kind == ecpay.Throttled {
		a.banned, a.banWhy = h.policy.pause(e.RetryAfter), e.Error()
	}
	h.answered(ctx, a, e)
	h.egress.tell(ctx, a.gate, m.ID(), e, a.first, a.banned)
	a.unheard = a.first && silent(e)
	a.first = false
	return resp, e
}

func (h *handler) decide(a *attempt) Verdict { return h.judge(a, a.err) }

func (h *handler) judge(a *attempt, e *ecpay.Error) Verdict {
	var away redisError
	var turn noTurnError
	switch {
	case e != nil && errors.As(e.Err, &away):
		return h.redisAway(away.error)
	case e != nil && errors.As(e.Err, &turn):
		return queued(turn.why, e.RetryAfter, h.random())
	}
	out := Outcome{Kind: ecpay.OK, CanFindOut: a.ask != nil || a.mayRepeat}
	if e != nil {
		out.Kind, out.Execution, out.RetryAfter = e.Kind, e.Execution, e.RetryAfter
	}
	return decide(a.op, out, a.history, h.policy, h.random())
}

// redisError is an error of the gate on the way of a request.
type redisError struct{ error }

func (e redisError) Error() string { return "redis: " + e.error.Error() }
func (e redisError) Unwrap() error { return e.error }

// redisAway holds a task that could not be counted or marked: nothing was sent.
func (h *handler) redisAway(err error) Verdict {
	v := Verdict{
		Action: Hold, Kind: ecpay.Unavailable, Reason: reasonRedis,
		Delay: time.Second + time.Duration(h.random()*float64(5*time.Second)),
	}
	return v.saying(record.Plain(err.Error()))
}

// leave records the outcome. It tries again as long as the attempt may last:
// what ECPay did must not be forgotten because Redis was away for a moment.
func (h *handler) leave(ctx context.Context, a *attempt, res gate.Result) error {
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := h.gate.Leave(ctx, a.gate, res)
		if err == nil {
			return nil
		}
		if errors.Is(err, gate.ErrSuperseded) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errNotRecorded, err)
		}
	}
}

func (h *handler) result(a *attempt, v Verdict) gate.Result {
	res := gate.Result{
		Spends: v.Action != Hold && !a.unheard, Pauses: v.Pauses, Delay: v.Delay, Kind: v.Kind, Reason: v.Text(),
		Settled: !a.open, History: a.history, Banned: a.banned, BanWhy: a.banWhy, Held: v.Held, Unsure: a.unsure,
	}
	switch v.Action {
	case Done:
		res.State, res.Settled = record.Done, true
		res.RecordTTL = h.retention
		if a.payload == nil || tasks.KeepsRecord(a.payload) {
			res.DoneTTL = h.finishTTL
		}
	case Retry:
		res.State = record.Retry
	case Hold:
		res.State = record.Held
		if v.Queued {
			res.State = record.Queued
		}
	case Dead:
		res.State = record.Dead
		res.Letter = &gate.Letter{Type: a.typeName, Queue: a.queue, Payload: a.job.payload, Headers: a.headers}
	}
	if e := a.err; e != nil {
		res.HTTPStatus, res.TransCode, res.RtnCode, res.RtnMsg = e.HTTPStatus, e.TransCode, e.RtnCode, e.Msg
		res.Stale = e.Kind == ecpay.Stale
		if e.Err != nil {
			res.Reason = record.Plain(e.Error()).And(v.Text())
		}
	}
	if a.resp != nil {
		res.RtnCode, res.RtnMsg = a.resp.Result()
		if b, err := json.Marshal(a.resp); err == nil && len(b) <= maxResult {
			res.Answer = b
		}
	}
	return res
}

// maxResult bounds the stored answer, in bytes; the largest known is under 1 KiB.
const maxResult = 8 << 10

// report writes the one line of a finished attempt, and counts it. A line that says
// what the task's last one said is for debugging.
func (h *handler) report(ctx context.Context, a *attempt, v Verdict, err error, took time.Duration) {
	code := int64(0)
	if a.resp != nil {
		code, _ = a.resp.Result()
	}
	if a.err != nil {
		code = a.err.RtnCode
	}
	e := h.log.WithLevel(h.said.level(a.id, v, a.err, err))
	e.Str("task_id", a.id).Str("type", a.typeName).Str("queue", a.queue).Int("attempt", a.history.Attempts).
		Stringer("verdict", v.Action).Stringer("kind", v.Kind).Int64("rtn_code", code).Stringer("duration", took.Round(10*time.Microsecond))
	if a.err != nil {
		e.Int("trans_code", a.err.TransCode).Int("http_status", a.err.HTTPStatus).Str("error", a.err.Error())
	}
	if v.Action == Retry || v.Action == Hold {
		e.Stringer("next_in", v.Delay.Round(time.Millisecond))
	}
	if why := v.Text(); !why.IsZero() {
		e.Str("reason", why.En).Str("reason_zh", why.Zh)
	}
	if err != nil {
		e.AnErr("not_recorded", err)
	}
	e.Msg("attempt finished")
	h.observer.Attempt(ctx, Finished{
		ID: a.id, Type: a.typeName, Queue: a.queue, Verdict: v, Attempt: a.history.Attempts,
		Age: float64(a.history.Age) / float64(h.policy.MaxAge), Duration: took, Loss: lossOf(err),
	})
}
