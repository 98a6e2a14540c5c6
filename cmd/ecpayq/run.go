package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/enqueue"
	"github.com/ecpayq/ecpayq/internal/app"
	"github.com/ecpayq/ecpayq/internal/config"
	"github.com/ecpayq/ecpayq/internal/dashboard"
	"github.com/ecpayq/ecpayq/internal/redishealth"
	"github.com/ecpayq/ecpayq/internal/relay"
	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/merchants"
	"github.com/ecpayq/ecpayq/worker/tracing"
)

// streams is the outside world.
type streams struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) (string, bool)
	reload   <-chan os.Signal
}

// Exit codes.
const (
	exitOK        = 0
	exitFailure   = 1
	exitUsage     = 2
	exitNotStored = 3 // of enqueue: the earlier task, which stands, is dead or differs
	exitFindings  = 4 // of reconcile and tracks: there is something to look at
)

// triedError is an error of a command that ran. Whatever else comes back is a
// mistake on the command line, in a flag or in a variable.
type triedError struct{ error }

func (e triedError) Unwrap() error { return e.error }

func tried(err error) error {
	if err == nil {
		return nil
	}
	return triedError{err}
}

// usageError is a mistake on the command line: nothing was tried.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// silentError ends with exit code 1 and says nothing: the output said it.
var errSilent = errors.New("")

// run is the whole program. Data goes to out, words for people to err.
func run(ctx context.Context, args []string, s streams) int {
	app.UseLogger(zerolog.Nop()) // go-redis would write to stderr by itself; what matters comes back as an error
	p, root := newRoot(s)
	args, err := resolve(root, args)
	if err == nil {
		err = root.Run(ctx, args)
	}
	var usage usageError
	var invalid *ecpay.ValidationError
	if err != nil && !errors.As(err, new(triedError)) && !errors.As(err, &usage) {
		err = usageError{mistake(nil, err)}
	}
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errNotStored):
		printError(s.err, err)
		return exitNotStored
	case errors.Is(err, errFindings):
		return exitFindings
	case errors.Is(err, errSilent):
		return exitFailure
	case errors.As(err, &usage), errors.As(err, &invalid):
		printError(s.err, err)
		return exitUsage
	default:
		printError(s.err, p.lookAgain(ctx, err))
		return exitFailure
	}
}

func printError(w io.Writer, err error) {
	sayLines(w, "ecpayq: error: "+record.PlainError(err).Error())
	if h := hintFor(err); h != "" {
		sayLines(w, "hint: "+h)
	}
	if h := redisHint(err); h.Zh != "" {
		sayLines(w, "hint: "+h.Zh)
	}
}

// redisHint is the advice about an error of Redis, in both languages; empty for others.
func redisHint(err error) record.Text {
	if database := (*relay.DatabaseError)(nil); errors.As(err, &database) {
		return record.Text{}
	}
	h := redishealth.HintFor(err)
	stored := errors.Is(err, enqueue.ErrRedis)
	if h == (record.Text{}) && stored {
		h = redishealth.General()
	}
	if stored {
		h.En += "; running the same command again is safe"
		h.Zh += "；重新執行相同的指令是安全的"
	}
	return h
}

// lookAgain finds out more about an error of Redis than it says, for a second or two.
func (p *program) lookAgain(ctx context.Context, err error) error {
	if redishealth.ReasonOf(err) == "" {
		return err
	}
	u, bad := p.cfg.ResolveRedisURL()
	if bad != nil {
		return err
	}
	o, bad := enqueue.ParseRedisURL(u)
	if bad != nil {
		return err
	}
	o.MaxRetries, o.DialTimeout, o.ReadTimeout, o.ContextTimeoutEnabled = -1, time.Second, time.Second, true
	rdb := redis.NewUniversalClient(o)
	defer rdb.Close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	return redishealth.Diagnose(ctx, rdb, err)
}

// hintFor is advice for errors that have a known way out.
func hintFor(err error) string {
	var h *config.Hint
	var usage usageError
	var invalid *ecpay.ValidationError
	var gap *enqueue.OutcomeGapError
	switch {
	case errors.As(err, &h):
		return h.Text
	case errors.As(err, &invalid):
		return "nothing was stored; mend " + strings.Join(flagsOf(err), ", ")
	case errors.As(err, &gap):
		return "ecpayq outcomes --after " + gap.Next
	case errors.Is(err, enqueue.ErrStuck):
		return "ecpayq dead replay ID brings it back"
	case errors.Is(err, enqueue.ErrNotConfirmed):
		return "the task is stored and workers may run it; running the same command again waits again"
	case errors.Is(err, deadletter.ErrNotFound):
		return "ecpayq dead list shows what is dead; a task that asynq archived by itself shows up within a minute or two"
	case errors.Is(err, merchants.ErrNotFound):
		return "ecpayq merchant list shows those for which something was sent lately or that are held"
	case errors.Is(err, app.ErrRedisTooOld):
		return "upgrade Redis to " + app.MinRedis + " or newer"
	case errors.Is(err, dashboard.ErrPublicAddress):
		return "listen on 127.0.0.1 and reach it by an SSH tunnel, or configure users (dashboard, users in the file of ECPAYQ_CONFIG)"
	case errors.Is(err, app.ErrPublicAPI):
		return "listen on 127.0.0.1, or make a token: ecpayq api token --merchant-id ID prints what to put into the file of ECPAYQ_CONFIG"
	case errors.Is(err, record.ErrNotFound):
		return "ecpayq enqueue prints ids; what is finished is forgotten after ECPAYQ_RETENTION"
	case errors.As(err, &usage):
		return "ecpayq help, or COMMAND --help, lists commands and flags"
	}
	return redisHint(err).En
}

