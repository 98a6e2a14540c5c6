package config

import (
	"fmt"
	"time"

	"github.com/ecpayq/ecpayq/internal/webhook"
)

// endpoint is one that outcomes are delivered to.
type endpoint struct {
	Name         string       `yaml:"name"`
	URL          string       `yaml:"url"`
	SecretFile   string       `yaml:"secret_file"`
	Merchants    []string     `yaml:"merchants"`
	States       []string     `yaml:"states"`
	Types        []string     `yaml:"types"`
	AllowPrivate bool         `yaml:"allow_private"`
	InFlight     yamlNumber   `yaml:"in_flight"`
	Interval     yamlDuration `yaml:"interval"`
}

// Webhooks reads the file, and the secrets of the endpoints in it.
func (c *Config) Webhooks() ([]webhook.Endpoint, error) { return c.webhooks(true) }

// WebhookNames reads the file, and no secret.
func (c *Config) WebhookNames() ([]webhook.Endpoint, error) { return c.webhooks(false) }

func (c *Config) webhooks(secrets bool) ([]webhook.Endpoint, error) {
	f, err := readYAML(c.File)
	if err != nil {
		return nil, err
	}
	list := make([]webhook.Endpoint, len(f.Webhooks))
	for i, e := range f.Webhooks {
		of := fmt.Sprintf("ECPAYQ_CONFIG: webhooks: endpoint %d", i+1)
		if e.Name != "" {
			of = "ECPAYQ_CONFIG: webhooks: endpoint " + e.Name
		}
		list[i] = webhook.Endpoint{
			Name: e.Name, Merchants: e.Merchants, States: e.States, Types: e.Types, AllowPrivate: e.AllowPrivate,
			InFlight: int(e.InFlight), Interval: time.Duration(e.Interval),
		}
		if list[i].URL, err = webhook.ParseURL(e.URL, e.AllowPrivate); err != nil {
			return nil, fmt.Errorf("%s: %w", of, err)
		}
		switch {
		case e.SecretFile == "":
			return nil, fmt.Errorf("%s: secret_file is missing; %w", of, webhook.ErrSecret)
		case secrets:
			text, err := readFile(of+": secret_file", e.SecretFile)
			if err != nil {
				return nil, err
			}
			if list[i].Secrets, err = webhook.ParseKeys(text); err != nil {
				return nil, fmt.Errorf("%s: secret_file %s: %w", of, e.SecretFile, err)
			}
		}
	}
	if err := webhook.Check(list, secrets); err != nil {
		return nil, fmt.Errorf("ECPAYQ_CONFIG: webhooks: %w", err)
	}
	return list, nil
}

func (f file) webhookFiles() []SecretFile {
	var list []SecretFile
	for _, e := range f.Webhooks {
		list = append(list, SecretFile{"webhook " + e.Name + ": secret_file", e.SecretFile})
	}
	return list
}
