package ecpay

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "***"

// Secret holds a HashKey or HashIV. However it is printed, logged or
// marshalled it reads "***"; [Secret.Reveal] is the one way to the value.
//
// The value sits behind a pointer, so that fmt prints no more than an address
// even where a Secret is an unexported field of a printed struct and its
// methods cannot be called.
type Secret struct{ value *string }

// NewSecret returns a Secret that holds value.
func NewSecret(value string) Secret { return Secret{&value} }

// Reveal returns the value, "" for the zero Secret.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether there is no value.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// Equal compares two secrets in constant time.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// Fingerprint names a key pair without telling it: 8 hexadecimal digits of a
// SHA-256 over both. Equal pairs have equal fingerprints.
func Fingerprint(key, iv Secret) string {
	sum := sha256.Sum256([]byte("ecpayq key fingerprint\x00" + key.Reveal() + "\x00" + iv.Reveal()))
	return hex.EncodeToString(sum[:4])
}

// String implements [fmt.Stringer].
func (Secret) String() string { return redacted }

// Format implements [fmt.Formatter], so that no verb prints the value.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// GoString implements [fmt.GoStringer].
func (Secret) GoString() string { return redacted }

// LogValue implements [slog.LogValuer].
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements [encoding.TextMarshaler]; JSON and YAML use it too.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
