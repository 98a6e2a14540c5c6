package ecpaytest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// Track is a range of invoice numbers (字軌) as AddInvoiceWordSetting and UpdateInvoiceWordStatus would have left it. It may be
// smaller than a book of fifty, so that it runs out soon.
type Track struct {
	MerchantID      string // empty: the first merchant of the Config
	InvoiceCategory string // "1" B2C, "2" B2B; empty: "1"
	InvoiceYear     string // of the Republic of China, like "115"; empty: today's
	InvoiceTerm     int    // 1 to 6; 0: today's
	InvType         string // "07" or "08"; empty: "07"
	InvoiceHeader   string // two capital letters
	InvoiceStart    string // eight digits
	InvoiceEnd      string
	InvoiceNo       string // the number that was used last; empty: none
	UseStatus       string // "1" new, "2" in use, "3" stopped, "4" paused; empty: "2"
}

// track is one that is known. Server.mu guards it.
type track struct {
	Track
	id string
}

// The values of UseStatus that occur here (documented).
const (
	wordNew     = "1"
	wordInUse   = "2"
	wordStopped = "3"
	wordPaused  = "4"
)

// wordHeader are the letters of an invoice number, wordNumber its digits, wordStart and wordEnd those of the first and the last
// of a book (documented).
var (
	wordHeader = regexp.MustCompile(`^[A-Z]{2}$`)
	wordNumber = regexp.MustCompile(`^[0-9]{8}$`)
	wordStart  = regexp.MustCompile(`^[0-9]{6}[05]0$`)
	wordEnd    = regexp.MustCompile(`^[0-9]{6}[49]9$`)
)

// StageTrack makes a range of invoice numbers known. It is no effect.
func (s *Server) StageTrack(t Track) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.account(&t.MerchantID)
	if err != nil {
		return err
	}
	year, term := termOf(s.calendar(s.now()))
	t.InvoiceCategory, t.InvoiceYear = cmp.Or(t.InvoiceCategory, categoryB2C), cmp.Or(t.InvoiceYear, year)
	t.InvoiceTerm, t.InvType = cmp.Or(t.InvoiceTerm, term), cmp.Or(t.InvType, "07")
	t.UseStatus = cmp.Or(t.UseStatus, wordInUse)
	switch {
	case !wordHeader.MatchString(t.InvoiceHeader):
		return fmt.Errorf("track: InvoiceHeader %q must be two capitals", t.InvoiceHeader)
	case !wordNumber.MatchString(t.InvoiceStart) || !wordNumber.MatchString(t.InvoiceEnd) || t.InvoiceStart > t.InvoiceEnd:
		return fmt.Errorf("track %s: InvoiceStart and InvoiceEnd must be eight digits, in this order", t.InvoiceHeader)
	case t.InvoiceNo != "" && (!wordNumber.MatchString(t.InvoiceNo) || t.InvoiceNo < t.InvoiceStart || t.InvoiceNo > t.InvoiceEnd):
		return fmt.Errorf("track %s: InvoiceNo must be from InvoiceStart to InvoiceEnd", t.InvoiceHeader)
	case t.InvoiceTerm < 1 || t.InvoiceTerm > 6 || t.InvType != "07" && t.InvType != "08",
		t.InvoiceCategory != categoryB2C && t.InvoiceCategory != categoryB2B:
		return fmt.Errorf("track %s: InvoiceTerm must be 1 to 6, InvType 07 or 08, InvoiceCategory 1 or 2", t.InvoiceHeader)
	case !slices.Contains([]string{wordNew, wordInUse, wordStopped, wordPaused}, t.UseStatus):
		return fmt.Errorf("track %s: UseStatus must be 1 to 4", t.InvoiceHeader)
	case m.overlaps(t):
		return fmt.Errorf("track %s: another one has some of its numbers", t.InvoiceHeader)
	}
	m.addTrack(t)
	return nil
}

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

// describe lists a track's members as the queries answer them (documented). InvoiceNo is the number that was used last.
func (t *track) describe() object {
	return object{
		{"TrackID", t.id},
		{"InvoiceYear", t.InvoiceYear},
		{"InvoiceTerm", t.InvoiceTerm},
		{"InvoiceCategory", json.Number(t.InvoiceCategory)},
		{"InvType", t.InvType},
		{"InvoiceHeader", t.InvoiceHeader},
		{"InvoiceStart", t.InvoiceStart},
		{"InvoiceEnd", t.InvoiceEnd},
		{"InvoiceNo", t.InvoiceNo},
		{"UseStatus", json.Number(t.UseStatus)},
	}
}

// addTrack makes a range known and gives it its id.
func (m *merchant) addTrack(t Track) *track {
	added := &track{Track: t, id: fmt.Sprintf("%010d", len(m.tracks)+1)}
	m.tracks = append(m.tracks, added)
	m.tracked[t.InvoiceCategory] = m.tracked[t.InvoiceCategory] || t.UseStatus != wordNew
	return added
}

// overlaps reports whether a range has numbers that another one has.
func (m *merchant) overlaps(t Track) bool {
	for _, other := range m.tracks {
		if other.InvoiceYear == t.InvoiceYear && other.InvoiceTerm == t.InvoiceTerm && other.InvoiceHeader == t.InvoiceHeader &&
			other.InvoiceStart <= t.InvoiceEnd && t.InvoiceStart <= other.InvoiceEnd {
			return true
		}
	}
	return false
}

// The values of InvoiceCategory of word settings (documented).
const (
	categoryB2C = "1"
	categoryB2B = "2"
)

// takeNumber returns the next invoice number of a category for a day, and whether there is one. Until a range of the category
// has been turned on there always is: one of a range that no query lists and that does not end, with the given letters.
func (s *Server) takeNumber(m *merchant, category, invType string, day time.Time, letters string) (string, bool) {
	if !m.tracked[category] {
		s.minted++
		return fmt.Sprintf("%s%08d", letters, s.minted), true
	}
	year, term := termOf(day)
	for _, t := range m.tracks {
		if t.InvoiceCategory != category || t.InvoiceYear != year || t.InvoiceTerm != term || t.InvType != invType || t.UseStatus != wordInUse {
			continue
		}
		if number, ok := t.next(); ok {
			s.minted++
			return number, true
		}
	}
	return "", false
}

// next takes the next number of a range.
func (t *track) next() (string, bool) {
	number := t.InvoiceStart
	if t.InvoiceNo != "" {
		last, _ := strconv.Atoi(t.InvoiceNo) // eight digits
		number = fmt.Sprintf("%08d", last+1)
	}
	if number > t.InvoiceEnd || len(number) > len(t.InvoiceEnd) {
		return "", false
	}
	t.InvoiceNo = number
	return t.InvoiceHeader + number, true
}

// termOf is the year of the Republic of China and the term of two months of a day in Taipei.
func termOf(day time.Time) (year string, term int) {
	day = day.In(taipei)
	return strconv.Itoa(day.Year() - 1911), (int(day.Month()) + 1) / 2
}
