package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/worker"
)

// file is the YAML file.
type file struct {
	Platforms []platform       `yaml:"platforms"`
	Merchants []merchant       `yaml:"merchants"`
	Codes     []codeRow        `yaml:"codes"`
	Schedules []replaySchedule `yaml:"schedules"`
	Dashboard struct {
		Users []User `yaml:"users"`
	} `yaml:"dashboard"`
	API struct {
		Tokens []apiToken `yaml:"tokens"`
	} `yaml:"api"`
	Webhooks []endpoint `yaml:"webhooks"`
}

type keyPair struct {
	HashKey     secret `yaml:"hash_key"`
	HashKeyFile string `yaml:"hash_key_file"`
	HashIV      secret `yaml:"hash_iv"`
	HashIVFile  string `yaml:"hash_iv_file"`
}

type platform struct {
	PlatformID string `yaml:"platform_id"`
	keyPair    `yaml:",inline"`
}

type merchant struct {
	MerchantID string `yaml:"merchant_id"`
	PlatformID string `yaml:"platform_id"`
	// Keys is "merchant" (default) or "platform": whose pair seals the requests.
	Keys               string `yaml:"keys"`
	keyPair            `yaml:",inline"`
	TsrIsRelateNumber  *bool         `yaml:"tsr_is_relate_number"`
	RetriggerScheduled *bool         `yaml:"retrigger_scheduled"`
	Interval           *yamlDuration `yaml:"interval"`
}

// secret takes any scalar: a key of digits only is no number.
type secret struct{ ecpay.Secret }

// UnmarshalYAML implements [yaml.Unmarshaler].
func (s *secret) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: a key must be one word of text", n.Line)
	}
	s.Secret = ecpay.NewSecret(n.Value)
	return nil
}

func readYAML(path string) (file, error) {
	var f file
	if path == "" {
		return f, nil
	}
	b, err := readRegular(path, maxYAMLFile)
	if err != nil {
		return f, hintForFile(fmt.Errorf("ECPAYQ_CONFIG: %w", err))
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return f, hint(fmt.Errorf("ECPAYQ_CONFIG: %s: %s", path, yamlProblem(b, err)), "the README shows every field of the file")
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return f, hint(fmt.Errorf("ECPAYQ_CONFIG: %s holds more than one YAML document", path), "the README shows every field of the file")
	}
	return f, nil
}

func (k keyPair) load(who string) (key, iv ecpay.Secret, err error) {
	one := func(name string, inline ecpay.Secret, path string) ecpay.Secret {
		switch {
		case err != nil:
			return ecpay.Secret{}
		case !inline.IsZero() && path != "":
			err = fmt.Errorf("%s: give %s or %s_file, not both", who, name, name)
		case !inline.IsZero():
			return inline
		case path == "":
			err = fmt.Errorf("%s: %s or %s_file is required", who, name, name)
		default:
			var v string
			if v, err = readFile(who+": "+name+"_file", path); err == nil {
				return ecpay.NewSecret(v)
			}
		}
		return ecpay.Secret{}
	}
	key = one("hash_key", k.HashKey.Secret, k.HashKeyFile)
	iv = one("hash_iv", k.HashIV.Secret, k.HashIVFile)
	return key, iv, err
}

// Directory is what configuration knows of merchants and codes. Its answers
// change when it is reloaded. It is a [worker.KeyProvider].
type Directory struct {
	cfg     *Config
	current atomic.Pointer[map[string]worker.Merchant]
	// Codes is the code table as it was at the start.
	Codes *ecpay.Codes
}

// Open reads the merchants and codes.
func (c *Config) Open() (*Directory, error) {
	d := &Directory{cfg: c}
	merchants, codes, err := c.read()
	if err != nil {
		return nil, err
	}
	d.current.Store(&merchants)
	d.Codes = codes
	return d, nil
}

// Reload reads everything again. With an error, the old answers stay.
func (d *Directory) Reload() error {
	merchants, _, err := d.cfg.read()
	if err == nil {
		d.current.Store(&merchants)
	}
	return err
}

// Merchant implements [worker.KeyProvider].
func (d *Directory) Merchant(_ context.Context, id string) (worker.Merchant, error) {
	if m, ok := (*d.current.Load())[id]; ok {
		return m, nil
	}
	return worker.Merchant{}, fmt.Errorf("%w: %s", worker.ErrUnknownMerchant, id)
}

// Len is how many merchants there are.
func (d *Directory) Len() int { return len(*d.current.Load()) }

// All returns the merchants by MerchantID.
func (d *Directory) All() []worker.Merchant {
	byID := *d.current.Load()
	all := make([]worker.Merchant, 0, len(byID))
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		all = append(all, byID[id])
	}
	return all
}

