package record

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// ErrCursor means that a text is no cursor of outcomes: it was not made here, or is not whole.
var ErrCursor = errors.New("this is no cursor of outcomes; give back the one that came with the last outcome as it is, or none to begin")

const (
	maxCursor     = 32 << 10 // characters, enough for more than 1,000 merchants
	cursorVersion = 1
)

// positions are those that a reader has reached, by owner. An owner without one is at the
// beginning.
type positions map[string]position

// cursor is a text for them.
func (p positions) cursor() (string, error) {
	b := []byte{cursorVersion}
	for _, owner := range slices.Sorted(maps.Keys(p)) {
		if p[owner].seq == 0 {
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(owner)))
		b = append(b, owner...)
		b = binary.AppendUvarint(b, uint64(p[owner].ms))
		b = binary.AppendUvarint(b, uint64(p[owner].seq))
	}
	s := base64.RawURLEncoding.EncodeToString(b)
	if len(s) > maxCursor {
		return "", fmt.Errorf("a cursor over so many merchants has %d characters, %d are allowed: name the merchants, and read some at a time",
			len(s), maxCursor)
	}
	return s, nil
}

// parseCursor reads it. Only a text that [positions.cursor] makes is one.
func parseCursor(s string) (positions, error) {
	if len(s) > maxCursor {
		return nil, ErrCursor
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) == 0 || b[0] != cursorVersion {
		return nil, ErrCursor
	}
	p := positions{}
	for b = b[1:]; len(b) > 0; {
		if len(p) == maxOutcomeMerchants {
			return nil, ErrCursor
		}
		n, size := binary.Uvarint(b)
		if size <= 0 || n == 0 || n > uint64(len(b)-size) {
			return nil, ErrCursor
		}
		owner := string(b[size : size+int(n)])
		b = b[size+int(n):]
		var numbers [2]int64
		for i := range numbers {
			v, size := binary.Uvarint(b)
			if size <= 0 || v == 0 || v > maxPosition {
				return nil, ErrCursor
			}
			numbers[i], b = int64(v), b[size:]
		}
		p[owner] = position{numbers[0], numbers[1]}
	}
	if again, err := p.cursor(); err != nil || again != s {
		return nil, ErrCursor
	}
	return p, nil
}
