// Package auth knows who calls the HTTP API: tokens, whose they are and what they may do.
package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Right is what a token may do.
type Right string

// The rights.
const (
	Enqueue Right = "enqueue" // store intents
	Read    Right = "read"    // look at tasks and outcomes
	Operate Right = "operate" // cancel, replay and resolve tasks
)

// Rights lists them.
func Rights() []Right { return []Right{Enqueue, Read, Operate} }

// AllMerchants, as the only merchant of a token, is all of them.
const AllMerchants = "*"

// Token is one that is accepted, of which only the hash is known.
type Token struct {
	// Name is for people, in the audit and the log.
	Name string
	// Hash is "sha256:" and the SHA-256 of the token in hexadecimal.
	Hash string
	// Merchants are the MerchantIDs that it is for, or [AllMerchants].
	Merchants []string
	May       []Right
}

// Owns reports whether the token is for a merchant.
func (t Token) Owns(merchantID string) bool {
	return t.All() || slices.Contains(t.Merchants, merchantID)
}

// All reports whether it is for all merchants.
func (t Token) All() bool { return slices.Contains(t.Merchants, AllMerchants) }

// Can reports whether it has a right.
func (t Token) Can(r Right) bool { return slices.Contains(t.May, r) }

// Everything is a caller who needs no token.
func Everything(name string) Token {
	return Token{Name: name, Merchants: []string{AllMerchants}, May: Rights()}
}

const (
	prefix     = "ecpayq_"
	hashPrefix = "sha256:"
	tokenBytes = 32
	// maxToken is more than any token has.
	maxToken = 256
)

// New returns a token of 256 random bits, and its hash. So many cannot be guessed from the
// hash, however fast that is computed.
func New() (token, hash string) {
	b := make([]byte, tokenBytes)
	_, _ = rand.Read(b) // it never fails
	token = prefix + base64.RawURLEncoding.EncodeToString(b)
	return token, hashPrefix + hex.EncodeToString(sum(token))
}

func sum(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}

// Tokens are those that are accepted. It does not change.
type Tokens struct {
	tokens []Token
	hashes [][]byte
}

var (
	nameForm     = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	merchantForm = regexp.MustCompile(`^[A-Za-z0-9]{1,10}$`)
)

// NewTokens checks tokens. An error names the token or its place, and no hash.
func NewTokens(list []Token) (*Tokens, error) {
	t := &Tokens{tokens: list}
	names := map[string]bool{}
	for i, token := range list {
		if !nameForm.MatchString(token.Name) {
			return nil, fmt.Errorf("token %d: name must be 1 to 64 letters, digits, dots, hyphens and underscores", i+1)
		}
		h, err := token.check()
		if err != nil {
			return nil, fmt.Errorf("token %s: %w", token.Name, err)
		}
		if names[token.Name] {
			return nil, fmt.Errorf("token %s: two have this name", token.Name)
		}
		names[token.Name] = true
		for j, other := range t.hashes {
			if subtle.ConstantTimeCompare(h, other) == 1 {
				return nil, fmt.Errorf("token %s: it is the same as that of %s; make each with ecpayq api token", token.Name, list[j].Name)
			}
		}
		t.hashes = append(t.hashes, h)
	}
	return t, nil
}

func (t Token) check() (hash []byte, err error) {
	digits, ok := strings.CutPrefix(t.Hash, hashPrefix)
	hash, err = hex.DecodeString(digits)
	if !ok || err != nil || len(hash) != sha256.Size {
		return nil, errors.New(`hash must be "sha256:" and 64 hexadecimal digits, as ecpayq api token prints it`)
	}
	if len(t.Merchants) == 0 {
		return nil, errors.New(`merchants is required: MerchantIDs, or "*" for all`)
	}
	for _, m := range t.Merchants {
		switch {
		case m == AllMerchants && len(t.Merchants) == 1, merchantForm.MatchString(m):
		case m == AllMerchants:
			return nil, errors.New(`merchants has "*" beside others; "*" alone is all`)
		default:
			return nil, errors.New("merchants must be MerchantIDs of at most 10 letters and digits")
		}
	}
	if len(t.May) == 0 {
		return nil, errors.New("may is required: of enqueue, read and operate what it may do")
	}
	for i, r := range t.May {
		if slices.Contains(t.May[:i], r) {
			return nil, fmt.Errorf("may has %s twice", r)
		}
		if !slices.Contains(Rights(), r) {
			return nil, errors.New("may must be of enqueue, read and operate")
		}
	}
	return hash, nil
}

// Len is how many there are.
func (t *Tokens) Len() int { return len(t.tokens) }

// Bearer returns the token of an Authorization header, and whether it is one that is accepted.
// How long it takes does not tell how much of a token is right: hashes are compared, all of
// them, each in constant time.
func (t *Tokens) Bearer(header string) (Token, bool) {
	scheme, token, _ := strings.Cut(header, " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > maxToken {
		return Token{}, false
	}
	h, found := sum(token), -1
	for i := range t.hashes {
		if subtle.ConstantTimeCompare(h, t.hashes[i]) == 1 {
			found = i
		}
	}
	if found < 0 {
		return Token{}, false
	}
	return t.tokens[found], true
}
