package main

import (
	"context"
	"runtime"
	"runtime/debug"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v3"
)

func (p *program) versionCommand() *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "show the version, the commit, and the versions of Go and asynq",
		Flags: []cli.Flag{jsonFlag()},
		Action: func(_ context.Context, c *cli.Command) error {
			if err := noArgs(c); err != nil {
				return err
			}
			b := built()
			if !p.wantsTable(c) {
				return p.printJSON(b)
			}
			p.printTable(nil, []table.Row{{"version", b.Version}, {"commit", b.Commit}, {"Go", b.Go}, {"asynq", b.Asynq}})
			return nil
		},
	}
}

// build is what the binary was made of. Commit is "unknown" for one that was built
// outside a checkout, and ends in "+dirty" for one with changes that are in no commit.
type build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
	Asynq   string `json:"asynq"`
}

func built() build {
	b := build{Version: version, Commit: commit, Go: runtime.Version(), Asynq: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, m := range info.Deps {
		if m.Path == "github.com/hibiken/asynq" {
			b.Asynq = m.Version
		}
	}
	dirty := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && commit == "":
			b.Commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true" && commit == "":
			dirty = "+dirty"
		}
	}
	if b.Commit == "" {
		b.Commit = "unknown"
	} else {
		b.Commit += dirty
	}
	return b
}
