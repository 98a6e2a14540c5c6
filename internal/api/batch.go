package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/auth"
	"github.com/ecpayq/ecpayq/internal/intents"
	"github.com/ecpayq/ecpayq/internal/redishealth"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// MaxLines is how many lines a batch may have. stall is how long a client may send nothing of one,
// untaken how long it may take nothing of the answer, longest how long each may last, and leftover how long what it still sends is read
// before and after the answer when the API stops: many clients read nothing before all is sent.
const (
	MaxLines = 1_000_000
	maxLine  = 4 << 20 // bytes, in which a line has to end
	stall    = 30 * time.Second
	untaken  = time.Minute
	longest  = time.Hour
	leftover = 5 * time.Second
)

// lineAnswer is what became of a line.
type lineAnswer struct {
	Line int `json:"line"`
	*enqueue.Receipt
	Error   string `json:"error,omitempty"`
	ErrorZh string `json:"error_zh,omitempty"`
	// Problem is the type of a [Problem].
	Problem string         `json:"problem,omitempty"`
	Errors  []FieldProblem `json:"errors,omitempty"`
	Task    string         `json:"task,omitempty"`
}

// summary is the last line: without it, an answer is not whole.
type summary struct {
	Lines     int `json:"lines"`
	Stored    int `json:"stored"`
	Duplicate int `json:"duplicate"`
	Failed    int `json:"failed"`
	// Error is why the rest was not read.
	Error   string `json:"error,omitempty"`
	ErrorZh string `json:"error_zh,omitempty"`
}

// batch is one on its way.
type batch struct {
	spool
	summary
	// away is why Redis refused a line: the lines after it are not tried.
	away error
	// full is why a result could not be kept.
	full error
	enc  *json.Encoder
}

// postBatch stores the intents of a body, one a line, while it is read. No result is sent before
// the body was read to its end: many clients read nothing until then, and neither side would
// go on once what is between them is full.
func (a *API) postBatch(w http.ResponseWriter, r *http.Request, who auth.Token) *Problem {
	if p := checkType(r); p != nil {
		return p
	}
	leave, p := a.enterBatch(who)
	if p != nil {
		return p
	}
	defer leave()
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Time{})                             // until there is something to write
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context())) // what was read is stored also when the client goes
	defer cancel()
	body := receive(r, control)
	defer body.ended()
	defer context.AfterFunc(a.stopping, func() {
		cancel()
		_ = body.Close()
	})()
	b := &batch{}
	defer b.Close()
	b.enc = json.NewEncoder(b)
	b.enc.SetEscapeHTML(false)
	ctx, opts := a.traced(ctx, r.Header, []enqueue.Option{enqueue.By(by(who))})
	run := &intents.Batch{
		Client: a.cfg.Client, In: body, Options: opts, MaxLines: MaxLines, MaxLine: maxLine,
		Check: func(p tasks.Payload) error { return b.check(who, p) },
	}
	for line := range run.Run(ctx) {
		if b.add(line); b.full != nil {
			break
		}
	}
	b.count(a.metrics)
	body.leave()
	switch {
	case b.full != nil:
		return newProblem(noRoom, record.Text{
			En: "there is no room to keep the results; send it again in smaller batches, what is stored already is a duplicate then",
			Zh: "沒有空間保存結果；請分成較小的批次重新送出，已儲存的會視為重複",
		}).retry(awayAfter).because(b.full)
	case b.away != nil && b.Stored+b.Duplicate == 0:
		return away(b.away)
	case b.Lines == 0 && run.Err() == nil && a.stopping.Err() == nil:
		return newProblem(invalidJSON, record.Text{En: "there is no line", Zh: "沒有任何一行"})
	}
	b.ended(a.stopping.Err() != nil, run.Err())
	if err := b.enc.Encode(map[string]summary{"summary": b.summary}); err != nil {
		return newProblem(internal, record.Text{En: "the log of the API says why", Zh: "原因請見 API 的日誌"}).because(err)
	}
	if err := b.send(w, control, a.untaken); err != nil {
		reason := "gone"
		if errors.Is(err, os.ErrDeadlineExceeded) {
			reason = "stalled"
		}
		a.metrics.cut.WithLabelValues(reason).Inc()
		a.cfg.Logger.Warn().Str("reason", reason).Int("lines", b.Lines).Msg("answer to a batch not taken to its end")
		panic(http.ErrAbortHandler) // a part must not look like all
	}
	return nil
}

// check refuses a line as a problem.
func (b *batch) check(who auth.Token, p tasks.Payload) error {
	if b.away != nil {
		return refused{away(b.away)}
	}
	if problem := check(who, p); problem != nil {
		return refused{problem}
	}
	return nil
}

