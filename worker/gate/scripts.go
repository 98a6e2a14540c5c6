package gate

import (
	_ "embed"
	"time"

	"github.com/ecpayq/ecpayq/internal/redisx"
	"github.com/ecpayq/ecpayq/tasks/ledger"
	"github.com/ecpayq/ecpayq/tasks/record"
)

var (
	//go:embed pace.lua
	paceLua string
	//go:embed over.lua
	overLua string
	//go:embed request.lua
	requestLua string
	//go:embed begin.lua
	beginLua string
	//go:embed look.lua
	lookLua string
	//go:embed enter.lua
	enterLua string
	//go:embed leave.lua
	leaveLua string
	//go:embed denied.lua
	deniedLua string
	//go:embed question.lua
	questionLua string
	//go:embed egress.lua
	egressLua string

	beginScript = redisx.NewScript[beginKeys, beginArgs, beginAnswer](
		record.ScriptText(record.ReplicationLua + paceLua + requestLua + beginLua),
	)
	enterScript    = redisx.NewScript[enterKeys, enterArgs, enterAnswer](record.ScriptText(paceLua + requestLua + enterLua))
	leaveScript    = redisx.NewScript[leaveKeys, leaveArgs, int64](record.ScriptText(overLua + ledger.EndedLua + leaveLua))
	lookScript     = redisx.NewScript[lookKeys, lookArgs, int64](record.ScriptText(record.ReplicationLua + lookLua))
	deniedScript   = redisx.NewScript[deniedKeys, deniedArgs, deniedAnswer](record.ScriptText(paceLua + deniedLua))
	questionScript = redisx.NewScript[paceKeys, questionArgs, questionAnswer](record.ScriptText(paceLua + questionLua))
	overScript     = redisx.NewScript[paceKeys, overArgs, int64](record.ScriptText(overLua + `
		request_over(KEYS.pace, KEYS.flight, ARGV.token, tonumber(ARGV.banned), ARGV.why)
		return 1`))
	egressScript = redisx.NewScript[egressKeys, egressArgs, egressAnswer](record.ScriptText(egressLua))
)

// requestArgs are those of a request, as request.lua reads them.
type requestArgs struct {
	Request  string        // its name
	Interval time.Duration `unit:"us"`
	InFlight int           // requests of the merchant at once, at most
	Rank     Rank
	Life     time.Duration `unit:"us"`
	IsWrite  bool
	Stamp    time.Time `unit:"ms"` // by the clock that stamps it
	Scope    string
}

type beginKeys struct {
	Task, Done, Lock, Replication string
	Held                          string // tasks that are held for the merchant
	Pace, Flight                  string
	UndoneBy                      string // finish marker of the task that undoes this one, empty for none
}

type beginArgs struct {
	Token    string
	Enqueued time.Time     `unit:"ms"`
	Start    time.Time     `unit:"ms"` // of the age clock, by the task's headers
	Clock    time.Time     `unit:"ms"` // the worker's
	LockLife time.Duration `unit:"ms"`
	ID       string
	Failed   int    // how often asynq took it back after a failure
	Standing bool   // the lock of another counts whatever the clocks say
	Nonce    string // of the task's enqueue
	*firstArgs
}

// firstArgs are those of the first request, where begin is to permit it.
type firstArgs struct {
	requestArgs
	Longest          time.Duration `unit:"us"` // for which its turn is waited for
	Reason, ReasonZh string        // why it waits for longer
}

type beginAnswer struct {
	Status                   int           // see the constants
	LockLeft                 time.Duration `unit:"ms"`
	Attempts, Crashes        int
	Age                      time.Duration `unit:"ms"`
	Holds, Stale, Repeated   int
	SinceSent, SinceSentHere time.Duration `unit:"ms" none:"-1"` // by Redis' clock and by the worker's, -1 ms for nothing sent
	SinceLost                time.Duration `unit:"ms" none:"-1"` // marks, -1 ms for never
	Mark                     int64         // of the write that was sent
	IsAnswered               bool          // whether the request is, by the next four
	Wait                     time.Duration `unit:"us"`
	Why                      Why
	IsProbe                  bool
	Stricter                 time.Duration `unit:"us"`
	SinceWord                time.Duration `unit:"ms" none:"-1"` // of a person, -1 ms for none
	IsUndone                 bool
}

