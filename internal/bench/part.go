package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// The parts, each a process of its own.
const (
	partFake  = "fake"
	partOurs  = "worker"
	partPlain = "plain"
	partDelay = "delay"
	partAPI   = "api"
	partRelay = "relay"
	partRiver = "river"
)

// order is what a part is told on its standard input, in one line.
type order struct {
	RedisURL    string
	ECPayURL    string
	Concurrency int
	Servers     int // 0: as many as ecpayq itself would run
	// CheckInterval is how often a plain worker looks for tasks; 0 is asynq's default.
	CheckInterval time.Duration
	Delay         time.Duration // of a round trip to Redis
	Interval      time.Duration // between the requests of a merchant; 0 is none
	BanPause      time.Duration // 0: the default
	HTTPTimeout   time.Duration // 0: the default
	Sleepers      int           // 0: the default
	DatabaseURL   string        // of the outbox, or of River's jobs; empty for none
	Listen        bool          // whether the outbox is listened to
	Own           bool          // whether the API measures its own part of requests
}

// ready is what a part answers on its standard output, in one line.
type ready struct {
	URL     string // of the fake, or of Redis
	Servers int    // of a worker
	Admin   string // the address of ecpayq's metrics
	Error   string
}

// partLife bounds the life of a part whatever happens.
const partLife = time.Hour

// Part is a process of the bench: it does what it is told on in, answers on out
// and ends with in or ctx.
func Part(ctx context.Context, name string, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, partLife)
	defer cancel()
	lines := bufio.NewReader(in)
	text, err := lines.ReadBytes('\n')
	var o order
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	if err != nil {
		return fmt.Errorf("part %s: read order: %w", name, err)
	}
	go func() { // the bench has ended, or has no more use for us
		_, _ = io.Copy(io.Discard, lines)
		cancel()
	}()
	start := map[string]func(order) (ready, func(), error){
		partFake: startFake, partOurs: startOurs, partPlain: startPlain, partDelay: startDelay, partAPI: startAPIPart,
		partRelay: startRelay, partRiver: startRiver,
	}[name]
	if start == nil {
		return fmt.Errorf("no part %q", name)
	}
	r, stop, err := start(o)
	if err != nil {
		_ = json.NewEncoder(out).Encode(ready{Error: err.Error()})
		return err
	}
	defer stop()
	if err := json.NewEncoder(out).Encode(r); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// part is a part as the bench sees it.
type part struct {
	ready
	cmd  *exec.Cmd
	in   io.Closer
	done chan error
}

const (
	partStart = 20 * time.Second
	partStop  = 30 * time.Second
)

// start starts a part and returns when it is ready.
func (l *lab) start(ctx context.Context, name string, o order) (*part, error) {
	cmd := exec.Command(l.Command[0], append(l.Command[1:len(l.Command):len(l.Command)], name)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	// A worker logs as it would in production; nobody reads it.
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	cmd.Stderr = null
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &part{cmd: cmd, in: in, done: make(chan error, 1)}
	answer := make(chan ready, 1)
	go func() {
		var r ready
		if err := json.NewDecoder(out).Decode(&r); err != nil {
			r.Error = "no answer: " + err.Error()
		}
		answer <- r
		_, _ = io.Copy(io.Discard, out)
		p.done <- cmd.Wait()
	}()
	if err := json.NewEncoder(in).Encode(o); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), p.stop())
	}
	ctx, cancel := context.WithTimeout(ctx, partStart)
	defer cancel()
	select {
	case p.ready = <-answer:
		if p.Error != "" {
			return nil, errors.Join(fmt.Errorf("start %s: %s", name, p.Error), p.kill())
		}
		return p, nil
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, ctx.Err()), p.kill())
	}
}

// stop ends a part in order and waits for it.
func (p *part) stop() error {
	_ = p.in.Close()
	patience := time.NewTimer(partStop)
	defer patience.Stop()
	select {
	case err := <-p.done:
		return err
	case <-patience.C:
		_ = p.kill()
		return fmt.Errorf("a part did not end within %s", partStop)
	}
}

func (p *part) kill() error {
	_ = p.cmd.Process.Kill()
	<-p.done
	return nil
}
