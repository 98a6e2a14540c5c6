// Package dashboard is what ops look at: pages of our own about dead letters, waiting
// tasks, merchants, schedules and the audit, with asynq's own dashboard (asynqmon)
// below it, and the guard that asynqmon lacks: login and roles, no changes by
// other sites' pages, an audit of every change, nothing deleted, no payload that
// could hold a buyer's data.
package dashboard

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/hibiken/asynqmon"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/internal/web"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
	"github.com/ecpayq/ecpayq/tasks/seal"
	"github.com/ecpayq/ecpayq/worker"
	"github.com/ecpayq/ecpayq/worker/deadletter"
	"github.com/ecpayq/ecpayq/worker/gate"
	"github.com/ecpayq/ecpayq/worker/merchants"
	"github.com/ecpayq/ecpayq/worker/schedule"
)

// Config configures the dashboard.
type Config struct {
	// Redis is a client of the dashboard's own: asynqmon closes it.
	Redis redis.UniversalClient
	// Users may log in. Without any, nobody needs to, everybody is an operator, and
	// the dashboard answers to loopback names only.
	Users []User
	// ReadOnly refuses every change, whoever asks for it.
	ReadOnly bool
	// Codes says what ECPay's codes mean. Defaults to the built-in table.
	Codes *ecpay.Codes
	// Egress is the one whose pause is shown. Defaults to [worker.DefaultEgress].
	Egress string
	// Schedules are those that workers fire.
	Schedules []schedule.Entry
	// Retention, FinishTTL and Interval are those of [deadletter.Config].
	Retention, FinishTTL time.Duration
	Interval             func(merchantID string) time.Duration
	// PayloadKeys are those of [deadletter.Config].
	PayloadKeys *seal.Ring
	// Logger gets a line for each login and each error.
	Logger zerolog.Logger
	// Now is the clock of sessions. Defaults to [time.Now].
	Now func() time.Time
}

// Path is where asynqmon is mounted.
const Path = "/asynq"

// Dashboard is an [http.Handler].
type Dashboard struct {
	http.Handler
	cfg       Config
	rdb       redis.UniversalClient
	store     *ledger.Store
	reader    *record.Reader
	ledger    *deadletter.Ledger
	merchants *merchants.Inspector
	egress    *gate.Egress
	queues    *asynqx.Inspector
	sessions  *sessions
	room      *room
	memory    *memoryReader
	// mon answers operators, lookOnly viewers; they share one client.
	mon, lookOnly *asynqmon.HTTPHandler
	monPage       map[bool]*monPage // by whether it is for looking only
	fileLock      sync.Mutex
	files         map[string]*monFile // by path
}

// Of all users 32 requests are served at a time, of one 8; one that finds no slot
// within 5 s is refused.
const (
	roomSlots, roomEach = 32, 8
	roomLine, roomCrowd = 64, 256
	roomPatience        = 5 * time.Second
)

// New returns the dashboard.
func New(cfg Config) (*Dashboard, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Egress == "" {
		cfg.Egress = worker.DefaultEgress
	}
	if cfg.Codes == nil {
		codes, err := ecpay.NewCodes()
		if err != nil {
			return nil, err
		}
		cfg.Codes = codes
	}
	if err := checkUsers(cfg.Users); err != nil {
		return nil, err
	}
	d := &Dashboard{
		cfg: cfg, rdb: cfg.Redis, store: ledger.New(cfg.Redis, cfg.Retention, time.Now), reader: record.NewReader(cfg.Redis),
		ledger: deadletter.New(deadletter.Config{Redis: cfg.Redis,
			Retention: cfg.Retention, FinishTTL: cfg.FinishTTL, Interval: cfg.Interval, PayloadKeys: cfg.PayloadKeys}),
		merchants: merchants.New(cfg.Redis), egress: gate.NewEgress(cfg.Redis, cfg.Egress, 0),
		queues: asynqx.NewInspector(cfg.Redis), sessions: newSessions(cfg.Users, cfg.Now),
		room: newRoom(roomSlots, 0, roomEach, roomLine, roomCrowd), files: map[string]*monFile{}, memory: &memoryReader{rdb: cfg.Redis},
		mon: newMon(cfg.Redis, false), lookOnly: newMon(cfg.Redis, true), monPage: map[bool]*monPage{},
	}
	for _, readOnly := range []bool{false, true} {
		page, err := readMonPage(d.monitor(readOnly))
		if err != nil {
			return nil, err
		}
		d.monPage[readOnly] = page
	}
	d.Handler = d.guard(d.routes())
	return d, nil
}