// The statuses of a beginAnswer.
const (
	began       = 0
	wasFinished = 1
	isLocked    = 2
	comesLater  = 3
	isCancelled = 4
)

type enterKeys struct{ Task, Lock, Pace, Flight string }

type enterArgs struct {
	Token string
	Clock time.Time `unit:"ms"` // the worker's
	requestArgs
	IsRepeated bool   // an earlier one is still unanswered
	Before     string // what was there before a write, empty where that is not looked at
	*egressState
}

// egressState is sent where there is something to say.
type egressState struct {
	ClosedUntil time.Time `unit:"us"`
	ClosedWhy   Why
	IsPeek      bool // takes no permission
}

type enterAnswer struct {
	IsCurrent bool          // else the attempt is over
	Wait      time.Duration `unit:"us"`
	Why       Why
	IsProbe   bool
	Stricter  time.Duration `unit:"us"`
}

type leaveKeys struct {
	Task, Done, Lock string
	Dead             string // index of the ledger
	Pace, Flight     string
	HeldTasks        string // of the merchant
	OfTask           string // record of the task whose invoice it is, often the task itself
	record.OutcomeKeys
}

type leaveArgs struct {
	Token       string
	State       record.State
	RecordTTL   time.Duration `unit:"ms"` // 0 for none
	DoneTTL     time.Duration `unit:"ms"` // of the finish marker, 0 for none
	Spends      bool          // budget
	Settled     bool          // the write is accounted for
	ID          string
	Mark        int64         // that the attempt found when it began, 0 for none
	Owner       string        // of the outcomes
	OutcomesFor time.Duration `unit:"ms"` // they are kept, at least

	Kind                  string
	HTTPStatus, TransCode int
	RtnCode               int64
	RtnMsg                string
	Reason, ReasonZh      string
	Result                []byte
	*openArgs
	*invoiceArgs
	*taskArgs
}

// openArgs are of an attempt whose task is not done: without them each is as if zero.
type openArgs struct {
	Pauses bool // the age clock stands still
	Stale  bool
	Delay  time.Duration `unit:"ms"`
	Banned time.Duration `unit:"us"` // as long as ECPay wants, 0 for none
	BanWhy string
	Held   bool // for the merchant
	Unsure bool // may never have begun
}

// invoiceArgs are of an attempt by which an invoice is known. They come after openArgs.
type invoiceArgs struct {
	Silent    bool          // a done one is no outcome of its own
	Invoice   []byte        // JSON of a tasks.Invoice that is known now, empty for none
	Of        string        // id of the task whose invoice it is, often the task itself
	Retention time.Duration `unit:"ms"` // of the record of a task whose invoice is known
}

// taskArgs are those by which a dead task is run again. They come after the others.
type taskArgs struct {
	By, Type, Queue  string
	Headers, Payload []byte
}

type lookKeys struct{ Replication string }

type lookArgs struct {
	IsHistory bool          // of this Redis' replication
	Seen      time.Duration `unit:"ms"` // how long ago the worker saw its clock set, -1 ms for never
	Fence     time.Duration `unit:"ms"`
}

type deniedKeys struct{ Pace string }

type deniedArgs struct {
	Token, Scope string
	Says         Answer
	Why          string
}

type deniedAnswer struct {
	Pause time.Duration `unit:"ms"`
	Began bool
}

type paceKeys struct{ Pace, Flight string }

type questionArgs struct {
	Token    string
	Interval time.Duration `unit:"us"`
	InFlight int
	Life     time.Duration `unit:"us"`
}

type questionAnswer struct {
	Wait time.Duration `unit:"us"`
	Why  Why
}

type overArgs struct {
	Token  string
	Banned time.Duration `unit:"us"`
	Why    string
}

type egressKeys struct{ State, Forbidden, Unavailable string }

type egressArgs struct {
	Op         string // ask, forbidden, unavailable, answered, unused or look
	IsAnswered bool   // ECPay answered somebody lately
	Token      string
	Life       time.Duration `unit:"us"` // of the request that is asked for
	Apart      time.Duration `unit:"us"` // time between two at the rate, 0 for no rate
	MerchantID string
	Pause      time.Duration `unit:"us"` // that ECPay asked for
}

type egressAnswer struct {
	Kind    Why
	Ends    int64         // µs since 1970, by Redis' clock
	Wait    time.Duration `unit:"us"`
	Why     Why
	IsProbe bool
}
