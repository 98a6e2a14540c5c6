// Package bench measures ecpayq side by side with a plain asynq handler: each
// figure on its own redis-server, with a fake ECPay and the workers in processes
// of their own, in alternating runs whose medians count. Correct comes first:
// after each run ECPay's ledger must show exactly one effect for each intent.
//
// To add a figure, write a function that returns its lines and give it a row in
// [Figures].
package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/ecpayq/ecpayq/internal/redistest"
)

// Config says what is measured, and how thoroughly.
type Config struct {
	// Only names the figures to measure. Empty means all of them.
	Only []string
	// Quick measures little and once: it shows that everything works, and its
	// numbers mean nothing.
	Quick bool
	// Runs is how often each variant is measured. Defaults to 5, with Quick to 1.
	Runs int
	// Progress, when not nil, is told what is being measured.
	Progress func(string)
	// Command starts this program as one of its parts: the name of the program and
	// the arguments that make it call [Part], to which the part's name is added.
	Command []string

	sizes *sizes // for tests
}

// Figure is one question that the bench answers.
type Figure struct {
	Name string
	// What says for people what is measured.
	What string

	measure func(context.Context, *lab) ([]Line, error)
}

// Figures returns the table of figures, in the order in which they are measured.
func Figures() []Figure {
	return []Figure{
		{"codec", "Seal and Open of Data, beside AES-CBC and base64 alone", measureCodec},
		{"enqueue", "single enqueue from 1 and from 16 goroutines, beside asynq.Client", measureEnqueue},
		{"batch", "many tasks enqueued by one call and from a file, beside a loop of plain calls", measureBatch},
		{"api", "intents by HTTP, one a request and in a batch, beside the Go client", measureAPI},
		{"outbox", "rows of a shop's database carried to Redis, and a commit to ECPay, beside River", measureOutbox},
		{"throughput", "tasks carried to an ECPay that answers at once", measureThroughput},
		{"rtt", "the same with 1 ms added to each round trip to Redis", measureRoundTrip},
		{"idle", "latency and processor time of a worker that has nothing to do", measureIdle},
		{"scheduled", "how late a scheduled task reaches ECPay", measureScheduled},
		{"pace", "how exactly workers keep the pace of a merchant together", measurePace},
		{"crowd", "whether many merchants with a backlog get their pace each", measureCrowd},
		{"ban", "what a merchant that ECPay refuses does to others", measureBan},
		{"hang", "what a merchant whose requests hang does to others", measureHang},
		{"fairness", "others behind the backlog of one merchant", measureFairness},
		{"held", "memory of a worker in which tasks wait for their turn", measureHeld},
		{"size", "bytes in Redis of a pending task", measureSize},
		{"growth", "throughput and memory of a worker before a long queue", measureGrowth},
	}
}

// Names returns the names of all figures.
func Names() []string {
	var names []string
	for _, f := range Figures() {
		names = append(names, f.Name)
	}
	return names
}

// ErrUnknownFigure is wrapped by the error about a name in Only that is none.
var ErrUnknownFigure = errors.New("no such figure")

// Run measures. With an error the report holds what was measured before it.
func Run(ctx context.Context, cfg Config) (Report, error) {
	for _, name := range cfg.Only {
		if !slices.Contains(Names(), name) {
			return Report{}, fmt.Errorf("%w %q; there are %s", ErrUnknownFigure, name, strings.Join(Names(), ", "))
		}
	}
	if cfg.Progress == nil {
		cfg.Progress = func(string) {}
	}
	if cfg.sizes == nil {
		cfg.sizes = full()
		if cfg.Quick {
			cfg.sizes = quick()
		}
	}
	if cfg.Runs == 0 {
		cfg.Runs = 5
		if cfg.Quick {
			cfg.Runs = 1
		}
	}
	version, err := redisVersion(ctx)
	if err != nil {
		return Report{}, err
	}
	r := Report{
		Machine: Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(),
			Go: runtime.Version(), Redis: version, Asynq: moduleVersion("github.com/hibiken/asynq")},
		Runs: cfg.Runs, Quick: cfg.Quick,
	}
	for _, f := range Figures() {
		if len(cfg.Only) > 0 && !slices.Contains(cfg.Only, f.Name) {
			continue
		}
		l := &lab{Config: cfg, sizes: *cfg.sizes, figure: f.Name}
		lines, err := f.measure(ctx, l)
		if err != nil {
			return r, fmt.Errorf("%s: %w", f.Name, err)
		}
		for _, line := range lines {
			line.Figure = f.Name
			r.Lines = append(r.Lines, line)
		}
	}
	return r, nil
}