func newMon(rdb redis.UniversalClient, readOnly bool) *asynqmon.HTTPHandler {
	return asynqmon.New(asynqmon.Options{
		RootPath: Path, RedisConnOpt: conn{rdb}, ReadOnly: readOnly,
		PayloadFormatter: asynqmon.PayloadFormatterFunc(mask), ResultFormatter: asynqmon.ResultFormatterFunc(mask),
	})
}

func (d *Dashboard) monitor(readOnly bool) *asynqmon.HTTPHandler {
	if readOnly {
		return d.lookOnly
	}
	return d.mon
}

func (d *Dashboard) routes() http.Handler {
	open, known := http.NewServeMux(), http.NewServeMux()
	open.HandleFunc("GET /static/style.css", serveFile("text/css", styleSheet))
	open.HandleFunc("GET /static/asynq.js", serveFile("text/javascript", asynqScript))
	open.HandleFunc("GET /login", d.loginPage)
	open.HandleFunc("POST /login", d.login)
	open.HandleFunc("POST /logout", d.logout)
	open.Handle("/", d.loggedIn(known))

	known.HandleFunc("GET /{$}", d.deadPage)
	known.HandleFunc("GET /dead", d.letterPage)
	known.HandleFunc("GET /waiting", d.waitingPage)
	known.HandleFunc("GET /merchants", d.merchantsPage)
	known.HandleFunc("GET /schedules", d.schedulesPage)
	known.HandleFunc("GET /reconcile", d.reconcilePage)
	known.HandleFunc("GET /audit", d.auditPage)
	for pattern, act := range map[string]http.HandlerFunc{
		"POST /dead/replay": d.replay, "POST /dead/resolve": d.resolve, "POST /waiting/cancel": d.cancel,
		"POST /schedules/run": d.runSchedule, "POST /merchants/resume": d.resumeMerchant,
	} {
		known.Handle(pattern, d.operatorsOnly(act))
	}
	known.HandleFunc(Path+"/", d.asynq)
	// Scripts written for a stand-alone asynqmon find its API where they expect it.
	known.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		r2 := r.Clone(r.Context())
		r2.URL.Path, r2.URL.RawPath = Path+r.URL.Path, ""
		d.asynq(w, r2)
	})
	return open
}

// Close closes the client. asynqmon closes it through each of its parts, so that
// all but the first find it closed.
func (d *Dashboard) Close() error {
	if err := d.mon.Close(); !errors.Is(err, redis.ErrClosed) {
		return err
	}
	return nil
}

type conn struct{ rdb redis.UniversalClient }

// MakeRedisClient implements asynq.RedisConnOpt.
func (c conn) MakeRedisClient() any { return c.rdb }

// ErrPublicAddress refuses an address that others can reach while nobody has to
// log in.
var ErrPublicAddress = errors.New("no users are configured, so the dashboard listens on loopback addresses only")

// CheckAddr refuses addresses that are not loopback where nobody has to log in.
func CheckAddr(addr string, users []User) error {
	if len(users) == 0 && !web.LoopbackName(addr) {
		return fmt.Errorf("%w, not on %q", ErrPublicAddress, addr)
	}
	return nil
}
