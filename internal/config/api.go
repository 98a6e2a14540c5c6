package config

import (
	"fmt"
	"time"

	"github.com/ecpayq/ecpayq/internal/auth"
)

// apiToken is one that the HTTP API accepts.
type apiToken struct {
	Name      string   `yaml:"name"`
	Hash      string   `yaml:"hash"`
	Merchants []string `yaml:"merchants"`
	May       []string `yaml:"may"`
}

// API is what the HTTP API reads of the file, and no key.
type API struct {
	Tokens *auth.Tokens
	// Interval is a merchant's own, or the one of all.
	Interval func(merchantID string) time.Duration
}

// API reads the file.
func (c *Config) API() (API, error) {
	if err := c.CheckMerchantInterval(); err != nil {
		return API{}, err
	}
	f, err := readYAML(c.File)
	if err != nil {
		return API{}, err
	}
	page, err := c.pageOf(f) // what is wrong elsewhere in the file is said here too
	if err != nil {
		return API{}, err
	}
	var list []auth.Token
	for _, t := range f.API.Tokens {
		token := auth.Token{Name: t.Name, Hash: t.Hash, Merchants: t.Merchants}
		for _, r := range t.May {
			token.May = append(token.May, auth.Right(r))
		}
		list = append(list, token)
	}
	tokens, err := auth.NewTokens(list)
	if err != nil {
		return API{}, fmt.Errorf("ECPAYQ_CONFIG: api: %w", err)
	}
	return API{Tokens: tokens, Interval: page.Interval}, nil
}
