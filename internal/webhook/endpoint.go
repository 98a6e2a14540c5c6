package webhook

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/tasks"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Endpoint is an address that outcomes are delivered to.
type Endpoint struct {
	// Name is for people, and names the queue.
	Name string
	URL  *url.URL
	// Secrets sign what is sent, each with a signature of its own: the old and the new one
	// while they are exchanged.
	Secrets []Key
	// Merchants are those whose outcomes are wanted, or [AllMerchants].
	Merchants []string
	// States and Types are those that are wanted, none for all.
	States, Types []string
	// AllowPrivate lets it be in a private network, or on this machine.
	AllowPrivate bool
	// InFlight is how many requests each process sends to it at once. Defaults to [DefaultInFlight].
	InFlight int
	// Interval is the least time between two requests of all processes, 0 for none.
	Interval time.Duration
}

// What an endpoint may have.
const (
	// AllMerchants, as the only merchant of an endpoint, is all of them.
	AllMerchants    = "*"
	DefaultInFlight = 8
	MaxInFlight     = 100
	MaxInterval     = time.Minute
	// MaxEndpoints is how many there may be: each takes connections to Redis of each process.
	MaxEndpoints = 32
	maxURL       = 2048
)

var (
	nameForm     = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	merchantForm = regexp.MustCompile(`^[A-Za-z0-9]{1,10}$`)
)

// ParseURL reads the address of an endpoint. http is for this machine only, by a name that says
// so and where that is allowed.
func ParseURL(text string, allowPrivate bool) (*url.URL, error) {
	if len(text) > maxURL {
		return nil, fmt.Errorf("url has %d characters; at most %d are allowed", len(text), maxURL)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil: // whose text has the address, and a word that may be secret in it
		return nil, errors.New("url is none; give one like https://shop.example/ecpayq")
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Hostname() == "":
		return nil, errors.New("url must begin with https:// and a name")
	case u.User != nil:
		return nil, errors.New("url must have no user and no password: the signature says who sends, " +
			"and a word in the path or query may be secret as well")
	case u.Fragment != "":
		return nil, errors.New("url must have no part after #, which is never sent")
	case u.Scheme == "http" && !allowPrivate:
		return nil, errors.New("url must begin with https://; http is for an address of this machine alone, with allow_private: true")
	case u.Scheme == "http" && !loopbackHost(u.Hostname()):
		return nil, errors.New("url must begin with https://; http is for localhost, 127.0.0.1 and [::1] alone")
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		if err := CheckAddress(a, allowPrivate); err != nil {
			return nil, fmt.Errorf("url: %w", err)
		}
	}
	return u, nil
}

// loopbackHost reports whether a host is this machine by its name, whatever it is resolved to.
func loopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// Check reports what is wrong with endpoints, by their names. secrets is whether they were read.
func Check(list []Endpoint, secrets bool) error {
	if len(list) > MaxEndpoints {
		return fmt.Errorf("there are %d endpoints; at most %d are allowed", len(list), MaxEndpoints)
	}
	names := map[string]bool{}
	for i, e := range list {
		if !nameForm.MatchString(e.Name) {
			return fmt.Errorf("endpoint %d: name must be 1 to 64 letters, digits, dots, hyphens and underscores", i+1)
		}
		if err := e.check(); err != nil {
			return fmt.Errorf("endpoint %s: %w", e.Name, err)
		}
		if names[e.Name] {
			return fmt.Errorf("endpoint %s: two have this name", e.Name)
		}
		if names[e.Name] = true; secrets && len(e.Secrets) == 0 {
			return fmt.Errorf("endpoint %s: it has no secret", e.Name)
		}
	}
	return nil
}

func (e Endpoint) check() error {
	switch {
	case len(e.Merchants) == 0:
		return errors.New(`merchants is missing; give MerchantIDs, or ["*"] for all`)
	case slices.Contains(e.Merchants, AllMerchants) && len(e.Merchants) > 1:
		return errors.New(`merchants has "*" and others; give "*" alone for all`)
	case e.InFlight < 0 || e.InFlight > MaxInFlight:
		return fmt.Errorf("in_flight is %d; it must be from 1 to %d, and is %d by default", e.InFlight, MaxInFlight, DefaultInFlight)
	case e.Interval < 0 || e.Interval > MaxInterval:
		return errors.New("interval must be from 0s to 1m")
	}
	for _, m := range e.Merchants {
		if m != AllMerchants && !merchantForm.MatchString(m) {
			return fmt.Errorf("merchants has %q; a MerchantID has 1 to 10 letters and digits", m)
		}
	}
	for _, s := range e.States {
		if !slices.Contains(record.OutcomeStates(), s) {
			return fmt.Errorf("states has %q; it may have %s", s, strings.Join(record.OutcomeStates(), ", "))
		}
	}
	for _, t := range e.Types {
		if _, ok := tasks.ByName(t); !ok {
			return fmt.Errorf("types has %q, which is no task type; one is like b2c:trigger_issue", t)
		}
	}
	return nil
}

// All reports whether the outcomes of all merchants are wanted.
func (e Endpoint) All() bool { return slices.Contains(e.Merchants, AllMerchants) }

// Owns reports whether the outcomes of a merchant are wanted.
func (e Endpoint) Owns(merchantID string) bool {
	return e.All() || slices.Contains(e.Merchants, merchantID)
}

// Wants reports whether an outcome is to be delivered.
func (e Endpoint) Wants(o record.Outcome) bool {
	return e.Owns(o.MerchantID) && (len(e.States) == 0 || slices.Contains(e.States, o.State)) &&
		(len(e.Types) == 0 || slices.Contains(e.Types, o.Type))
}

// Host is the address as far as it is told to everybody: path and query may have a word in them
// that is secret.
func (e Endpoint) Host() string { return e.URL.Scheme + "://" + e.URL.Host }

// Queue is the name of its queue.
func (e Endpoint) Queue() string { return QueueOf(e.Name) }

// QueueOf is the name of the queue of an endpoint.
func QueueOf(name string) string { return queuePrefix + name }

const queuePrefix = "webhook:"