func (c *Config) read() (map[string]worker.Merchant, *ecpay.Codes, error) {
	f, err := readYAML(c.File)
	if err != nil {
		return nil, nil, err
	}
	codes, err := f.codes()
	if err != nil {
		return nil, nil, err
	}
	if _, err := f.schedules(); err != nil {
		return nil, nil, err
	}
	all := map[string]worker.Merchant{}
	add := func(cfg ecpay.MerchantConfig, tsr, retrigger bool, interval *time.Duration) error {
		m, err := ecpay.NewMerchant(cfg)
		if err != nil {
			return hint(err, "MerchantID, HashKey (%d bytes) and HashIV (%d bytes) stand in the merchant back office under 電子發票",
				ecpay.KeyLength, ecpay.KeyLength)
		}
		if _, twice := all[m.ID()]; twice {
			return hint(fmt.Errorf("merchant %s is configured twice", m.ID()), "keep one entry for each MerchantID; ECPAYQ_MERCHANT_ID counts too")
		}
		all[m.ID()] = worker.Merchant{Merchant: m, TsrIsRelateNumber: tsr, RetriggerScheduled: retrigger, Interval: interval}
		return nil
	}
	if cfg, ok, err := c.single(); err != nil {
		return nil, nil, err
	} else if ok {
		if err := add(cfg, c.TsrIsRelateNumber, c.RetriggerScheduled, nil); err != nil {
			return nil, nil, err
		}
	}
	platforms := map[string]keyPair{}
	for _, p := range f.Platforms {
		if _, twice := platforms[p.PlatformID]; twice || p.PlatformID == "" {
			return nil, nil, fmt.Errorf("ECPAYQ_CONFIG: platform %q is there twice or has no platform_id", p.PlatformID)
		}
		platforms[p.PlatformID] = p.keyPair
	}
	for _, m := range f.Merchants {
		cfg, err := m.config(platforms)
		if err != nil {
			return nil, nil, fmt.Errorf("ECPAYQ_CONFIG: %w", err)
		}
		if m.Interval != nil && *m.Interval < 0 {
			return nil, nil, wrong("ECPAYQ_CONFIG: merchant %s: interval is %s; it must not be negative, and 0s is none",
				m.MerchantID, time.Duration(*m.Interval))
		}
		if err := add(cfg, or(m.TsrIsRelateNumber, c.TsrIsRelateNumber),
			or(m.RetriggerScheduled, c.RetriggerScheduled), (*time.Duration)(m.Interval)); err != nil {
			return nil, nil, err
		}
	}
	if len(all) == 0 {
		return nil, nil, hint(errors.New("no merchant is configured"),
			"set ECPAYQ_MERCHANT_ID with ECPAYQ_HASH_KEY_FILE and ECPAYQ_HASH_IV_FILE, or ECPAYQ_CONFIG")
	}
	return all, codes, nil
}

func or(v *bool, def bool) bool {
	if v == nil {
		return def
	}
	return *v
}

func (m merchant) config(platforms map[string]keyPair) (ecpay.MerchantConfig, error) {
	who := "merchant " + m.MerchantID
	pair := m.keyPair
	switch m.Keys {
	case "", "merchant":
	case "platform":
		var ok bool
		if pair, ok = platforms[m.PlatformID]; !ok {
			return ecpay.MerchantConfig{}, fmt.Errorf("%s: keys: platform, but platform %q is not under platforms", who, m.PlatformID)
		}
		who = "platform " + m.PlatformID
	default:
		return ecpay.MerchantConfig{}, fmt.Errorf("%s: keys is %q; it must be merchant or platform", who, m.Keys)
	}
	key, iv, err := pair.load(who)
	return ecpay.MerchantConfig{MerchantID: m.MerchantID, PlatformID: m.PlatformID, HashKey: key, HashIV: iv}, err
}

// single is the one merchant of the environment.
func (c *Config) single() (cfg ecpay.MerchantConfig, ok bool, err error) {
	value := func(env, direct, path string) string {
		switch {
		case err != nil:
			return ""
		case direct != "" && path != "":
			err = fmt.Errorf("give %s or %s_FILE, not both", env, env)
			return ""
		case path != "":
			var v string
			v, err = readFile(env+"_FILE", path)
			return v
		}
		return direct
	}
	fromEnv := func(env string) string { v, _ := c.Env(env); return v }
	cfg.MerchantID = value("ECPAYQ_MERCHANT_ID", c.MerchantID, c.MerchantIDFile)
	cfg.PlatformID = value("ECPAYQ_PLATFORM_ID", c.PlatformID, c.PlatformIDFile)
	cfg.HashKey = ecpay.NewSecret(value("ECPAYQ_HASH_KEY", fromEnv("ECPAYQ_HASH_KEY"), c.HashKeyFile))
	cfg.HashIV = ecpay.NewSecret(value("ECPAYQ_HASH_IV", fromEnv("ECPAYQ_HASH_IV"), c.HashIVFile))
	if err != nil {
		return cfg, false, err
	}
	if cfg.MerchantID == "" {
		if !cfg.HashKey.IsZero() || !cfg.HashIV.IsZero() {
			return cfg, false, errors.New("ECPAYQ_HASH_KEY or ECPAYQ_HASH_IV is set, but not ECPAYQ_MERCHANT_ID")
		}
		return cfg, false, nil
	}
	for name, s := range map[string]ecpay.Secret{"ECPAYQ_HASH_KEY": cfg.HashKey, "ECPAYQ_HASH_IV": cfg.HashIV} {
		if s.IsZero() {
			return cfg, false, hint(fmt.Errorf("%s is required with ECPAYQ_MERCHANT_ID", name), "set %s_FILE to a file that holds it", name)
		}
	}
	return cfg, true, nil
}
