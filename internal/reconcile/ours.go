package reconcile

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	"github.com/ecpayq/ecpayq/ecpay"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// Standing is how far a task of ours is, of which something follows for the comparison.
type Standing uint8

// The standings; of two tasks about one invoice the greater one counts.
const (
	// Unknown: there is no task.
	Unknown Standing = iota
	// Dead: it is, of something that a person has to look at.
	Dead
	// Underway: it was begun and has not ended.
	Underway
	// Word: a person said that nothing more has to happen.
	Word
	// Done: its effect was proven.
	Done
)

// Order is what the record has of an invoice of ours, from one task or several: one that stages it, one
// that triggers it.
type Order struct {
	Standing Standing
	TaskID   string
	// RelateNumber, Tsr and Number are known or empty.
	RelateNumber, Tsr, Number string
	// Day is that of its issue, yyyy-mm-dd in Asia/Taipei, empty where the record does not tell.
	Day string
	// At is when the task ended.
	At time.Time
}

// Void is what the record has of a void.
type Void struct {
	Standing Standing
	TaskID   string
	Number   string
	At       time.Time
}

// Ours is what the record has that may be about a day.
type Ours struct {
	Orders []*Order
	// Voids are by invoice number.
	Voids map[string]Void
	// From is the first end that the feed has, where earlier ones are not kept any more; zero where it has all.
	From time.Time
}

// Task types that issue an invoice or void one.
const (
	typeIssue   = "b2c:issue"
	typeDelay   = "b2c:delay_issue"
	typeTrigger = "b2c:trigger_issue"
	typeCancel  = "b2c:cancel_delay_issue"
	typeInvalid = "b2c:invalid"
)

const (
	// clockMargin is how far an end may be recorded from what ECPay did, by another clock: an attempt lasts a
	// minute at most.
	clockMargin = 2 * time.Minute
	// longestDelay is how long before its issue an invoice can have been triggered or staged: DelayDay is at most 15.
	longestDelay = (ecpay.MaxDelayDay + 2) * 24 * time.Hour
)

// collector gathers from outcomes, in their order, what may be about a day. It keeps what was issued on
// the day, and what was issued on a day that is not known.
type collector struct {
	day        string
	start, end time.Time
	orders     map[string]*Order // by what tells one from another
	voids      map[string]Void
}

func newCollector(day time.Time) *collector {
	return &collector{
		day: day.Format(time.DateOnly), start: day, end: day.AddDate(0, 0, 1), orders: map[string]*Order{}, voids: map[string]Void{},
	}
}

// said is what an answer may hold.
type said struct {
	RtnCode                ecpay.Code
	InvoiceNo, InvoiceDate ecpay.Text
	Undone                 string
}

// standingOf is that of a task with an outcome, by its state.
func standingOf(state string) Standing {
	switch state {
	case record.OutcomeDone, record.OutcomeIssued:
		return Done
	case record.OutcomeResolved:
		return Word
	default: // a dead one may be done by now, and is looked up where ECPay has its invoice
		return Unknown
	}
}

func (c *collector) add(o record.Outcome) {
	standing := standingOf(o.State)
	if standing == Unknown {
		return
	}
	var answer said
	_ = json.Unmarshal(o.Result, &answer) // none, or one that is not understood, says nothing
	switch o.Type {
	case typeIssue, typeDelay, typeTrigger:
		c.addOrder(o, standing, answer)
	case typeInvalid:
		c.addVoid(o, standing, o.Subject["InvoiceNo"], o.Subject["InvoiceDate"])
	case typeCancel:
		if answer.Undone == "voided" {
			c.addVoid(o, standing, string(answer.InvoiceNo), string(answer.InvoiceDate))
		} else if standing == Done { // what it staged is never issued
			delete(c.orders, keyOf(o))
		}
	}
}

// keyOf tells an order from the others.
func keyOf(o record.Outcome) string {
	if o.Type == typeIssue {
		return "R" + strings.ToUpper(o.Subject["RelateNumber"])
	}
	return "T" + o.Subject["Tsr"]
}

func (c *collector) addVoid(o record.Outcome, standing Standing, number, day string) {
	if old := c.voids[number]; day == c.day && old.Standing < standing {
		c.voids[number] = Void{Standing: standing, TaskID: o.ID, Number: number, At: o.At}
	}
}

func (c *collector) addOrder(o record.Outcome, standing Standing, answer said) {
	key := keyOf(o)
	was := c.orders[key]
	if was == nil {
		was = &Order{}
	}
	number, day := string(answer.InvoiceNo), c.issuedOn(o, answer)
	if o.Invoice != nil {
		number, day = o.Invoice.Number, o.Invoice.Date
	}
	n := &Order{
		Standing: max(standing, was.Standing), TaskID: o.ID, RelateNumber: o.Subject["RelateNumber"], Tsr: o.Subject["Tsr"],
		Number: cmp.Or(number, was.Number), Day: cmp.Or(day, was.Day), At: o.At,
	}
	switch later := o.Kind == ecpay.OK.String() && o.At.After(c.end.Add(clockMargin)); {
	case n.Day != "" && n.Day != c.day, n.Day == "" && later: // it was begun when the day was over
		delete(c.orders, key)
	default:
		c.orders[key] = n
	}
}

// issuedOn is the day on which an invoice was issued, empty where the end does not tell.
func (c *collector) issuedOn(o record.Outcome, answer said) string {
	if day, _, ok := strings.Cut(string(answer.InvoiceDate), " "); ok && o.Type == typeIssue {
		return day
	}
	if o.Type != typeTrigger || o.State != record.OutcomeDone || o.Kind != ecpay.OK.String() || answer.RtnCode != codeIssued {
		return "" // it is issued later, or was found to be issued
	}
	early, late := o.At.Add(-clockMargin).In(ecpay.Taipei), o.At.Add(clockMargin).In(ecpay.Taipei)
	if day := late.Format(time.DateOnly); day == early.Format(time.DateOnly) {
		return day
	}
	return "" // ECPay's clock may have had another day
}

// codeIssued is ECPay's answer to a trigger that issued the invoice at once.
const codeIssued = 4000004

func (c *collector) ours() Ours {
	all := Ours{Voids: c.voids}
	for _, o := range c.orders {
		all.Orders = append(all.Orders, o)
	}
	return all
}
