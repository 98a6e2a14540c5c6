package config

import (
	"errors"
	"fmt"
	"time"

	"github.com/ecpayq/ecpayq/internal/relay"
)

// ErrNoOutbox means that no table is configured.
var ErrNoOutbox = hint(errors.New("ECPAYQ_OUTBOX_URL is not set"),
	`set it, or ECPAYQ_OUTBOX_URL_FILE, to the shop's database, like "postgres://user:password@host:5432/shop"`)

// Outbox is the database whose table is relayed, nil for none.
func (c *Config) Outbox() (*relay.Database, error) {
	u, err := orFile(c.OutboxURL, "ECPAYQ_OUTBOX_URL_FILE", c.OutboxURLFile)
	if err != nil || u == "" {
		return nil, err
	}
	db, err := relay.ParseURL(u)
	if err != nil {
		return nil, fmt.Errorf("ECPAYQ_OUTBOX_URL: %w", err)
	}
	return db, nil
}

// CheckOutboxPoll checks the pause between two looks.
func (c *Config) CheckOutboxPoll() error {
	if c.OutboxPoll < 10*time.Millisecond || c.OutboxPoll > time.Minute {
		return wrong("ECPAYQ_OUTBOX_POLL is %s; it must be 10ms to 1m", c.OutboxPoll)
	}
	return nil
}

// MerchantIDs names the merchants that are configured, and reads no key. It is nil where none is.
func (c *Config) MerchantIDs() (map[string]bool, error) {
	f, err := readYAML(c.File)
	if err != nil {
		return nil, err
	}
	var known map[string]bool
	add := func(id string) {
		if known == nil {
			known = map[string]bool{}
		}
		known[id] = true
	}
	for _, m := range f.Merchants {
		add(m.MerchantID)
	}
	id, err := orFile(c.MerchantID, "ECPAYQ_MERCHANT_ID_FILE", c.MerchantIDFile)
	if err != nil {
		return nil, err
	}
	if id != "" {
		add(id)
	}
	return known, nil
}
