package ecpay

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrUnreadable is wrapped by every error about a Data field that does not
// decrypt or decode.
var ErrUnreadable = errors.New("data is unreadable")

// KeyLength is the length of a HashKey and of a HashIV, in bytes.
const KeyLength = 16

// Codec seals and opens the Data field of ECPay's envelope with one merchant's
// key pair: JSON, URL encoding, AES-128-CBC with PKCS#7 padding and a static
// IV, base64 (developers.ecpay.com.tw ?p=22160 for B2C, ?p=29371 for B2B). It
// is safe for concurrent use.
//
// CBC carries no authentication: a wrong HashIV garbles only the first block
// without any padding error. TLS is the only integrity protection, which is
// why [Codec.Open] also insists on JSON.
type Codec struct {
	block cipher.Block
	iv    [aes.BlockSize]byte
}

// NewCodec returns the codec of one key pair. Both must be 16 bytes.
func NewCodec(key, iv Secret) (*Codec, error) {
	if n := len(key.Reveal()); n != KeyLength {
		return nil, fmt.Errorf("HashKey has %d bytes, want %d", n, KeyLength)
	}
	if n := len(iv.Reveal()); n != KeyLength {
		return nil, fmt.Errorf("HashIV has %d bytes, want %d", n, KeyLength)
	}
	block, err := aes.NewCipher([]byte(key.Reveal()))
	if err != nil {
		return nil, err
	}
	c := &Codec{block: block}
	copy(c.iv[:], iv.Reveal())
	return c, nil
}

// Seal returns the Data field for a JSON text.
func (c *Codec) Seal(jsonText []byte) string {
	// Escaping triples a byte at most; padding adds one block at most.
	buf := make([]byte, 0, 3*len(jsonText)+aes.BlockSize)
	buf = appendEscaped(buf, jsonText)
	pad := aes.BlockSize - len(buf)%aes.BlockSize
	for range pad {
		buf = append(buf, byte(pad))
	}
	cipher.NewCBCEncrypter(c.block, c.iv[:]).CryptBlocks(buf, buf)
	return base64.StdEncoding.EncodeToString(buf)
}

// Open returns the JSON text of a Data field. It accepts upper and lower case
// hexadecimal, "+" or "%20" for a space, line breaks and missing padding in the
// base64 text, and a JSON text that was never URL-encoded, which it leaves as it is. Errors wrap
// [ErrUnreadable] and hold nothing of the data.
func (c *Codec) Open(data string) ([]byte, error) {
	raw, err := decodeBase64(data)
	if err != nil {
		return nil, fmt.Errorf("%w: not base64", ErrUnreadable)
	}
	if len(raw) == 0 || len(raw)%aes.BlockSize != 0 {
		return nil, fmt.Errorf("%w: %d bytes are no whole number of AES blocks", ErrUnreadable, len(raw))
	}
	cipher.NewCBCDecrypter(c.block, c.iv[:]).CryptBlocks(raw, raw)
	pad := int(raw[len(raw)-1])
	if pad == 0 || pad > aes.BlockSize || !isPadding(raw[len(raw)-pad:]) {
		return nil, fmt.Errorf("%w: bad padding, most likely another HashKey", ErrUnreadable)
	}
	text := raw[:len(raw)-pad]
	// What begins with an escape, as it nearly always does, is no JSON by itself. What is
	// JSON was never encoded: its "+" and "%41" mean themselves.
	if !bytes.HasPrefix(text, []byte("%")) && json.Valid(text) {
		return text, nil
	}
	if unescaped, ok := unescape(text, text); ok && json.Valid(unescaped) {
		return unescaped, nil
	}
	return nil, fmt.Errorf("%w: not JSON, most likely another HashIV", ErrUnreadable)
}

func isPadding(tail []byte) bool {
	return !slices.ContainsFunc(tail, func(b byte) bool { return int(b) != len(tail) })
}

func decodeBase64(s string) ([]byte, error) {
	s = strings.TrimRight(strings.TrimSpace(s), "=")
	return base64.RawStdEncoding.DecodeString(s) // skips \r and \n by itself
}

const upperHex = "0123456789ABCDEF"

// appendEscaped escapes as PHP's urlencode does, which ECPay's own SDK uses:
// letters, digits and "-_." stay, a space becomes "+", all else is %XX in upper
// case. [url.QueryEscape] differs in "~" only; this one also saves a copy.
func appendEscaped(dst, src []byte) []byte {
	for _, b := range src {
		switch {
		case bare[b]:
			dst = append(dst, b)
		case b == ' ':
			dst = append(dst, '+')
		default:
			dst = append(dst, '%', upperHex[b>>4], upperHex[b&15])
		}
	}
	return dst
}

// unescape undoes [appendEscaped], and any other URL encoding of a query, as
// [url.QueryUnescape] does; false if src is none. dst has room for src, and may be
// src.
func unescape(dst, src []byte) ([]byte, bool) {
	n := 0
	for i := 0; i < len(src); i++ {
		b := src[i]
		switch b {
		case '%':
			if i+2 >= len(src) {
				return nil, false
			}
			high, low := hexValue[src[i+1]], hexValue[src[i+2]]
			if high|low > 15 {
				return nil, false
			}
			b = high<<4 | low
			i += 2
		case '+':
			b = ' '
		}
		dst[n] = b
		n++
	}
	return dst[:n], true
}

// hexValue is the value of a hexadecimal digit, and more than 15 of another byte.
var hexValue = func() (t [256]byte) {
	for i := range t {
		switch b := byte(i); {
		case '0' <= b && b <= '9':
			t[i] = b - '0'
		case 'A' <= b && b <= 'F':
			t[i] = b - 'A' + 10
		case 'a' <= b && b <= 'f':
			t[i] = b - 'a' + 10
		default:
			t[i] = 255
		}
	}
	return t
}()

// bare are the bytes that URL encoding leaves as they are.
var bare = func() (t [256]bool) {
	for i := range t {
		b := byte(i)
		t[i] = 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '-' || b == '_' || b == '.'
	}
	return t
}()

// marshalData is JSON as ECPay compares it: no HTML escaping, no trailing line
// break.
func marshalData(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(buf.Bytes(), "\n"), nil
}
