package worker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// goWords are of Go's own errors, which people are not to read.
var goWords = regexp.MustCompile(`dial tcp|Post "|lookup |context |tls:|x509|EOF|read tcp|i/o`)

func TestWhatStoodInTheWayIsToldInEachLanguageWithoutGosWords(t *testing.T) {
	t.Parallel()
	post := func(err error) error {
		return &url.Error{Op: http.MethodPost, URL: "https://einvoice.invalid", Err: err}
	}
	dial := func(err error) error { return post(&net.OpError{Op: "dial", Net: "tcp", Err: err}) }
	for want, err := range map[string]error{
		"ECPay cannot be reached: connection refused/無法連線至綠界：連線遭拒": dial(syscall.ECONNREFUSED),
		"ECPay cannot be reached/無法連線至綠界":                          dial(syscall.EINVAL),
		"the name einvoice.invalid cannot be looked up/無法查詢主機名稱 einvoice.invalid": dial(
			&net.DNSError{Name: "einvoice.invalid", Err: "no such host"}),
		"the certificate of ECPay's address is not trusted/綠界位址的憑證不受信任": post(
			&tls.CertificateVerificationError{Err: errors.New("x509: unknown")}),
		"no answer in time/未在時限內收到回覆":               post(context.DeadlineExceeded),
		"interrupted/執行中斷":                          post(context.Canceled),
		"the connection to ECPay broke/與綠界的連線中斷":    post(&net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}),
		"no keys for this merchant/沒有此特店的金鑰":        fmt.Errorf("%w: 3000002", ErrUnknownMerchant),
		"no ECPay envelope in the answer/綠界的回覆無法判讀": errors.New("no ECPay envelope in the answer"),
	} {
		got := causeOf(&ecpay.Error{Op: "B2C TriggerIssue", HTTPStatus: 502, Err: err})
		en, zh, _ := strings.Cut(want, "/")
		if want := (record.Text{En: "B2C TriggerIssue: HTTP 502: " + en, Zh: "B2C TriggerIssue：HTTP 502：" + zh}); got != want {
			t.Errorf("%v: got %q, want %q", err, got, want)
		}
		if goWords.MatchString(got.En + got.Zh) {
			t.Errorf("%v: %q has words of Go", err, got)
		}
	}
	if got := causeOf(&ecpay.Error{Err: noTurnError{}}); !got.IsZero() {
		t.Errorf("what waits for its turn: got %q, of which its reason says all", got)
	}
}

// What is stored is looked at, and not the table of reasons alone.
func TestTheReasonOfATaskThatECPayDidNotAnswerIsChineseInChinese(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]func(*world){
		"nothing listens": func(w *world) {
			w.base = &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
			w.giveUpAfter(time.Second)
		},
		"no keys": func(w *world) { w.keys.err = fmt.Errorf("%w: 2000132", ErrUnknownMerchant) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _, j := staged(t, "void")
			trouble(w)
			w.once(j)
			h := w.rdb.HGetAll(t.Context(), record.TaskKey(j.id)).Val()
			en, zh := h[record.FieldReason], h[record.FieldReasonZh]
			han := func(s string) bool {
				return strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) })
			}
			if en == "" || han(en) || !han(zh) || goWords.MatchString(en+zh) {
				t.Errorf("got %q and %q, want one in each language", en, zh)
			}
		})
	}
}
