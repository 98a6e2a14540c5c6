package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/exactjson"
	"github.com/ecpayq/ecpayq/internal/intents"
	"github.com/ecpayq/ecpayq/internal/redishealth"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// kindOfProblem is one row of the table of problems.
type kindOfProblem struct {
	name   string
	status int
	title  string
}

// The problems. Their types are "urn:ecpayq:problem:" and the name.
var (
	invalidJSON      = kindOfProblem{"invalid-json", http.StatusBadRequest, "Not the JSON that is expected"}
	unknownField     = kindOfProblem{"unknown-field", http.StatusBadRequest, "A name that is unknown, misspelt or there twice"}
	unauthorized     = kindOfProblem{"unauthorized", http.StatusUnauthorized, "No valid token"}
	forbidden        = kindOfProblem{"forbidden", http.StatusForbidden, "Not allowed"}
	notFoundKind     = kindOfProblem{"not-found", http.StatusNotFound, "Not found"}
	methodNotAllowed = kindOfProblem{"method-not-allowed", http.StatusMethodNotAllowed, "Not with this method"}
	timeout          = kindOfProblem{"timeout", http.StatusRequestTimeout, "The request did not come in time"}
	dead             = kindOfProblem{"dead", http.StatusConflict, "The same intent is dead"}
	busy             = kindOfProblem{"busy", http.StatusConflict, "The task is elsewhere"}
	gone             = kindOfProblem{"gone", http.StatusGone, "The cursor cannot be gone on from"}
	tooLarge         = kindOfProblem{"too-large", http.StatusRequestEntityTooLarge, "Too large"}
	mediaType        = kindOfProblem{"unsupported-media-type", http.StatusUnsupportedMediaType, "Not this Content-Type"}
	invalidField     = kindOfProblem{"invalid-field", http.StatusUnprocessableEntity, "A field breaks a limit"}
	differs          = kindOfProblem{"differs", http.StatusUnprocessableEntity, "The earlier intent asks for something else"}
	keyReused        = kindOfProblem{"idempotency-key-reused", http.StatusUnprocessableEntity, "The Idempotency-Key belongs to another intent"}
	internal         = kindOfProblem{"internal", http.StatusInternalServerError, "This went wrong here"}
	tooMany          = kindOfProblem{"busy", http.StatusServiceUnavailable, "Too many at once"}
	noRoom           = kindOfProblem{"busy", http.StatusServiceUnavailable, "No room for the results"}
	remnant          = kindOfProblem{"busy", http.StatusServiceUnavailable, "A remnant of an earlier task is in the way"}
	ending           = kindOfProblem{"busy", http.StatusServiceUnavailable, "The API is stopping"}
	noKey            = kindOfProblem{"no-key", http.StatusServiceUnavailable, "A key of buyers' data is missing here"}
	redisAway        = kindOfProblem{"redis-unavailable", http.StatusServiceUnavailable, "Redis takes nothing at the moment"}
)

const problemPrefix = "urn:ecpayq:problem:"

// Problem is an answer of RFC 9457.
type Problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	DetailZh string `json:"detail_zh"`
	// Errors are about fields.
	Errors []FieldProblem `json:"errors,omitempty"`
	// Differs names the fields in which an earlier task differs, and State is where a task is.
	Differs []string `json:"differs,omitempty"`
	State   string   `json:"state,omitempty"`
	// Of a dead task: what it died of, what to do, and where it is.
	Kind     string `json:"kind,omitempty"`
	RtnCode  int64  `json:"rtn_code,omitempty"`
	Advice   string `json:"advice,omitempty"`
	AdviceZh string `json:"advice_zh,omitempty"`
	Task     string `json:"task,omitempty"`
	// Of a cursor: where to go on.
	Next string `json:"next,omitempty"`

	retryAfter int // seconds
	cause      error
}

// FieldProblem is one field that is wrong.
type FieldProblem struct {
	Field string `json:"field"`
	// Limit is how many characters, or how great a number, is allowed; 0 where there is no such
	// limit.
	Limit     int    `json:"limit,omitempty"`
	Message   string `json:"message"`
	MessageZh string `json:"message_zh"`
}

func newProblem(k kindOfProblem, detail record.Text) *Problem {
	return &Problem{Type: problemPrefix + k.name, Title: k.title, Status: k.status, Detail: detail.En, DetailZh: detail.Zh}
}

func (p *Problem) because(err error) *Problem {
	p.cause = err
	return p
}

func (p *Problem) retry(seconds int) *Problem {
	p.retryAfter = seconds
	return p
}

func notFound(detail record.Text) *Problem { return newProblem(notFoundKind, detail) }

// wrongField is a problem of one field that is no payload's.
func wrongField(field string, message record.Text) *Problem {
	return aboutField(invalidField, field, message)
}

// wrongName is a problem of a name.
func wrongName(name string, message record.Text) *Problem {
	return aboutField(unknownField, name, message)
}

func aboutField(k kindOfProblem, field string, message record.Text) *Problem {
	p := newProblem(k, record.Text{En: field + " " + message.En, Zh: field + " " + message.Zh})
	p.Errors = []FieldProblem{{Field: field, Message: message.En, MessageZh: message.Zh}}
	return p
}

func away(err error) *Problem {
	return newProblem(redisAway, record.Text{
		En: "whether anything was stored or done is not known; send the same again, which is safe",
		Zh: "無法得知是否已儲存或完成；請重新送出相同的內容，重複送出是安全的",
	}).retry(awayAfter).because(err)
}

func crowded() *Problem {
	return newProblem(tooMany, record.Text{
		En: "too many requests of this kind are under way; nothing was done, send it again", Zh: "此類要求同時過多，未做任何處理，請稍後重新送出",
	}).retry(busyAfter)
}

