package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
)

// KeySize is the size of a key in bytes, for AES-256.
const KeySize = 32

// Ring holds the keys of a process. The first seals, and all open, so that a key is changed while
// everything runs. A nil Ring has none. It is safe for concurrent use, and prints as "***" however it
// is printed.
type Ring struct {
	plain bool
	keys  atomic.Pointer[[]key]
}

// Plaintext returns a ring without keys that stores payloads readable, for who asks for that by name.
func Plaintext() *Ring { return &Ring{plain: true} }

// ErrNoKeys means that a text has no key in it.
var ErrNoKeys = errors.New("there is no key in it: one key a line is wanted, each 32 random bytes in base64, 44 characters")

// Parse reads the text of a file of keys: one a line, each [KeySize] random bytes in the usual base64,
// which has 44 characters, the first for sealing. Empty lines, and lines that begin with #, are
// passed over. Errors name a line and quote nothing.
func Parse(text []byte) (*Ring, error) {
	var keys []key
	lines := map[string]int{}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		raw, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(raw) != KeySize {
			return nil, fmt.Errorf("line %d is no key: %d random bytes in base64 are wanted, 44 characters", n, KeySize)
		}
		k, err := newKey(raw)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if before := lines[k.id]; before > 0 {
			return nil, fmt.Errorf("lines %d and %d hold the same key, or keys of one id: take one out", before, n)
		}
		lines[k.id], k.line = n, n
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, ErrNoKeys
	}
	r := &Ring{}
	r.keys.Store(&keys)
	return r, nil
}

func newKey(raw []byte) (key, error) {
	block, err := aes.NewCipher(raw)
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return key{id: idOf(raw), aead: aead}, err
}

// idOf names a key without telling it: 8 hexadecimal digits of a SHA-256.
func idOf(raw []byte) string {
	sum := sha256.Sum256(append([]byte("ecpayq payload key\x00"), raw...))
	return hex.EncodeToString(sum[:4])
}

func isKeyID(s string) bool {
	return len(s) == 8 && strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'f') }) < 0
}

// NewKey returns a line with a new random key, for the top of a file, without its end.
func NewKey() string {
	raw := make([]byte, KeySize)
	_, _ = rand.Read(raw) // which never fails
	return base64.StdEncoding.EncodeToString(raw)
}

// IDs returns the ids of the keys in their order: 8 hexadecimal digits each, which tell nothing of
// the keys.
func (r *Ring) IDs() []string {
	var ids []string
	for _, k := range r.all() {
		ids = append(ids, k.id)
	}
	return ids
}

// Line is the line of the file, from 1, on which the key of an id stands; 0 for one that the ring
// does not have.
func (r *Ring) Line(id string) int {
	if k := r.byID(id); k != nil {
		return k.line
	}
	return 0
}

// Take replaces the keys by those of another ring. What is being sealed or opened goes on with those
// from before.
func (r *Ring) Take(other *Ring) {
	keys := other.all()
	r.keys.Store(&keys)
}

func (r *Ring) all() []key {
	if r == nil {
		return nil
	}
	if keys := r.keys.Load(); keys != nil {
		return *keys
	}
	return nil
}

func (r *Ring) byID(id string) *key {
	keys := r.all()
	for i := range keys {
		if keys[i].id == id {
			return &keys[i]
		}
	}
	return nil
}

const redacted = "***"

// String implements [fmt.Stringer].
func (*Ring) String() string { return redacted }

// Format implements [fmt.Formatter], so that no verb prints a key.
func (*Ring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// GoString implements [fmt.GoStringer].
func (*Ring) GoString() string { return redacted }

// LogValue implements [slog.LogValuer].
func (*Ring) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements [encoding.TextMarshaler]; JSON and YAML use it too.
func (*Ring) MarshalText() ([]byte, error) { return []byte(redacted), nil }
