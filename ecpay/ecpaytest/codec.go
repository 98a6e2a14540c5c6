package ecpaytest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
)

// keys are one HashKey and HashIV.
type keys struct{ key, iv []byte }

// newKeys returns the keys of a pair of strings of 16 bytes.
func newKeys(key, iv string) keys { return keys{key: []byte(key), iv: []byte(iv)} }

// seal turns JSON into the text of a Data field: URL-encoding, AES-128-CBC with PKCS#7 padding, Base64 (documented).
func (k keys) seal(text []byte) string {
	return base64.StdEncoding.EncodeToString(k.encrypt([]byte(phpURLEncode(string(text)))))
}

// open turns the text of a Data field back into what was sealed. It takes upper- and lower-case escapes, `+` and `%20`
// for a space, and characters left bare, as the live service does (recorded). What is JSON as it stands was never encoded,
// and means what it says (our choice).
func (k keys) open(data string) ([]byte, error) {
	sealed, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return nil, err
	}
	encoded, err := k.decrypt(sealed)
	if err != nil {
		return nil, err
	}
	if bytes.ContainsAny(encoded, `{["`) && json.Valid(encoded) {
		return encoded, nil
	}
	text, err := url.QueryUnescape(string(encoded))
	if err != nil {
		return nil, err
	}
	return []byte(text), nil
}

func (k keys) encrypt(text []byte) []byte {
	pad := aes.BlockSize - len(text)%aes.BlockSize
	out := append(bytes.Clone(text), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(k.block(), k.iv).CryptBlocks(out, out)
	return out
}

func (k keys) decrypt(sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || len(sealed)%aes.BlockSize != 0 {
		return nil, errors.New("ciphertext is not a whole number of blocks")
	}
	out := make([]byte, len(sealed))
	cipher.NewCBCDecrypter(k.block(), k.iv).CryptBlocks(out, sealed)
	pad := int(out[len(out)-1])
	if pad == 0 || pad > aes.BlockSize || !bytes.HasSuffix(out, bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, errors.New("wrong padding")
	}
	return out[:len(out)-pad], nil
}

// block returns the cipher. The length of the key was checked by Config.Validate, and nothing else can fail.
func (k keys) block() cipher.Block {
	block, err := aes.NewCipher(k.key)
	if err != nil {
		panic(err)
	}
	return block
}

// phpURLEncode encodes as PHP's urlencode does: letters, digits and - _ . stay, a space becomes +, the rest becomes
// upper-case escapes. Go's QueryEscape differs in the tilde alone.
func phpURLEncode(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "~", "%7E")
}
