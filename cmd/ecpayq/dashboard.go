package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/internal/app"
	"github.com/ecpayq/ecpayq/internal/config"
)

func (p *program) dashboardCommand() *cli.Command {
	return &cli.Command{
		Name: "dashboard", Usage: "serve asynq's dashboard on this machine: see tasks, run dead ones",
		Flags: append(p.cfg.Flags(config.Reader),
			p.cfg.FlagOf("ECPAYQ_LOG_LEVEL"), p.cfg.FlagOf("ECPAYQ_LOG_FORMAT"),
			&cli.StringFlag{Name: "addr", Value: "127.0.0.1:8980", Usage: "loopback address to listen on", Sources: p.cfg.EnvFlag("ECPAYQ_DASHBOARD_ADDR")},
			&cli.BoolFlag{Name: "read-only", Usage: "refuse every change", Sources: p.cfg.EnvFlag("ECPAYQ_DASHBOARD_READ_ONLY")},
		),
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := noArgs(c); err != nil {
				return err
			}
			log, err := p.logger()
			if err != nil {
				return err
			}
			if err := p.cfg.CheckRedisURL(); err != nil {
				return err
			}
			redisURL, err := p.cfg.ResolveRedisURL()
			if err != nil {
				return err
			}
			app.UseLogger(log)
			d, err := app.StartDashboard(redisURL, c.String("addr"), c.Bool("read-only"), log)
			if err != nil {
				return err
			}
			fmt.Fprintf(p.err, "ecpayq: dashboard on %s\n", d.URL())
			<-ctx.Done()
			return d.Stop()
		},
	}
}
