package relay

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/exactjson"
	"github.com/ecpayq/ecpayq/internal/intents"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/tasks/seal"
)

// row is one that was claimed.
type row struct {
	id     int64
	intent sql.NullString
	// unconvertible is why the intent cannot be read as UTF-8.
	unconvertible error
	// size is that of the intent in bytes, -1 without one.
	size int64
	// processAt is "@" and seconds since 1970 in PostgreSQL, and the text itself in MySQL.
	processAt sql.NullString
	// age is how long ago it was inserted, in seconds.
	age float64
}

// Kind says in a word what is wrong with a row.
type Kind string

// The kinds.
const (
	InvalidJSON   Kind = "invalid-json"
	InvalidField  Kind = "invalid-field"
	TooLarge      Kind = "too-large"
	NoIntent      Kind = "no-intent"
	NoMerchant    Kind = "no-merchant"
	NoKey         Kind = "no-key"
	Differs       Kind = "differs"
	databaseError Kind = "database"
	redisError    Kind = "redis"
)

// Kinds are those of rows.
func Kinds() []Kind {
	return []Kind{InvalidJSON, InvalidField, TooLarge, NoIntent, NoMerchant, NoKey, Differs}
}

// wrong is why a row is no intent that can be stored.
type wrong struct {
	kind Kind
	record.Text
}

// item reads the row, or says what is wrong with it.
func (r row) item(d dialect) (enqueue.Item, *wrong) {
	switch {
	case r.unconvertible != nil:
		return enqueue.Item{}, &wrong{InvalidJSON, record.Text{
			En: "the database cannot give intent as UTF-8; write it as ASCII, which JSON can: \\uXXXX",
			Zh: "資料庫無法將 intent 轉為 UTF-8，請以 ASCII 寫入（JSON 的 \\uXXXX）",
		}}
	case r.size < 0:
		return enqueue.Item{}, &wrong{NoIntent, record.Text{En: "intent is NULL", Zh: "intent 為 NULL"}}
	case r.size > int64(intents.MaxSize):
		return enqueue.Item{}, &wrong{TooLarge, record.Text{
			En: fmt.Sprintf("intent has %d bytes, at most %d are allowed", r.size, intents.MaxSize),
			Zh: fmt.Sprintf("intent 有 %d 位元組，至多 %d", r.size, intents.MaxSize),
		}}
	}
	item, err := intents.Parse([]byte(strings.TrimSpace(r.intent.String)))
	if err != nil {
		return enqueue.Item{}, wrongIntent(err)
	}
	if !r.processAt.Valid {
		return item, nil
	}
	at, err := d.time(r.processAt.String)
	// A column holds times that no task can be put off to.
	if err != nil || at.Unix() < 0 || at.UTC().Year() > enqueue.LastYear {
		return enqueue.Item{}, wrongIntent(errTime)
	}
	item.Options = append(item.Options, enqueue.ProcessAt(at.UTC())) // the column counts more than the intent's own
	return item, nil
}

// wrongIntent says it in both languages.
func wrongIntent(err error) *wrong {
	var json *exactjson.Error
	var field *intents.FieldError
	var invalid *ecpay.ValidationError
	switch {
	case errors.As(err, &json):
		kind := InvalidJSON
		if json.Field != "" && json.Problem != exactjson.NotJSON {
			kind = InvalidField
		}
		return &wrong{kind, record.Text{En: err.Error(), Zh: json.ZhTW()}}
	case errors.As(err, &field):
		return &wrong{InvalidField, record.Text{En: field.Error(), Zh: field.Field + " " + field.Problem.Zh}}
	case errors.As(err, &invalid):
		var all record.Text
		for _, f := range invalid.Fields {
			all = all.And(record.Text{En: f.Error(), Zh: f.Field + " " + f.ProblemZhTW()})
		}
		return &wrong{InvalidField, all}
	}
	return &wrong{InvalidField, record.Text{En: err.Error(), Zh: "內容不正確：" + err.Error()}}
}

var errTime = &intents.FieldError{Field: "process_at", Problem: record.Text{
	En: "must be RFC 3339 with its zone, like 2026-01-31T09:00:00+08:00, from 1970 on and before the year 9999",
	Zh: "須為含時區的 RFC 3339 格式，例如 2026-01-31T09:00:00+08:00，介於西元 1970 年至 9998 年",
}}

// epochTime reads "@" and seconds since 1970.
func epochTime(text string) (time.Time, error) {
	seconds, err := strconv.ParseFloat(strings.TrimPrefix(text, "@"), 64)
	if err != nil || math.IsNaN(seconds) || seconds < 0 || seconds > 1e12 { // "infinity" is a time there
		return time.Time{}, errTime
	}
	return time.UnixMicro(int64(math.Round(seconds * 1e6))), nil
}

func textTime(text string) (time.Time, error) { return time.Parse(time.RFC3339, text) }

// judge says what is wrong with a row whose intent was taken to Redis; done means that Redis has it.
func judge(r enqueue.Result) (w *wrong, done bool) {
	var invalid *ecpay.ValidationError
	var keyless *enqueue.NoKeyError
	switch {
	case errors.As(r.Err, &invalid):
		return wrongIntent(r.Err), false
	case errors.As(r.Err, &keyless):
		return &wrong{NoKey, record.Text{En: keyless.Error(), Zh: keyless.ZhTW()}.And(record.Text{
			En: "then run ecpayq outbox retry", Zh: "之後執行 ecpayq outbox retry",
		})}, false
	case r.Err != nil: // Redis, or a remnant that workers clear away: the row stays as it is
		return nil, false
	case r.Receipt.Duplicate && len(r.Receipt.Differs) > 0:
		fields := strings.Join(r.Receipt.Differs, ", ")
		return &wrong{Differs, record.Text{
			En: fmt.Sprintf("the earlier task %s, which stands, differs in %s (%s)", r.Receipt.ID, fields, r.Receipt.State),
			Zh: fmt.Sprintf("先前的任務 %s 仍有效，但欄位 %s 不同（%s）", r.Receipt.ID, fields, r.Receipt.State),
		}}, false
	case r.Receipt.SealedBy != "": // the same, or another intent, which must not go with its row
		missing := &seal.KeyError{Key: r.Receipt.SealedBy}
		return &wrong{NoKey, record.Text{
			En: fmt.Sprintf("whether the earlier task %s, which stands, asks for the same is not known: it is %s; "+
				"put it there, then run ecpayq outbox retry", r.Receipt.ID, missing.Error()),
			Zh: fmt.Sprintf("無法得知先前的任務 %s（仍有效）內容是否相同：其%s；放回後執行 ecpayq outbox retry", r.Receipt.ID, missing.ZhTW()),
		}}, false
	}
	return nil, true
}
