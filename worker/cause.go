package worker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// errnoTexts are what may keep a connection from being made.
var errnoTexts = map[syscall.Errno]record.Text{
	syscall.ECONNREFUSED: {En: "connection refused", Zh: "連線遭拒"},
	syscall.ENETUNREACH:  {En: "network unreachable", Zh: "網路無法到達"},
	syscall.EHOSTUNREACH: {En: "no route to the host", Zh: "主機無法到達"},
}

// causeOf says in both languages what stood in the way of a request that has no answer of ECPay's. The error
// as Go words it is in the log. What is said by the verdict's reason is not said again.
func causeOf(e *ecpay.Error) record.Text {
	var turn noTurnError
	var away redisError
	if errors.As(e.Err, &turn) || errors.As(e.Err, &away) {
		return record.Text{}
	}
	text := record.Text{En: e.Op, Zh: e.Op}
	if e.HTTPStatus != 0 && e.HTTPStatus != 200 {
		text = text.About(record.Plain(fmt.Sprintf("HTTP %d", e.HTTPStatus)))
	}
	return text.About(causeText(e.Err))
}

func causeText(err error) record.Text {
	var network net.Error
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var op *net.OpError
	var errno syscall.Errno
	switch {
	case errors.Is(err, ErrUnknownMerchant):
		return record.Text{En: "no keys for this merchant", Zh: "沒有此特店的金鑰"}
	case errors.Is(err, errOver):
		return record.Text{En: errOver.Error(), Zh: "依系統時鐘，這次嘗試的時間已過：機器曾休眠，或時鐘經過調整"}
	case errors.Is(err, context.Canceled):
		return record.Text{En: "interrupted", Zh: "執行中斷"}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return record.Text{En: "no answer in time", Zh: "未在時限內收到回覆"}
	case errors.As(err, &name):
		return record.Text{En: "the name " + name.Name + " cannot be looked up", Zh: "無法查詢主機名稱 " + name.Name}
	case errors.As(err, &certificate):
		return record.Text{En: "the certificate of ECPay's address is not trusted", Zh: "綠界位址的憑證不受信任"}
	case errors.As(err, &op) && op.Op == "dial":
		text := record.Text{En: "ECPay cannot be reached", Zh: "無法連線至綠界"}
		if errors.As(err, &errno) {
			return text.About(errnoTexts[errno])
		}
		return text
	case errors.As(err, &network):
		return record.Text{En: "the connection to ECPay broke", Zh: "與綠界的連線中斷"}
	}
	// What is left is ours: it says what is wrong with an answer.
	return record.Text{En: err.Error(), Zh: "綠界的回覆無法判讀"}
}
