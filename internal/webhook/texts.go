package webhook

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/ecpayq/ecpayq/tasks/record"
)

// disabledTexts say why an endpoint is disabled.
var disabledTexts = map[string]record.Text{
	DisabledGone:    {En: "it answered 410 Gone", Zh: "端點回應 410 Gone"},
	DisabledFailing: {En: "it has failed for three days, without one delivery", Zh: "端點連續失敗三天，沒有任何一次成功送達"},
	DisabledFull:    {En: "5,000 deliveries were given up, and more have no safe place", Zh: "已有 5,000 筆放棄的通知，無法再安全保存更多"},
}

// DisabledText says why an endpoint is disabled.
func DisabledText(why string) record.Text {
	if t, ok := disabledTexts[why]; ok {
		return t
	}
	return record.Text{En: why, Zh: why}
}

// Why an endpoint was not reached.
var (
	silent = record.Text{
		En: "the endpoint did not answer in time: 5 seconds for the connection, 15 seconds in all",
		Zh: "端點未在時限內回應：連線 5 秒，全部 15 秒",
	}
	nameless = record.Text{En: "the endpoint was not reached: its name is not known (DNS)", Zh: "無法連上端點：查無此網域名稱（DNS）"}
	closed   = record.Text{
		En: "the endpoint was not reached: nothing listens at its address and port", Zh: "無法連上端點：該位址與連接埠沒有程式接受連線",
	}
	pathless    = record.Text{En: "the endpoint was not reached: no way leads to its address", Zh: "無法連上端點：沒有路徑可達其位址"}
	hungUp      = record.Text{En: "the endpoint closed the connection without an answer", Zh: "端點未回應即關閉連線"}
	otherName   = record.Text{En: "the endpoint was not reached: its certificate is of another name", Zh: "無法連上端點：憑證的名稱不符"}
	uncertified = record.Text{
		En: "the endpoint was not reached: its certificate has expired, or is of an authority that this machine does not know",
		Zh: "無法連上端點：憑證已過期，或本機不認得其簽發機構",
	}
	noTLS = record.Text{
		En: "the endpoint was not reached: it does not speak TLS 1.2 or newer there", Zh: "無法連上端點：該處不支援 TLS 1.2 以上",
	}
	unreached = record.Text{
		En: "the endpoint was not reached, or its answer is none of HTTP", Zh: "無法連上端點，或其回應不是 HTTP",
	}
	answered    = record.Text{En: "the endpoint answered ", Zh: "端點回應 "}
	notFollowed = record.Text{
		En: ", which is not followed: give the address to which it leads", Zh: "，不會跟隨轉址：請改用它所指向的位址",
	}
	forbidden = record.Text{En: ErrAddress.Error(), Zh: "不會送往此位址：屬於私有網路、本機或保留範圍；若為私有網路，可用 allow_private: true 允許"}
)

// cause says why there was no answer. It has nothing of the error but the address that is refused: others
// repeat what was answered, or the address, whose path or query may be secret.
func cause(err error) record.Text {
	var timeout net.Error
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var header tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.Is(err, ErrAddress):
		_, why, _ := strings.Cut(err.Error(), ErrAddress.Error())
		return record.Text{En: forbidden.En + why, Zh: forbidden.Zh}
	case errors.As(err, &timeout) && timeout.Timeout():
		return silent
	case errors.As(err, &name):
		return nameless
	case errors.Is(err, syscall.ECONNREFUSED):
		return closed
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return pathless
	case errors.As(err, new(x509.HostnameError)):
		return otherName
	case errors.As(err, &certificate):
		return uncertified
	case errors.As(err, &header), errors.As(err, &alert):
		return noTLS
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return hungUp
	}
	return unreached
}

// textZh is the text of an [Answer] in Chinese. Redis keeps the English one, which older releases
// wrote in other words: those stay as they are.
func textZh(en string) string {
	if rest, ok := strings.CutPrefix(en, answered.En); ok {
		status, followed := strings.CutSuffix(rest, notFollowed.En)
		if followed {
			status += notFollowed.Zh
		}
		return answered.Zh + status
	}
	for _, t := range []record.Text{silent, nameless, closed, pathless, hungUp, otherName, uncertified, noTLS, unreached} {
		if en == t.En {
			return t.Zh
		}
	}
	if strings.HasPrefix(en, forbidden.En) {
		return forbidden.Zh
	}
	return en
}
