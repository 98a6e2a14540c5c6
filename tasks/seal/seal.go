// Package seal keeps the data of buyers unreadable in Redis. A payload of a type with
// [tasks.Type.BuyerData] is stored sealed, by AES-256-GCM of the standard library, with a key that
// only processes have:
//
//	{"Sealed":1,"Key":"0a1b2c3d","Data":"…"}
//
// Sealed is the version of this form, Key the id of the key ([Ring.IDs]), and Data, in base64, a
// random nonce of 12 bytes, the sealed JSON of the payload and a tag of 16. The tag covers the
// task's type and id too, so that what is copied to another task does not open there. Random nonces
// are good for 2³² payloads with one key: far more than shops have, and a key is easily changed.
//
// Sealed says nothing of when and how often: ids, times, sizes and results are stored as those of
// any task.
package seal

import (
	"bytes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/ecpayq/ecpayq/internal/exactjson"
	"github.com/ecpayq/ecpayq/tasks"
)

// version is that of the stored form.
const version = 1

// form is what is stored.
type form struct {
	Sealed int
	Key    string
	Data   string
}

// begin is how every stored form begins. No payload has a field of this name.
var begin = []byte(`{"Sealed":`)

// KeyError means that a payload is sealed with a key that the ring does not have. Another process
// may have it.
type KeyError struct{ Key string }

// Error implements error.
func (e *KeyError) Error() string {
	return "sealed with the payload key " + e.Key + ", which is not in ECPAYQ_PAYLOAD_KEY_FILE"
}

// ZhTW is [KeyError.Error] in the Chinese of Taiwan.
func (e *KeyError) ZhTW() string {
	return "內容以金鑰 " + e.Key + " 封存，ECPAYQ_PAYLOAD_KEY_FILE 沒有這把金鑰"
}

// NoKeyError means that a payload is to be stored sealed and that there is no key. Nothing was stored.
type NoKeyError struct{ Type string }

// Error implements error.
func (e *NoKeyError) Error() string {
	return e.Type + " holds data of buyers, which is stored sealed, and there is no key: name a file of keys by " +
		"ECPAYQ_PAYLOAD_KEY_FILE (ecpayq keys rotate makes one), or set ECPAYQ_PAYLOAD_PLAINTEXT=true to store it readable"
}

// ZhTW is [NoKeyError.Error] in the Chinese of Taiwan.
func (e *NoKeyError) ZhTW() string {
	return e.Type + " 含有買方資料，須封存後才能儲存，但沒有金鑰：請以 ECPAYQ_PAYLOAD_KEY_FILE 指定金鑰檔（ecpayq keys rotate 可產生），" +
		"或設定 ECPAYQ_PAYLOAD_PLAINTEXT=true 以明文儲存"
}

// Encode returns the stored form of a payload: that of [tasks.Encode], sealed where its type has data
// of buyers. Without a key such a one is a [*NoKeyError], unless the ring is [Plaintext].
func (r *Ring) Encode(p tasks.Payload) ([]byte, error) {
	b, err := tasks.Encode(p)
	t := tasks.TypeOf(p)
	if err != nil || !t.BuyerData || r != nil && r.plain {
		return b, err
	}
	keys := r.all()
	if len(keys) == 0 {
		return nil, &NoKeyError{t.Name}
	}
	return keys[0].seal(tasks.ID(p), t.Name, b)
}

// Decode is the inverse of [Ring.Encode], for the bytes stored for a task, that may be anything: see
// [tasks.Decode] and [Ring.Open] for its errors. What is not sealed is read as it is, whatever the
// type: a producer may have been told to store it so.
func (r *Ring) Decode(id, typeName string, headers map[string]string, stored []byte) (tasks.Payload, error) {
	b, err := r.Open(id, typeName, stored)
	if err != nil {
		return nil, err
	}
	return tasks.Decode(typeName, headers, b)
}

