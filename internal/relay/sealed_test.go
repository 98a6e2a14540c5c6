package relay_test

import (
	"strings"
	"testing"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/relay"
	"github.com/ecpayq/ecpayq/internal/samples"
	"github.com/ecpayq/ecpayq/tasks/seal"
)

// keyed is a relay's client with these keys.
func (b *bench) keyed(keys *enqueue.PayloadKeys) func(*relay.Config) {
	b.Helper()
	client, err := enqueue.New(enqueue.Config{RedisURL: b.redis.URL(), PayloadKeys: keys})
	b.must(err)
	b.Cleanup(func() { _ = client.Close() })
	return func(c *relay.Config) { c.Client = client }
}

func TestARowOfABuyerStaysWhereTheRelayLacksTheKey(t *testing.T) {
	both(t, func(b *bench) {
		intent := `{"type":"b2c:issue","data":{"MerchantID":"2000132","RelateNumber":"SEALED1","CustomerEmail":"a@example.com","Print":"0",` +
			`"Donation":"0","TaxType":"1","SalesAmount":100,"InvType":"07","vat":"1","Items":[{"ItemSeq":1,"ItemName":"x","ItemCount":1,` +
			`"ItemWord":"x","ItemPrice":100,"ItemTaxType":"1","ItemAmount":100}]}}`
		b.insert(b.shop, intent)
		c := b.once(b.keyed(nil))
		rows := b.rows(false)
		if c.Stored != 0 || c.Wrong[relay.NoKey] != 1 || len(rows) != 1 || !strings.Contains(rows[0].Error, "ECPAYQ_PAYLOAD_KEY_FILE") {
			b.Fatalf("without a key: got %+v and the rows %+v", c, rows)
		}
		b.must(b.admin().Retry(b.Context(), rows[0].ID))
		if c := b.once(b.keyed(samples.PayloadKeys())); c.Stored != 1 {
			b.Fatalf("with a key: got %+v", c)
		}

		// The relay has another key than the one that sealed the earlier task.
		b.insert(b.shop, strings.Replace(intent, "a@example.com", "b@example.com", 1))
		other, err := seal.Parse([]byte(seal.NewKey()))
		b.must(err)
		c = b.once(b.keyed(other))
		if rows = b.rows(false); c.Duplicate != 0 || c.Wrong[relay.NoKey] != 1 || len(rows) != 1 ||
			!strings.Contains(rows[0].Error, samples.PayloadKeys().IDs()[0]) {
			b.Fatalf("with another key: got %+v and the rows %+v", c, rows)
		}
		b.must(b.admin().Retry(b.Context(), rows[0].ID))
		if c := b.once(b.keyed(samples.PayloadKeys())); c.Wrong[relay.Differs] != 1 {
			b.Errorf("with the key again: got %+v, want a row that differs", c)
		}
	})
}
