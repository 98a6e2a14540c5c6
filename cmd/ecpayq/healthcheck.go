package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
)

func (p *program) healthcheckCommand() *cli.Command {
	return &cli.Command{
		Name: "healthcheck", Usage: "ask the worker on this machine, or the dashboard at --admin-addr, whether it is ready; exit code 1 if not",
		Flags: []cli.Flag{p.cfg.FlagOf("ECPAYQ_ADMIN_ADDR")},
		Action: func(ctx context.Context, c *cli.Command) error {
			if err := noArgs(c); err != nil {
				return err
			}
			return p.healthcheck(ctx)
		},
	}
}

func (p *program) healthcheck(ctx context.Context) error {
	host, port, err := net.SplitHostPort(p.cfg.AdminAddr)
	if err != nil {
		return usageError{fmt.Errorf("ECPAYQ_ADMIN_ADDR is %q; it must be host:port", p.cfg.AdminAddr)}
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return usageError{err}
	}
	resp, err := (&http.Client{Transport: &http.Transport{}}).Do(req) // no proxy: it is this machine
	if err != nil {
		return fmt.Errorf("%s is not reachable: %w", p.cfg.AdminAddr, err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s is not ready: %s", p.cfg.AdminAddr, strings.TrimSpace(string(body)))
	}
	fmt.Fprintln(p.out, "ok")
	return nil
}
