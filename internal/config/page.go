package config

import (
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/worker/schedule"
)

// User may log in to the dashboard.
type User struct {
	Name string `yaml:"name"`
	// PasswordHash is bcrypt's.
	PasswordHash string `yaml:"password_hash"`
	// Role is viewer or operator.
	Role string `yaml:"role"`
}

// Page is what programs without keys read of the file: the dashboard need not be
// able to read the files that hold them.
type Page struct {
	Users     []User
	Schedules []schedule.Entry
	Codes     *ecpay.Codes
	// Interval is a merchant's own, or the one of all.
	Interval func(merchantID string) time.Duration
}

// Page reads the file, and no key.
func (c *Config) Page() (Page, error) {
	if err := c.CheckMerchantInterval(); err != nil {
		return Page{}, err
	}
	f, err := readYAML(c.File)
	if err != nil {
		return Page{}, err
	}
	return c.pageOf(f)
}

func (c *Config) pageOf(f file) (p Page, err error) {
	p.Users = f.Dashboard.Users
	if p.Codes, err = f.codes(); err != nil {
		return Page{}, err
	}
	if p.Schedules, err = f.schedules(); err != nil {
		return Page{}, err
	}
	own := map[string]time.Duration{}
	for _, m := range f.Merchants {
		if m.Interval != nil {
			own[m.MerchantID] = time.Duration(*m.Interval)
		}
	}
	p.Interval = func(merchantID string) time.Duration {
		if d, ok := own[merchantID]; ok {
			return d
		}
		return c.MerchantInterval
	}
	return p, nil
}
