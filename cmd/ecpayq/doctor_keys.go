package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ecpayq/ecpayq/worker/deadletter"
)

// doctorLooks is how many keys of Redis the doctor looks at; ecpayq keys status looks at all.
const doctorLooks = 20_000

// checkPayloadKeys reports the keys that seal data of buyers, by their ids, and whether something in
// Redis is sealed with another one. rdb is nil where Redis cannot be used.
func (p *program) checkPayloadKeys(ctx context.Context, rdb redis.UniversalClient) finding {
	f := finding{Check: "payload keys", Status: statusOK}
	keys, err := p.cfg.PayloadKeys()
	switch ids := keys.IDs(); {
	case err != nil:
		return failed(f.Check, err)
	case len(ids) > 0:
		f.Detail = "sealed with " + ids[0]
		if len(ids) > 1 {
			f.Detail += ", opened with " + strings.Join(ids[1:], ", ") + " too"
		}
	case p.cfg.PayloadPlaintext:
		f.Status, f.Detail = statusWarning, "data of buyers is stored readable, as ECPAYQ_PAYLOAD_PLAINTEXT asks for"
		f.Hint = "ecpayq keys rotate makes a file of keys for ECPAYQ_PAYLOAD_KEY_FILE; ecpayq keys reseal then seals what is stored"
		f.HintZH = "執行 ecpayq keys rotate 產生金鑰檔並以 ECPAYQ_PAYLOAD_KEY_FILE 指定，再以 ecpayq keys reseal 封存已儲存的內容"
	default:
		f.Detail = "none: types with data of buyers, like b2c:issue, are refused"
	}
	if rdb == nil {
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	missing, n, looked := map[string]int{}, 0, 0
	for stored, err := range deadletter.New(deadletter.Config{Redis: rdb}).Payloads(ctx, func(n int) { looked += n }) {
		if err != nil {
			f.Status, f.Detail = statusWarning, f.Detail+"; what is stored is not known: "+err.Error()
			return f
		}
		if stored.Key != "" && keys.Line(stored.Key) == 0 {
			missing[stored.Key]++
			n++
		}
		if looked > doctorLooks {
			break
		}
	}
	if n == 0 {
		return f
	}
	var list []string
	for key, n := range missing {
		list = append(list, fmt.Sprintf("%d with %s", n, key))
	}
	f.Status, f.Detail = statusFailed, f.Detail+"; stored and not to be opened here: "+some(list)
	f.Hint = "put the line with that key back into ECPAYQ_PAYLOAD_KEY_FILE; until then such tasks are held: " +
		"deploy/RUNBOOK.md has EcpayqPayloadKeyMissing"
	f.HintZH = "請將該金鑰的那一行放回 ECPAYQ_PAYLOAD_KEY_FILE；在此之前這些任務會保留不執行，參見 deploy/RUNBOOK.md 的 EcpayqPayloadKeyMissing"
	return f
}