// flagsOf are the flags of the fields that an error is about.
func flagsOf(err error) []string {
	var invalid *ecpay.ValidationError
	if !errors.As(err, &invalid) {
		return nil
	}
	flags := make([]string, len(invalid.Fields))
	for i, f := range invalid.Fields {
		flags[i] = "--" + tasks.FlagName(f.Field)
	}
	return flags
}

func newRoot(s streams) (*program, *cli.Command) {
	p := &program{streams: s, cfg: &config.Config{Env: s.env}}
	p.traces = newTraces(s)
	root := &cli.Command{
		Name:    "ecpayq",
		Usage:   "durable job queue worker for ECPay delayed-issue e-invoices (綠界科技電子發票)",
		Version: version,
		Reader:  s.in, Writer: s.out, ErrWriter: s.err,
		Commands: []*cli.Command{
			p.workerCommand(), p.enqueueCommand(), p.queryCommand(), p.taskCommand(), p.deadCommand(), p.keysCommand(), p.merchantCommand(),
			p.scheduleCommand(), p.reconcileCommand(), p.tracksCommand(),
			p.outcomesCommand(), p.webhookCommand(), p.outboxCommand(), p.auditCommand(), p.dashboardCommand(), p.apiCommand(), p.doctorCommand(),
			p.healthcheckCommand(), p.versionCommand(),
		},
		Before:         func(ctx context.Context, _ *cli.Command) (context.Context, error) { p.ctx = ctx; return ctx, nil },
		ExitErrHandler: func(context.Context, *cli.Command, error) {}, // run decides
		After:          func(ctx context.Context, _ *cli.Command) error { p.traces.flush(ctx); return nil },
	}
	asUsage(root)
	return p, root
}

// asUsage makes every mistake on the command line a [usageError], and a command
// that is only a group list its members.
func asUsage(c *cli.Command) {
	c.OnUsageError = func(_ context.Context, c *cli.Command, err error, _ bool) error { return usageError{mistake(c, err)} }
	strict(c.Flags)
	if action := c.Action; action != nil {
		c.Action = func(ctx context.Context, c *cli.Command) error {
			if err := looseTruth(c); err != nil {
				return err
			}
			return tried(action(ctx, c))
		}
	} else {
		c.Action = func(_ context.Context, c *cli.Command) error {
			if c.Args().Present() {
				return noCommand(c, c.FullName(), c.Args().First())
			}
			if c.Root() == c {
				return cli.ShowAppHelp(c)
			}
			return usageError{fmt.Errorf("%s needs a command: %s", c.FullName(), strings.Join(names(c.Commands), ", "))}
		}
	}
	for _, sub := range c.Commands {
		asUsage(sub)
	}
}

func names(commands []*cli.Command) []string {
	var list []string
	for _, c := range commands {
		if c.Name != "help" {
			list = append(list, c.Name)
		}
	}
	return list
}

// called are the words that mean a command: names and aliases.
func called(commands []*cli.Command) []string {
	var list []string
	for _, c := range commands {
		list = append(list, c.Names()...)
	}
	return list
}

// program is what the commands share.
type program struct {
	streams
	cfg    *config.Config
	traces *traces
	ctx    context.Context // of the command, for what waits before it begins
	redis  *redisErrors    // that withRedis met
}

// noArgs refuses stray arguments, which are most often a forgotten "--".
func noArgs(c *cli.Command) error {
	if c.Args().Present() {
		return usageError{fmt.Errorf("unexpected argument %q", c.Args().First())}
	}
	return nil
}

// confirm is what a producer waits for after a task, and a worker after a mark.
func (p *program) confirm() enqueue.Confirm {
	return enqueue.Confirm{Replicas: p.cfg.ConfirmReplicas, Disk: p.cfg.ConfirmDisk}
}

// client opens the producer's client.
func (p *program) client(ctx context.Context) (*enqueue.Client, error) {
	if err := p.cfg.CheckRedisURL(); err != nil {
		return nil, err
	}
	if err := p.cfg.CheckMerchantInterval(); err != nil {
		return nil, usageError{err}
	}
	u, err := p.cfg.ResolveRedisURL()
	if err != nil {
		return nil, err
	}
	if err := p.awaitLoaded(ctx, u); err != nil {
		return nil, err
	}
	keys, err := p.cfg.PayloadKeys()
	if err != nil {
		return nil, err
	}
	cfg := enqueue.Config{
		RedisURL: u, Retention: p.cfg.Retention, PayloadKeys: keys,
		Confirm: p.confirm(), Interval: tasks.Every(p.cfg.MerchantInterval),
	}
	provider, err := p.traces.open(ctx)
	if err != nil {
		return nil, err
	}
	if provider != nil {
		cfg.Trace = tracing.New(provider, nil).Producer
	}
	return enqueue.New(cfg)
}

func hinted(hint, text string) error { return &config.Hint{Err: errors.New(text), Text: hint} }
