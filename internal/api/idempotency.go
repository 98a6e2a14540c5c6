package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/internal/auth"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// keyFor is how long an Idempotency-Key is remembered, and maxKey how long it may be.
const keyFor, maxKey = 24 * time.Hour, 255

// keep remembers for which intent a token sent an Idempotency-Key, before the intent is stored, and
// refuses the key with another one. The key decides nothing else: the intent's id does, also
// after the key is forgotten.
func (a *API) keep(ctx context.Context, who auth.Token, keys []string, body []byte) (forget func(), p *Problem) {
	key := keys[0]
	if len(keys) > 1 || key == "" || len(key) > maxKey || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil, wrongField("Idempotency-Key", record.Text{
			En: "must be one header of 1 to 255 visible ASCII characters", Zh: "須為單一標頭，1 至 255 個可見 ASCII 字元",
		})
	}
	var compact bytes.Buffer
	_ = json.Compact(&compact, body) // it was read as JSON before
	intent := fingerprint(compact.String())
	at := record.IdempotencyKey(fingerprint(who.Name, key))
	forget = func() { _ = a.cfg.Redis.Del(ctx, at).Err() } // else it is forgotten after a day
	set, err := a.cfg.Redis.SetNX(ctx, at, intent, keyFor).Result()
	if err != nil {
		return nil, away(err)
	}
	if set {
		return forget, nil
	}
	switch known, err := a.cfg.Redis.Get(ctx, at).Result(); {
	case errors.Is(err, redis.Nil): // it ended just now
		return forget, nil
	case err != nil:
		return nil, away(err)
	case known != intent:
		return nil, newProblem(keyReused, record.Text{
			En: "this Idempotency-Key was sent within 24 hours with another body; nothing was stored. " +
				"An intent is recognised by itself and needs no key",
			Zh: "24 小時內曾以此 Idempotency-Key 送出不同的內容，未儲存任何內容；任務依其內容辨識，不需要此鍵",
		})
	}
	return forget, nil
}

func fingerprint(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		sum := sha256.Sum256([]byte(p))
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}
