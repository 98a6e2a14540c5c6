package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/rs/zerolog"
	"github.com/urfave/cli/v3"
	"golang.org/x/term"

	"github.com/ecpayq/ecpayq/internal/app"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/internal/dashboard"
)

func (p *program) dashboardCommand() *cli.Command {
	return &cli.Command{
		Name: "dashboard", Usage: "serve a page of dead, waiting and scheduled tasks, with asynq's dashboard below it",
		Description: "Who may log in stands in the YAML file under dashboard, users. Without users nobody needs to,\n" +
			"and it listens on loopback addresses only. The file is read at the start: restart it to take a user out.",
		Flags: append(p.cfg.Flags(config.Reader),
			p.cfg.FlagOf("ECPAYQ_CONFIG"), p.cfg.FlagOf("ECPAYQ_RETENTION"), p.cfg.FlagOf("ECPAYQ_FINISH_TTL"),
			p.cfg.FlagOf("ECPAYQ_MERCHANT_INTERVAL"), p.cfg.FlagOf("ECPAYQ_EGRESS"),
			p.cfg.FlagOf("ECPAYQ_PAYLOAD_KEY_FILE"), p.cfg.FlagOf("ECPAYQ_PAYLOAD_PLAINTEXT"),
			p.cfg.FlagOf("ECPAYQ_REDIS_POOL"), p.cfg.FlagOf("ECPAYQ_REDIS_IDLE"), p.cfg.FlagOf("ECPAYQ_REDIS_IDLE_TIMEOUT"),
			p.cfg.FlagOf("ECPAYQ_LOG_LEVEL"), p.cfg.FlagOf("ECPAYQ_LOG_FORMAT"),
			&cli.StringFlag{Name: "addr", Value: "127.0.0.1:8980",
				Usage: "address to listen on; loopback only unless users are configured", Sources: p.cfg.EnvFlag("ECPAYQ_DASHBOARD_ADDR")},
			&config.BoolFlag{Name: "read-only", Usage: "refuse every change", Sources: p.cfg.EnvFlag("ECPAYQ_DASHBOARD_READ_ONLY")},
			&cli.StringFlag{Name: "tls-cert", Usage: "PEM file of the certificate, for https", Sources: p.cfg.EnvFlag("ECPAYQ_DASHBOARD_TLS_CERT")},
			&cli.StringFlag{Name: "tls-key", Usage: "PEM file of its key", Sources: p.cfg.EnvFlag("ECPAYQ_DASHBOARD_TLS_KEY")},
		),
		Action: func(ctx context.Context, c *cli.Command) error { return p.serveDashboard(ctx, c) },
		Commands: []*cli.Command{{
			Name: "password", Usage: "read a password and print its hash, for a user of the YAML file",
			Action: func(_ context.Context, c *cli.Command) error {
				if err := noArgs(c); err != nil {
					return err
				}
				return p.hashPassword()
			},
		}},
	}
}

// server is what a command that serves needs before it reads its part of the YAML file.
func (p *program) server(c *cli.Command) (log zerolog.Logger, redisURL string, err error) {
	if log, redisURL, err = p.process(c); err != nil {
		return log, "", err
	}
	if err := p.cfg.CheckConnections(); err != nil {
		return log, "", usageError{err}
	}
	return log, redisURL, nil
}

// process is what every command needs that runs until it is told to end.
func (p *program) process(c *cli.Command) (log zerolog.Logger, redisURL string, err error) {
	if err := errors.Join(noArgs(c), p.checkKept(c)); err != nil {
		return log, "", err
	}
	if log, err = p.logger(); err != nil {
		return log, "", err
	}
	if err := p.cfg.CheckRedisURL(); err != nil {
		return log, "", err
	}
	redisURL, err = p.cfg.ResolveRedisURL()
	return log, redisURL, err
}

func (p *program) serveDashboard(ctx context.Context, c *cli.Command) error {
	log, redisURL, err := p.server(c)
	if err != nil {
		return err
	}
	page, err := p.cfg.Page()
	if err != nil {
		return err
	}
	keys, err := p.cfg.PayloadKeys()
	if err != nil {
		return err
	}
	app.UseLogger(log)
	for _, text := range config.Exposed(append(p.cfg.PageSecretFiles(), config.SecretFile{Name: "tls-key", Path: c.String("tls-key")})) {
		log.Warn().Msg(text)
	}
	cfg := app.DashboardConfig{
		Connections: p.connections(),
		RedisURL:    redisURL, Addr: c.String("addr"), CertFile: c.String("tls-cert"), KeyFile: c.String("tls-key"),
		Page: dashboard.Config{
			ReadOnly: c.Bool("read-only"), Codes: page.Codes, Schedules: page.Schedules, Retention: p.cfg.Retention, FinishTTL: p.cfg.FinishTTL,
			Interval: page.Interval, Egress: p.cfg.Egress, PayloadKeys: keys, Logger: log,
		},
	}
	for _, u := range page.Users {
		cfg.Page.Users = append(cfg.Page.Users, dashboard.User{Name: u.Name, PasswordHash: u.PasswordHash, Role: dashboard.Role(u.Role)})
	}
	d, err := app.StartDashboard(cfg)
	if err != nil {
		return err
	}
	if dashboard.CheckAddr(cfg.Addr, nil) != nil && cfg.CertFile == "" {
		log.Warn().Msg("the dashboard is not on loopback and speaks no TLS: passwords travel in the clear unless a proxy before it does")
	}
	p.say("dashboard on %s", d.URL())
	for {
		select {
		case <-ctx.Done():
			return d.Stop()
		case <-p.reload:
			p.reloadPayloadKeys(keys, log)
			log.Warn().Msg("SIGHUP reads nothing but the payload keys here: restart the dashboard, so that it reads users, " +
				"schedules and codes again")
		}
	}
}

// hashPassword reads a line, from a terminal without showing it.
func (p *program) hashPassword() error {
	var password string
	if f, ok := p.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(p.err, "Password: ")
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(p.err)
		if err != nil {
			return fmt.Errorf("read password: %w", err)
		}
		password = string(b)
	} else {
		line, err := bufio.NewReader(io.LimitReader(p.in, 4096)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read password: %w", err)
		}
		password = strings.TrimRight(line, "\r\n")
	}
	hash, err := dashboard.HashPassword(password)
	if err != nil {
		return usageError{err}
	}
	fmt.Fprintln(p.out, hash)
	return nil
}
