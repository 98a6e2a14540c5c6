package webhook

import (
	"fmt"

	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/internal/asynqx"
)

// asynqLogger sends asynq's own log lines to zerolog. asynq calls Fatal nowhere; were it to, it
// must not end the process behind our back.
type asynqLogger struct{ log zerolog.Logger }

func (l asynqLogger) Debug(args ...any) { l.log.Debug().Msg(fmt.Sprint(args...)) }
func (l asynqLogger) Info(args ...any)  { l.log.Debug().Msg(fmt.Sprint(args...)) }
func (l asynqLogger) Warn(args ...any) {
	text := fmt.Sprint(args...)
	if asynqx.SaysExhausted(text) {
		l.log.Debug().Msg(text)
		return
	}
	l.log.Warn().Msg(text)
}

func (l asynqLogger) Error(args ...any) {
	text := fmt.Sprint(args...)
	if asynqx.SaysCannotSubscribe(text) {
		l.log.Debug().Msg(text)
		return
	}
	l.log.Error().Msg(text)
}
func (l asynqLogger) Fatal(args ...any) { l.log.Error().Msg(fmt.Sprint(args...)) }
