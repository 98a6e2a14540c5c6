// Package samples has a file for every operation that tasks carry out, with what tests
// need to know of it. The simulation, the table of troubles, chaos, the tests of answers,
// leaks and Redis' user, and those of the command line range over its table, so that an
// operation is in all of them once it has a sample. Only tests import it.
package samples

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"reflect"

	"github.com/ecpayq/ecpayq/ecpay/ecpaytest"
	"github.com/ecpayq/ecpayq/tasks"
)

// table has a line for every file of a sample. The draws of the simulation and the rows
// of the README's table of troubles follow its order.
func table() []Sample {
	return []Sample{
		b2cTriggerIssue,
		b2cCancelDelayIssue,
		b2bInvalid,
		b2bInvalidConfirm,
		b2bGetAllowanceConfirm,
		b2cInvalid,
		b2cAllowanceInvalid,
		b2bIssueConfirm,
		b2bReject,
		b2bRejectConfirm,
		b2bAllowanceConfirm,
		b2bCancelAllowance,
		b2bCancelAllowanceConfirm,
		b2cIssue,
		b2cAllowance,
		b2cAllowanceByCollegiate,
		b2cInvoiceNotify,
		b2bNotify,
		b2bIssue,
		b2bAllowance,
		b2cAllowanceInvalidByCollegiate,
		b2cVoidWithReIssue,
		b2bVoidWithReIssue,
		b2cDelayIssue,
		b2cGetIssue,
	}
}

// Sample is one operation.
type Sample struct {
	// Type, Queue, Path, Command and Alias are what the row of the type has to come to,
	// typed by hand, and Flags are the fields that its command takes.
	Type, Queue, Path, Command, Alias string
	Flags                             []string
	// Subject is the nth subject of this operation, and another than the nth of others
	// where the word is.
	Subject func(word string, n int) string
	// Effects are the fake's words for what a request can bring about.
	Effects []string
	// NamesSubject means that ECPay's answer says what it is about.
	NamesSubject bool
	// Nameless means that the answer to the question about it does not.
	Nameless bool
	// Refusal is a code by which ECPay refuses a write for good.
	Refusal int
	// Answers say what one attempt makes of an answer, by its row in the table of
	// worker/answers_test.go or by the row's kind, where that is not what the row says.
	Answers map[string]Answer
	// Others do at ECPay what a person may do to the subject by other means, nil for nothing of the kind.
	Others func(*ecpaytest.Server, At) error
	// Cases are the ways in which it is wanted, the usual one first.
	Cases []Case
}

// Answer is what one attempt makes of an answer: the words for an action of the worker's
// and for a kind.
type Answer struct{ Action, Kind string }

// Case is one way in which an operation is wanted.
type Case struct {
	Sample
	// Name is what tests call it.
	Name string
	// Payload is the task's, and Stage makes its subject known to the fake.
	Payload func(At) tasks.Payload
	Stage   func(*ecpaytest.Server, At) error
	// Effect is the fake's word for what it brings about, empty for a query.
	Effect string
	// RtnCode is that of its success.
	RtnCode int64
	// Title is what the table of troubles calls a write, and Outcomes are what becomes
	// of it.
	Title    string
	Outcomes map[Aftermath]string
}

// At is what a case is about. An empty MerchantID is the fake's first, an empty
// RelateNumber is R and the subject, and an empty Date is [Date].
type At struct{ MerchantID, Subject, RelateNumber, Date string }

// Date is the day of issue where a test names none.
const Date = "2026-03-02"

func (a At) filled() At {
	return At{
		cmp.Or(a.MerchantID, ecpaytest.StageMerchantID), a.Subject, cmp.Or(a.RelateNumber, "R"+a.Subject), cmp.Or(a.Date, Date),
	}
}

// Cases are all cases of all operations.
func Cases() []Case {
	var all []Case
	for _, s := range table() {
		for _, c := range s.Cases {
			payload, stage := c.Payload, c.Stage
			c.Payload = func(a At) tasks.Payload { return payload(a.filled()) }
			c.Stage = func(f *ecpaytest.Server, a At) error { return stage(f, a.filled()) }
			c.Sample = s
			all = append(all, c)
		}
	}
	return all
}

// Usual is the usual case of every operation.
func Usual() []Case {
	var list []Case
	for _, c := range Cases() {
		if n := len(list); n == 0 || list[n-1].Type != c.Type {
			list = append(list, c)
		}
	}
	return list
}

// Writes keeps the cases of writes.
func Writes(cases []Case) []Case {
	var list []Case
	for _, c := range cases {
		if c.Row().Operation.Write {
			list = append(list, c)
		}
	}
	return list
}

// Named is the case of a name; there is one.
func Named(name string) Case {
	for _, c := range Cases() {
		if c.Name == name {
			return c
		}
	}
	panic("no sample has a case " + name)
}

// Row is the row of the case's type.
func (c Case) Row() tasks.Type { return tasks.TypeOf(c.Payload(At{})) }

// Questions are the names of the queries by which an unanswered write is found out, none where
// nothing is known to ask by.
func (c Case) Questions() []string {
	p := c.Payload(At{})
	if ask := tasks.AskOf(p, false); ask != nil {
		return []string{ask.Request.Operation().Name}
	}
	if compare := tasks.CompareOf(p); compare != nil {
		if compare.Whole == nil {
			return []string{compare.List.Operation().Name}
		}
		return []string{compare.List.Operation().Name, compare.Whole.Operation().Name}
	}
	return nil
}

// AllQuestions are those, and the queries that show what excludes the write.
func (c Case) AllQuestions() []string {
	names := c.Questions()
	if ask := tasks.AskOf(c.Payload(At{}), false); ask != nil {
		for _, bar := range ask.Bars {
			names = append(names, bar.Request.Operation().Name)
		}
	}
	return names
}

// Looks reports whether a worker looks at what is there before it sends the write.
func (c Case) Looks() bool { return tasks.CompareOf(c.Payload(At{})) != nil }

// Args is the command line that enqueues the case, after the word enqueue. Where fields have no flags,
// all of it is in a file in dir, which is called for once.
func (c Case) Args(a At, dir func() string) []string {
	args, inFile := []string{c.Command}, false
	p := c.Payload(a)
	for name, f := range tasks.FieldsOf(p) {
		switch {
		case f.Kind() == reflect.Slice || f.Kind() == reflect.Struct:
			if inFile {
				continue
			}
			inFile = true
			data, err := tasks.Encode(p)
			file := filepath.Join(dir(), "data.json")
			if err == nil {
				err = os.WriteFile(file, data, 0o600)
			}
			if err != nil {
				panic(err)
			}
			args = append(args, "--data="+file)
		case !f.IsZero():
			args = append(args, fmt.Sprintf("--%s=%v", tasks.FlagName(name), reflect.Indirect(f)))
		}
	}
	return args
}