// lab is what a figure works with.
type lab struct {
	Config
	sizes  sizes
	figure string
}

// sizes are how much of everything is measured.
type sizes struct {
	enqueueOne, enqueueMany int // tasks enqueued by one goroutine, and by many
	batch, loop             int // tasks enqueued by one call, and by a plain loop
	api                     int // tasks enqueued by HTTP, one a request
	outbox, commits         int // rows of an outbox that are there, and that come one by one
	throughput, roundTrip   int // tasks carried in one run
	idleOurs, idlePlain     int // tasks for a worker that has nothing to do
	idleSeconds             int // how long it is watched doing nothing
	scheduled               int // scheduled tasks
	scheduledSeconds        int // over which they are spread
	size                    int // tasks whose bytes are counted
	few, many               int // tasks left in the queue
	growth                  int // tasks carried before them
	codec                   int // repetitions
	pace, paceWarm          int // seconds for which a pace is watched, and before that
	crowd, crowdSeconds     int // merchants with a backlog, and seconds for which they are watched
	ban, banned             int // seconds of a ban, and tasks that wait
	hanging, hangMillis     int // tasks that hang, and for how long
	others                  int // tasks of others before and during that
	backlogs                []int
	held                    int // tasks that wait in place
}

func full() *sizes {
	return &sizes{
		enqueueOne: 10_000, enqueueMany: 20_000, throughput: 10_000, roundTrip: 2_000, idleOurs: 50, idlePlain: 12, idleSeconds: 5,
		scheduled: 200, scheduledSeconds: 5, size: 100_000, few: 1_000, many: 1_000_000, growth: 10_000, codec: 200_000,
		pace: 60, paceWarm: 5, crowd: 100, crowdSeconds: 20, ban: 10, banned: 200, hanging: 1_000,
		hangMillis: 1_000, others: 200, backlogs: []int{50_000, 500_000}, held: 2_000,
		batch: 100_000, loop: 10_000, api: 10_000, outbox: 50_000, commits: 200,
	}
}

func quick() *sizes {
	return &sizes{
		enqueueOne: 500, enqueueMany: 1_000, throughput: 500, roundTrip: 200, idleOurs: 5, idlePlain: 2, idleSeconds: 1,
		scheduled: 20, scheduledSeconds: 2, size: 2_000, few: 100, many: 5_000, growth: 500, codec: 2_000,
		pace: 3, paceWarm: 1, crowd: 20, crowdSeconds: 2, ban: 2, banned: 20,
		hanging: 40, hangMillis: 300, others: 20, backlogs: []int{1_000, 5_000}, held: 200,
		batch: 5_000, loop: 500, api: 1_000, outbox: 2_000, commits: 10,
	}
}

// The variants that figures compare.
const (
	ours  = "ecpayq"
	plain = "plain asynq"
)

// plainAs names the plain worker with as many Servers as ours has.
func plainAs(servers int) string { return fmt.Sprintf("%s, %d Servers", plain, servers) }

// variant is one way of doing the same. measure makes one run and returns a
// number for each line.
type variant struct {
	name    string
	measure func(context.Context) (map[string]float64, error)
}

// alternate makes the runs, each round in the opposite order of the last, so
// that whatever else the machine does falls on all variants alike.
func (l *lab) alternate(ctx context.Context, what string, variants ...variant) (measured, error) {
	m := measured{}
	for _, v := range variants {
		m.variants = append(m.variants, v.name)
	}
	for round := range l.Runs {
		for _, v := range variants {
			l.Progress(fmt.Sprintf("%s%s: run %d of %d, %s", l.figure, what, round+1, l.Runs, v.name))
			numbers, err := v.measure(ctx)
			if err != nil {
				return m, fmt.Errorf("%s, run %d: %w", v.name, round+1, err)
			}
			m.add(v.name, numbers)
		}
		slices.Reverse(variants)
	}
	return m, nil
}

func redisVersion(ctx context.Context) (string, error) {
	s, err := redistest.Start(ctx, redistest.Options{AppendFsync: "no"})
	if err != nil {
		return "", err
	}
	defer func() { _ = s.Stop() }()
	rdb := s.Client()
	defer rdb.Close()
	return infoField(ctx, rdb, "server", "redis_version")
}
