package merchants

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
)

// Interval is a duration that is written like "200ms".
type Interval time.Duration

// MarshalText implements [encoding.TextMarshaler].
func (i Interval) MarshalText() ([]byte, error) { return []byte(time.Duration(i).String()), nil }

// Merchant is where a merchant stands. Times are by Redis' clock, in Asia/Taipei.
type Merchant struct {
	ID string `json:"merchant_id"`
	// Interval is the one by which a request was last permitted, and LastAt when that was.
	Interval Interval   `json:"interval"`
	LastAt   *time.Time `json:"last_at,omitempty"`
	// Waiting is about how many have a place in line. NextPlace is the place that a task
	// would be given which wants to send now; nil when it would be sent at once.
	Waiting   int        `json:"waiting"`
	NextPlace *time.Time `json:"next_place,omitempty"`
	// Held is how many tasks are held for the merchant, in line or not.
	Held int `json:"held"`
	// InFlight is how many requests are on their way.
	InFlight int      `json:"in_flight"`
	Ban      *Ban     `json:"ban,omitempty"`
	Denied   []Denial `json:"denied,omitempty"`
	// Broken is the first of its keys that cannot be read, and why: the fields above lack what
	// that key has.
	Broken string `json:"broken,omitempty"`
}

// Ban is a pause that ECPay asked for.
type Ban struct {
	Since time.Time `json:"since"`
	// Until may have passed: then a request is tried, or will be.
	Until time.Time `json:"until"`
	Why   string    `json:"why,omitempty"`
}

// Denial is what ECPay refuses for the keys, or that there are none.
type Denial struct {
	// Service is B2C or B2B.
	Service string `json:"service"`
	// Fingerprint names the keys, see [ecpay.Fingerprint]; [gate.NoKeys] when there are none.
	Fingerprint string    `json:"fingerprint"`
	Since       time.Time `json:"since"`
	Why         string    `json:"why"`
	// Pauses counts them; NextProbe is when the keys are tried again. It may have passed;
	// Probing says whether a request tries them at this moment.
	Pauses    int       `json:"pauses"`
	NextProbe time.Time `json:"next_probe"`
	Probing   bool      `json:"probing"`
	// Overdue means that nobody has tried them although it is time.
	Overdue bool `json:"-"`
}

// overdueAfter leaves time to the task that was refused, which comes back by itself.
const overdueAfter = 5 * time.Second

// parse reads a pace; see pace.lua in worker/gate.
func parse(id string, p map[string]string, now time.Time) Merchant {
	m := Merchant{ID: id, LastAt: micro(p["last"])}
	if n, err := strconv.ParseInt(p["interval"], 10, 64); err == nil {
		m.Interval = Interval(time.Duration(n) * time.Microsecond)
	}
	line := micro(p["line"])
	if ahead := micro(p["ahead"]); ahead != nil && (line == nil || ahead.After(*line)) {
		line = ahead // those in line go after them
	}
	if line != nil && line.After(now) {
		next := line.Add(time.Duration(m.Interval))
		m.NextPlace, m.Waiting = &next, 1
		if m.Interval > 0 {
			m.Waiting = int((line.Sub(now) + time.Duration(m.Interval) - 1) / time.Duration(m.Interval))
		}
	}
	if until := micro(p["ban"]); until != nil {
		m.Ban = &Ban{Until: *until, Why: p["ban_why"]}
		if since := micro(p["ban_since"]); since != nil {
			m.Ban.Since = *since
		}
		if m.Waiting > 0 && until.After(now) { // the line begins where the ban ends
			m.Waiting = 1
			if m.Interval > 0 && m.NextPlace != nil {
				m.Waiting = max(0, int(m.NextPlace.Sub(*until)/time.Duration(m.Interval)))
			}
		}
	}
	for _, f := range slices.Sorted(maps.Keys(p)) {
		scope, ok := strings.CutPrefix(f, "denied:")
		w := strings.SplitN(p[f], " ", 6)
		if !ok || len(w) != 6 {
			continue
		}
		d := Denial{Why: w[5]}
		d.Service, d.Fingerprint, _ = strings.Cut(scope, ":")
		if since, next := micro(w[0]), micro(w[1]); since != nil && next != nil {
			d.Since, d.NextProbe = *since, *next
		}
		d.Pauses, _ = strconv.Atoi(w[2])
		end := micro(w[3])
		d.Probing = end != nil && end.After(now)
		d.Overdue = !d.Probing && d.NextProbe.Add(overdueAfter).Before(now)
		m.Denied = append(m.Denied, d)
	}
	return m
}

func micro(s string) *time.Time {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 {
		return nil
	}
	t := time.UnixMicro(n).In(ecpay.Taipei)
	return &t
}

// Denies returns how keys are refused, nil when they are not.
func (m Merchant) Denies(scope string) *Denial {
	for i, d := range m.Denied {
		if d.Service+":"+d.Fingerprint == scope {
			return &m.Denied[i]
		}
	}
	return nil
}
