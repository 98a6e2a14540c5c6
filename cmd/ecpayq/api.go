package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/rs/zerolog"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/app"
	"github.com/ecpayq/ecpayq/internal/auth"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/internal/web"
	"github.com/ecpayq/ecpayq/worker/tracing"
)

func (p *program) apiCommand() *cli.Command {
	return &cli.Command{
		Name: "api", Usage: "serve the HTTP API, by which shops in any language enqueue, look and follow outcomes",
		Description: "Who may call stands in the YAML file under api, tokens; SIGHUP reads it, and the payload keys, again.\n" +
			"Without tokens nobody needs one, and it listens on loopback addresses only. GET /openapi.yaml describes every request.",
		Flags: append(p.cfg.Flags(config.Producer),
			p.cfg.FlagOf("ECPAYQ_CONFIG"), p.cfg.FlagOf("ECPAYQ_FINISH_TTL"),
			p.cfg.FlagOf("ECPAYQ_REDIS_POOL"), p.cfg.FlagOf("ECPAYQ_REDIS_IDLE"), p.cfg.FlagOf("ECPAYQ_REDIS_IDLE_TIMEOUT"),
			p.cfg.FlagOf("ECPAYQ_LOG_LEVEL"), p.cfg.FlagOf("ECPAYQ_LOG_FORMAT"),
			&cli.StringFlag{Name: "addr", Value: "127.0.0.1:8970",
				Usage: "address to listen on; loopback only unless tokens are configured", Sources: p.cfg.EnvFlag("ECPAYQ_API_ADDR")},
			&cli.StringFlag{Name: "tls-cert", Usage: "PEM file of the certificate, for https", Sources: p.cfg.EnvFlag("ECPAYQ_API_TLS_CERT")},
			&cli.StringFlag{Name: "tls-key", Usage: "PEM file of its key", Sources: p.cfg.EnvFlag("ECPAYQ_API_TLS_KEY")},
		),
		Action: func(ctx context.Context, c *cli.Command) error { return p.serveAPI(ctx, c) },
		Commands: []*cli.Command{{
			Name: "token", Usage: "make a token, and the lines of the YAML file by which it is accepted",
			Description: "The token is printed once and kept nowhere: the file has its hash.",
			Flags: []cli.Flag{
				jsonFlag(),
				&cli.StringFlag{Name: "name", Value: "shop", Usage: "whose it is, for the audit"},
				&cli.StringSliceFlag{Name: "merchant-id", Aliases: []string{"merchant"},
					Usage: "a merchant that it is for; may be given several times; * is all"},
				&cli.StringSliceFlag{Name: "may", Usage: "enqueue, read or operate; may be given several times (default: enqueue and read)"},
			},
			Action: func(_ context.Context, c *cli.Command) error { return p.makeToken(c) },
		}},
	}
}

// makeToken prints a token, and words around it where a person looks.
func (p *program) makeToken(c *cli.Command) error {
	if err := noArgs(c); err != nil {
		return err
	}
	token, hash := auth.New()
	t := auth.Token{Name: c.String("name"), Hash: hash, Merchants: c.StringSlice("merchant-id")}
	for _, r := range c.StringSlice("may") {
		t.May = append(t.May, auth.Right(r))
	}
	if len(t.May) == 0 {
		t.May = []auth.Right{auth.Enqueue, auth.Read}
	}
	if len(t.Merchants) == 0 {
		return usageError{fmt.Errorf("--merchant-id is required: the MerchantID that the token is for, or * for all")}
	}
	if _, err := auth.NewTokens([]auth.Token{t}); err != nil {
		return usageError{err}
	}
	if !p.wantsTable(c) {
		return p.printJSON(map[string]any{"token": token, "name": t.Name, "hash": t.Hash, "merchants": t.Merchants, "may": t.May})
	}
	var may []string
	for _, r := range t.May {
		may = append(may, string(r))
	}
	fmt.Fprintf(p.out, "token: %s\n\napi:\n  tokens:\n    - {name: %s, hash: %q, merchants: [%q], may: [%s]}\n",
		token, t.Name, t.Hash, strings.Join(t.Merchants, `", "`), strings.Join(may, ", "))
	p.say("give the token to the program, and put the lines into the file of ECPAYQ_CONFIG; the token is not shown again")
	return nil
}

func (p *program) serveAPI(ctx context.Context, c *cli.Command) error {
	log, redisURL, err := p.server(c)
	if err != nil {
		return err
	}
	cfg, err := p.apiConfig(ctx, c, log, redisURL)
	if err != nil {
		return err
	}
	app.UseLogger(log)
	a, err := app.StartAPI(cfg)
	if err != nil {
		return err
	}
	if !web.LoopbackName(cfg.Addr) && cfg.CertFile == "" {
		log.Warn().Msg("the API is not on loopback and speaks no TLS: tokens travel in the clear unless a proxy before it does")
	}
	p.say("API on %s", a.URL())
	for {
		select {
		case <-ctx.Done():
			return a.Stop()
		case <-p.reload:
			p.reloadTokens(a, log)
			p.reloadPayloadKeys(cfg.Enqueue.PayloadKeys, log)
		}
	}
}

func (p *program) apiConfig(ctx context.Context, c *cli.Command, log zerolog.Logger, redisURL string) (app.APIConfig, error) {
	file, err := p.cfg.API()
	if err != nil {
		return app.APIConfig{}, err
	}
	for _, text := range config.Exposed([]config.SecretFile{
		{Name: "tls-key", Path: c.String("tls-key")}, {Name: "ECPAYQ_PAYLOAD_KEY_FILE", Path: p.cfg.PayloadKeyFile},
	}) {
		log.Warn().Msg(text)
	}
	keys, err := p.cfg.PayloadKeys()
	if err != nil {
		return app.APIConfig{}, err
	}
	cfg := app.APIConfig{
		Enqueue: enqueue.Config{
			RedisURL: redisURL, Retention: p.cfg.Retention, Confirm: p.confirm(), Interval: file.Interval, PayloadKeys: keys,
		},
		Connections: p.connections(), FinishTTL: p.cfg.FinishTTL, Tokens: file.Tokens,
		Addr: c.String("addr"), CertFile: c.String("tls-cert"), KeyFile: c.String("tls-key"), Logger: log,
	}
	provider, err := p.traces.open(ctx)
	if err != nil {
		return cfg, err
	}
	if provider != nil {
		cfg.Enqueue.Trace = tracing.New(provider, nil).Producer
	}
	return cfg, nil
}

// reloadTokens takes the tokens of the file, or keeps those that are accepted.
func (p *program) reloadTokens(a *app.API, log zerolog.Logger) {
	file, err := p.cfg.API()
	if err == nil {
		err = a.SetTokens(file.Tokens)
	}
	if err != nil {
		log.Error().Err(err).Msg("tokens not read again; those from before stay")
		return
	}
	log.Info().Int("tokens", file.Tokens.Len()).Msg("tokens were read again")
}
