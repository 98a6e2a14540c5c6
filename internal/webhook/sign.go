package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
)

// Headers of Standard Webhooks.
const (
	headerID        = "webhook-id"
	headerTimestamp = "webhook-timestamp"
	headerSignature = "webhook-signature"
)

// Key signs.
type Key struct{ raw ecpay.Secret }

const (
	secretPrefix           = "whsec_"
	minSecret, maxSecret   = 24, 64 // bytes
	maxSecretsOfAnEndpoint = 4
)

// ErrSecret says what a secret looks like, and not what was given.
var ErrSecret = errors.New("a secret is whsec_ and 24 to 64 random bytes in base64 (A–Z, a–z, 0–9, + and /, = at the end); " +
	`make one with: printf 'whsec_%s\n' "$(openssl rand -base64 32)"`)

// ParseKey reads a secret.
func ParseKey(secret string) (Key, error) {
	text, ok := strings.CutPrefix(secret, secretPrefix)
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if !ok || err != nil || len(b) < minSecret || len(b) > maxSecret || strings.ContainsAny(text, "\r\n") {
		return Key{}, ErrSecret
	}
	return Key{ecpay.NewSecret(string(b))}, nil
}

// ParseKeys reads the secrets of an endpoint, one a line: what is signed has a signature of each,
// so that a receiver can exchange one for another.
func ParseKeys(text string) ([]Key, error) {
	var keys []Key
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		k, err := ParseKey(line)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	switch {
	case len(keys) == 0:
		return nil, ErrSecret
	case len(keys) > maxSecretsOfAnEndpoint:
		return nil, errors.New("there are more than 4 secrets; one is enough, and two while they are exchanged")
	}
	return keys, nil
}

// sign is the signature of one request: what is signed has its id and its time in it, so that
// neither can be exchanged.
func (k Key) sign(id string, at time.Time, body []byte) string {
	h := hmac.New(sha256.New, []byte(k.raw.Reveal()))
	h.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
	h.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// signatures are those of all keys, in one header.
func signatures(keys []Key, id string, at time.Time, body []byte) string {
	list := make([]string, len(keys))
	for i, k := range keys {
		list[i] = k.sign(id, at, body)
	}
	return strings.Join(list, " ")
}