// Open returns the JSON of what is stored for a task, and what is not sealed as it is. An error
// is a [*KeyError], or wraps [tasks.ErrNewerSchema] or, of what was damaged or belongs to another task,
// [tasks.ErrCorrupt].
func (r *Ring) Open(id, typeName string, stored []byte) ([]byte, error) {
	f, sealed, err := parse(stored)
	if !sealed || err != nil {
		return stored, err
	}
	k := r.byID(f.Key)
	if k == nil {
		return nil, &KeyError{f.Key}
	}
	return k.open(id, typeName, f.Data)
}

// KeyOf returns the id of the key with which stored bytes are sealed, and whether they are.
func KeyOf(stored []byte) (id string, sealed bool) {
	f, sealed, err := parse(stored)
	return f.Key, sealed && err == nil
}

// Reseal returns what is stored for a task, sealed with the first key, or nil where it is so already,
// or is of no type that is sealed. Without a key it is a [*NoKeyError].
func (r *Ring) Reseal(id, typeName string, stored []byte) ([]byte, error) {
	keys := r.all()
	if len(keys) == 0 {
		return nil, &NoKeyError{typeName}
	}
	key, sealed := KeyOf(stored)
	if t, _ := tasks.ByName(typeName); key == keys[0].id || !sealed && !t.BuyerData {
		return nil, nil
	}
	b, err := r.Open(id, typeName, stored)
	if err != nil {
		return nil, err
	}
	return keys[0].seal(id, typeName, b)
}

// maxStored bounds what is read: base64 has four characters for three bytes.
func maxStored() int { return tasks.MaxPayload()/3*4 + 256 }

// parse takes a stored form apart. sealed is false for anything that does not begin as one.
func parse(stored []byte) (f form, sealed bool, err error) {
	if !bytes.HasPrefix(stored, begin) {
		return form{}, false, nil
	}
	if len(stored) > maxStored() {
		return form{}, true, fmt.Errorf("%w: %d bytes, sealed, at most %d", tasks.ErrCorrupt, len(stored), maxStored())
	}
	if err := exactjson.Unmarshal(stored, &f); err != nil {
		var newer struct{ Sealed int }
		if json.Unmarshal(stored, &newer) == nil && newer.Sealed > version {
			return form{}, true, newerForm(newer.Sealed)
		}
		return form{}, true, fmt.Errorf("%w: sealed: %w", tasks.ErrCorrupt, err)
	}
	switch {
	case f.Sealed > version:
		return form{}, true, newerForm(f.Sealed)
	case f.Sealed != version || !isKeyID(f.Key):
		return form{}, true, fmt.Errorf("%w: sealed in no form that there ever was", tasks.ErrCorrupt)
	}
	return f, true, nil
}

func newerForm(n int) error {
	return fmt.Errorf("%w: sealed in form %d, this one knows %d", tasks.ErrNewerSchema, n, version)
}

// bound is what the tag covers beside the payload.
func bound(id, typeName string) []byte {
	return []byte("ecpayq payload " + strconv.Itoa(version) + "\x00" + typeName + "\x00" + id)
}

func (k *key) seal(id, typeName string, payload []byte) ([]byte, error) {
	data := k.aead.Seal(nil, nil, payload, bound(id, typeName)) // which begins with a random nonce
	return json.Marshal(form{version, k.id, base64.StdEncoding.EncodeToString(data)})
}

// errTag says that the tag does not fit: nothing else is known of what was changed.
var errTag = errors.New("the sealed payload was changed, or belongs to another task")

func (k *key) open(id, typeName, text string) ([]byte, error) {
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: sealed: Data is no base64", tasks.ErrCorrupt)
	}
	payload, err := k.aead.Open(nil, nil, data, bound(id, typeName))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", tasks.ErrCorrupt, errTag)
	}
	return payload, nil
}

// key is one of a ring.
type key struct {
	id   string
	line int // of the file, from 1
	aead cipher.AEAD
}
