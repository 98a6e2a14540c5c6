package ecpaytest

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
)

// track is a range of invoice numbers (字軌) of a merchant. Server.mu guards it. Issue takes no number from it.
type track struct {
	id, year, term, invType, category string
	header, start, end                string
	status                            string // as UseStatus has it
}

// The values of UseStatus that occur here. Which number means what is our choice.
const (
	wordNew     = "1"
	wordInUse   = "2"
	wordStopped = "3"
	wordPaused  = "4"
)

// wordHeader are the letters of an invoice number.
var wordHeader = regexp.MustCompile(`^[A-Z]{2}$`)

// number reads a field that is a small number, as JSON's or in a string, and returns its digits.
func (f *fields) number(name string, low, high int) string {
	n := f.amount(name, true)
	if n < float64(low) || n > float64(high) || n != math.Trunc(n) {
		f.complain(CodeFieldFormat, "%s must be %d to %d", name, low, high)
	}
	return strconv.Itoa(int(n))
}

// year reads InvoiceYear, which is of the Republic of China (documented).
func (f *fields) year() string { return f.number("InvoiceYear", 90, 199) }

// describe lists a track's members as the queries answer them; their names are our choice but for TrackID and InvoiceNo,
// the number that is next (recorded).
func (t *track) describe() object {
	return object{
		{"TrackID", t.id},
		{"InvoiceYear", t.year},
		{"InvoiceTerm", t.term},
		{"InvType", t.invType},
		{"InvoiceHeader", t.header},
		{"InvoiceStart", t.start},
		{"InvoiceEnd", t.end},
		{"InvoiceNo", t.start},
		{"UseStatus", t.status},
	}
}

// addTrack makes a range known and gives it its id.
func (m *merchant) addTrack(t track) *track {
	t.id = fmt.Sprintf("%010d", len(m.tracks)+1)
	m.tracks = append(m.tracks, &t)
	return &t
}