// refused is a problem of a line.
type refused struct{ *Problem }

// Error implements error.
func (r refused) Error() string { return r.Detail }

// add keeps the result of a line.
func (b *batch) add(line intents.LineResult) {
	answer := lineAnswer{Line: line.Line}
	var p *Problem
	var known refused
	switch {
	case errors.As(line.Wrong, &known):
		p = known.Problem
	case errors.Is(line.Wrong, intents.ErrLongLine):
		p = newProblem(tooLarge, record.Text{
			En: "the line " + line.Wrong.Error(), Zh: fmt.Sprintf("此行超過 %d 位元組", intents.MaxSize),
		})
	case line.Wrong != nil:
		p = problemOf(line.Wrong, tasks.Type{})
	case line.Err != nil:
		p = problemOf(line.Err, tasks.Type{})
		if redishealth.ReasonOf(line.Err) != "" || errors.Is(line.Err, enqueue.ErrRedis) {
			b.away = line.Err
		}
	default:
		answer.Receipt = &line.Receipt
		p = stands(line.Receipt)
	}
	b.Lines++
	switch {
	case p != nil:
		b.Failed++
		answer.Error, answer.ErrorZh = record.Clip(p.Detail, mostText), record.Clip(p.DetailZh, mostText)
		answer.Problem, answer.Errors, answer.Task = p.Type, p.Errors[:min(len(p.Errors), mostErrors)], p.Task
	case line.Receipt.Duplicate:
		b.Duplicate++
	default:
		b.Stored++
	}
	b.full = b.enc.Encode(answer)
}

// mostText and mostErrors bound what is said of a line: a million of them are kept.
const mostText, mostErrors = 500, 8

// ended says why the rest was not read, if so.
func (b *batch) ended(stopping bool, err error) {
	var why record.Text
	switch {
	case errors.Is(err, intents.ErrTooManyLines):
		why = record.Text{En: "a batch may have 1,000,000 lines; send the rest in another", Zh: "每批至多 1,000,000 行，其餘請另行送出"}
	case stopping:
		why = record.Text{En: "the API is stopping; send the lines that have no result again", Zh: "API 正在停止；沒有結果的各行請重新送出"}
	case errors.Is(err, os.ErrDeadlineExceeded):
		why = record.Text{En: "nothing came for 30 seconds; send the lines that have no result again", Zh: "30 秒內沒有收到資料；沒有結果的各行請重新送出"}
	case errors.Is(err, intents.ErrEndlessLine):
		why = record.Text{En: "a line did not end within 4 MiB; send the lines that have no result again", Zh: "有一行超過 4 MiB 仍未結束；沒有結果的各行請重新送出"}
	case err != nil:
		why = record.Text{En: "the body did not come to its end; send the lines that have no result again", Zh: "內容未完整送達；沒有結果的各行請重新送出"}
	}
	b.summary.Error, b.summary.ErrorZh = why.En, why.Zh
}

func (b *batch) count(m *metrics) {
	for result, n := range map[string]int{"stored": b.Stored, "duplicate": b.Duplicate, "failed": b.Failed} {
		m.lines.WithLabelValues(result).Add(float64(n))
	}
}

// send sends all results, for as long as the client takes some.
func (b *batch) send(w http.ResponseWriter, control *http.ResponseController, untaken time.Duration) error {
	in, err := b.reader()
	if err != nil {
		panic(http.ErrAbortHandler) // a part must not look like all
	}
	w.Header().Set("Content-Type", ndjsonType)
	w.WriteHeader(http.StatusOK)
	buf, end := make([]byte, 32<<10), time.Now().Add(longest)
	for {
		n, err := in.Read(buf)
		deadline := time.Now().Add(untaken)
		if deadline.After(end) {
			deadline = end
		}
		_ = control.SetWriteDeadline(deadline)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return control.Flush() // before the rest of the body is waited for
		case err != nil:
			panic(http.ErrAbortHandler)
		}
	}
}

// enterBatch takes a slot among the batches that are read.
func (a *API) enterBatch(who auth.Token) (leave func(), p *Problem) {
	a.batchLock.Lock()
	defer a.batchLock.Unlock()
	if who.Name != local && a.batchCount[who.Name] >= maxBatchesEach || a.batchTotal >= maxBatches {
		return nil, crowded()
	}
	a.batchCount[who.Name]++
	a.batchTotal++
	return func() {
		a.batchLock.Lock()
		defer a.batchLock.Unlock()
		a.batchTotal--
		if a.batchCount[who.Name]--; a.batchCount[who.Name] == 0 {
			delete(a.batchCount, who.Name)
		}
	}, nil
}
