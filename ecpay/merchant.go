package ecpay

import (
	"fmt"
	"io"
)

// Merchant is one MerchantID with the key pair that seals its requests. Make it
// by [NewMerchant].
type Merchant struct {
	id          string
	platformID  string
	fingerprint string
	codec       *Codec
}

// MerchantConfig describes a merchant.
type MerchantConfig struct {
	// MerchantID has at most 10 letters and digits.
	MerchantID string
	// PlatformID is sent along for a sub-merchant of a platform; empty for all others.
	PlatformID string
	// HashKey and HashIV have 16 bytes each. Whether a sub-merchant's requests are
	// sealed with the merchant's keys or with the platform's is not documented
	// for invoices: give the pair that ECPay named in the contract.
	HashKey, HashIV Secret
}

// NewMerchant checks the identifiers and key lengths and prepares the cipher.
func NewMerchant(cfg MerchantConfig) (*Merchant, error) {
	var c check
	c.merchantID(&cfg.MerchantID)
	if cfg.PlatformID != "" {
		c.matching("PlatformID", &cfg.PlatformID, 10, alnumChars, "letters and digits")
	}
	if len(c.fields) > 0 {
		return nil, fmt.Errorf("merchant: %w", c.fields[0])
	}
	codec, err := NewCodec(cfg.HashKey, cfg.HashIV)
	if err != nil {
		return nil, fmt.Errorf("merchant %s: %w", cfg.MerchantID, err)
	}
	return &Merchant{
		id: cfg.MerchantID, platformID: cfg.PlatformID,
		fingerprint: Fingerprint(cfg.HashKey, cfg.HashIV), codec: codec,
	}, nil
}

// ID returns the MerchantID.
func (m *Merchant) ID() string { return m.id }

// PlatformID returns the PlatformID, empty for an ordinary merchant.
func (m *Merchant) PlatformID() string { return m.platformID }

// KeyFingerprint names the key pair without telling it, see [Fingerprint].
func (m *Merchant) KeyFingerprint() string { return m.fingerprint }

// Format implements [fmt.Formatter]: the MerchantID, whatever the verb.
func (m *Merchant) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "merchant "+m.id) }