// problemOf is what an error of an intent or of Redis means to whoever called. typ is the type
// of the intent, if it is known.
func problemOf(err error, typ tasks.Type) *Problem {
	var wrong *exactjson.Error
	var field *intents.FieldError
	var invalid *ecpay.ValidationError
	var keyless *enqueue.NoKeyError
	switch {
	case errors.As(err, &wrong):
		return jsonProblem(wrong)
	case errors.As(err, &field):
		return wrongField(field.Field, field.Problem)
	case errors.As(err, &invalid):
		return fieldsProblem(invalid, typ)
	case errors.Is(err, enqueue.ErrNotConfirmed):
		return newProblem(redisAway, record.Text{
			En: "it is stored, but not yet confirmed by as many replicas or disks as is asked for; send the same again, which is safe",
			Zh: "已儲存，但尚未獲得所要求的副本或磁碟確認；請重新送出相同的內容，重複送出是安全的",
		}).retry(awayAfter).because(err)
	case errors.Is(err, enqueue.ErrStuck):
		return newProblem(remnant, record.Text{
			En: "a remnant of an earlier task is in the way and nothing was stored; workers clear it away, send the same again",
			Zh: "先前任務的殘留資料尚未清除，未儲存任何內容；worker 會清除，請稍後重新送出",
		}).retry(60).because(err)
	case errors.As(err, &keyless):
		return newProblem(noKey, record.Text{En: keyless.Error(), Zh: keyless.ZhTW()}).because(err)
	case errors.Is(err, enqueue.ErrRedis), redishealth.ReasonOf(err) != "":
		return away(err)
	default:
		return newProblem(internal, record.Text{En: "the log of the API says why", Zh: "原因請見 API 的日誌"}).because(err)
	}
}

// jsonProblem tells what the whole text is from what a field has.
func jsonProblem(wrong *exactjson.Error) *Problem {
	text := record.Text{En: wrong.Error(), Zh: wrong.ZhTW()}
	switch {
	case wrong.Problem == exactjson.UnknownField, wrong.Problem == exactjson.Twice:
		return aboutName(newProblem(unknownField, text), wrong)
	case wrong.Field != "" && (wrong.Problem == exactjson.WrongType || wrong.Problem == exactjson.NotUTF8):
		return aboutName(newProblem(invalidField, text), wrong)
	default:
		return newProblem(invalidJSON, text)
	}
}

// aboutName adds the name that a problem is about, with what is said of it.
func aboutName(p *Problem, wrong *exactjson.Error) *Problem {
	said := about(wrong)
	p.Errors = []FieldProblem{{Field: wrong.Field, Message: said.En, MessageZh: said.Zh}}
	return p
}

// about is what is wrong with a field, without its name.
func about(wrong *exactjson.Error) record.Text {
	said := record.Text{
		En: strings.TrimPrefix(wrong.Error(), "field "+strconv.Quote(wrong.Field)+" "),
		Zh: strings.TrimPrefix(wrong.ZhTW(), "欄位「"+wrong.Field+"」"),
	}
	switch {
	case wrong.Problem == exactjson.UnknownField && wrong.Meant != "":
		said = record.Text{En: "is unknown: names are exact, it is " + strconv.Quote(wrong.Meant), Zh: "不存在：名稱大小寫須完全相同，應為「" + wrong.Meant + "」"}
	case wrong.Problem == exactjson.UnknownField:
		said = record.Text{En: "is unknown", Zh: "不存在"}
	}
	said.Zh = strings.TrimPrefix(said.Zh, "的 ") // of the name that is not there
	return said
}

// fieldsProblem lists every field of an intent that breaks a limit of ECPay's.
func fieldsProblem(invalid *ecpay.ValidationError, typ tasks.Type) *Problem {
	var list []FieldProblem
	var all record.Text
	for _, f := range invalid.Fields {
		one := FieldProblem{Field: f.Field, Message: f.Problem, MessageZh: f.ProblemZhTW()}
		for _, known := range typ.Fields {
			if known.Name == f.Field {
				one.Limit = known.Max
			}
		}
		list = append(list, one)
		all = all.And(record.Text{En: f.Error(), Zh: f.Field + " " + one.MessageZh})
	}
	p := newProblem(invalidField, all)
	p.Errors = list
	return p
}

// drainLimit is how much of a body is read that nobody wants, and drainTime how long: clients that
// write all of it before they read would meet a broken connection instead of the answer. It is a
// batch of some 300,000 triggers.
const drainLimit, drainTime = 64 << 20, 5 * time.Second

// refuse answers with a problem.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, p *Problem) {
	if p.Type == problemPrefix+redisAway.name && r.Method == http.MethodGet {
		p.Detail, p.DetailZh = "nothing can be read at the moment; ask again", "目前無法讀取，請稍後再試"
	}
	if p.Status >= http.StatusInternalServerError && r.Context().Err() == nil { // else the client is gone
		a.cfg.Logger.Warn().Err(p.cause).Str("path", r.URL.Path).Int("status", p.Status).
			Str("reason", string(redishealth.ReasonOf(p.cause))).Msg("request not served")
	}
	if r.Header.Get("Expect") == "" { // such a client has sent no body yet
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(drainTime))
		_, _ = io.CopyN(io.Discard, r.Body, drainLimit)
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="ecpayq"`)
	case http.StatusUnsupportedMediaType:
		h.Set("Accept-Post", wantedType(r))
	}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	writeJSON(w, p.Status, p)
}

// writeJSON answers with a value and its length.
func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // no value of ours is one that cannot be written
		panic(fmt.Errorf("write an answer: %w", err)) // the server logs it
	}
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	h.Set("Content-Length", strconv.Itoa(len(b)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}
