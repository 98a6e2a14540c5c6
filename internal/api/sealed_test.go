package api_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks/seal"
)

// issue is an intent with data of a buyer.
const issue = `{"type":"b2c:issue","data":{"MerchantID":"2000132","RelateNumber":"SEALED1","CustomerEmail":"a@example.com","Print":"0",` +
	`"Donation":"0","TaxType":"1","SalesAmount":100,"InvType":"07","vat":"1","Items":[{"ItemSeq":1,"ItemName":"x","ItemCount":1,` +
	`"ItemWord":"x","ItemPrice":100,"ItemTaxType":"1","ItemAmount":100}]}}`

func TestAnAPIWithoutTheKeySaysSo(t *testing.T) {
	t.Parallel()
	const noKey = "urn:ecpayq:problem:no-key"
	var keys seal.Ring // of the API, without one at first
	b := benchWith(t, func(c *enqueue.Config) { c.PayloadKeys = &keys })
	a := b.post("/v1/intents", issue)
	if p := b.problem(a); a.StatusCode != 503 || p.Type != noKey || !strings.Contains(p.Detail, "ECPAYQ_PAYLOAD_KEY_FILE") {
		t.Errorf("an intent without a key: got %d and %+v, want 503 and %s", a.StatusCode, p, noKey)
	}
	all, sum := b.results(bytes.NewReader(b.post("/v1/intents/batch", issue+"\n"+trigger+"\n").body))
	if len(all) != 2 || all[0].Problem != noKey || all[1].Problem != "" || sum.Summary.Stored != 1 {
		t.Errorf("a batch without a key: got %+v and %+v", all, sum)
	}

	keys.Take(samples.PayloadKeys())
	id := b.enqueued(issue)
	other, err := seal.Parse([]byte(seal.NewKey()))
	b.must(err)
	keys.Take(other)
	a = b.post("/v1/intents", issue)
	if a.StatusCode != 200 || !strings.Contains(string(a.body), `"sealed_by":"`+samples.PayloadKeys().IDs()[0]+`"`) {
		t.Errorf("the same with another key: got %d and %s", a.StatusCode, a.body)
	}
	b.dies(id)
	a = b.post("/v1/tasks/"+id+"/replay", `{"set":{"CustomerEmail":"b@example.com"}}`)
	if p := b.problem(a); a.StatusCode != 503 || p.Type != noKey || !strings.Contains(p.Detail, samples.PayloadKeys().IDs()[0]) {
		t.Errorf("a correction with another key: got %d and %+v, want 503 and %s", a.StatusCode, p, noKey)
	}
	keys.Take(samples.PayloadKeys())
	if a = b.post("/v1/tasks/"+id+"/replay", `{"set":{"CustomerEmail":"b@example.com"}}`); a.StatusCode != 200 {
		t.Errorf("a correction with the key: got %d and %s", a.StatusCode, a.body)
	}
}
