package ecpay

import (
	"fmt"
	"strconv"
	"strings"
)

// Left is how many numbers of the range are not used yet: those after InvoiceNo, or all where
// InvoiceNo is empty or before the first. By ECPay's page InvoiceNo is the number that was used
// last; were it the next one, as another reading has it, one more would be left. The error tells
// which of the three cannot be read, or does not go with the others.
func (w UsedInvoiceWord) Left() (int, error) {
	start, err := w.number("InvoiceStart", w.InvoiceStart)
	if err != nil {
		return 0, err
	}
	end, err := w.number("InvoiceEnd", w.InvoiceEnd)
	if err != nil {
		return 0, err
	}
	last := start - 1
	if w.InvoiceNo != "" {
		used, err := w.number("InvoiceNo", w.InvoiceNo)
		if err != nil {
			return 0, err
		}
		last = max(last, used)
	}
	if end < start || last > end {
		return 0, fmt.Errorf("track %s: InvoiceEnd is before InvoiceStart or InvoiceNo", w.TrackID)
	}
	return end - last, nil
}

// number reads the digits of an invoice number, with or without its two letters. As a JSON number
// they have lost their leading zeros.
func (w UsedInvoiceWord) number(field string, v Text) (int, error) {
	digits := strings.TrimPrefix(strings.TrimSpace(string(v)), string(w.InvoiceHeader))
	n, err := strconv.Atoi(digits)
	if err != nil || len(digits) > 8 || !digitChars(digits) {
		return 0, fmt.Errorf("track %s: %s is no number of at most eight digits", w.TrackID, field)
	}
	return n, nil
}

// InvoiceNumbers are the invoice numbers of a term that are not used yet.
type InvoiceNumbers struct {
	// InUse are those of ranges from which ECPay issues.
	InUse int
	// Off are those of ranges that UpdateInvoiceWordStatus has still to turn on: new and paused ones.
	Off int
}

// InvoiceNumbersLeft counts what is left of the ranges of one term and InvType among those that
// GetInvoiceWordSetting answered; [InvoiceTermOf] tells the term of today. Ranges that are stopped,
// not approved, or await approval count for nothing.
func InvoiceNumbersLeft(words []UsedInvoiceWord, year string, term int, invType string) (InvoiceNumbers, error) {
	var left InvoiceNumbers
	for _, w := range words {
		if string(w.InvoiceYear) != year || int(w.InvoiceTerm) != term || string(w.InvType) != invType {
			continue
		}
		switch w.UseStatus {
		case WordInUse, WordNew, WordPaused:
		default:
			continue
		}
		n, err := w.Left()
		if err != nil {
			return InvoiceNumbers{}, err
		}
		if w.UseStatus == WordInUse {
			left.InUse += n
		} else {
			left.Off += n
		}
	}
	return left, nil
}

// DaysLeft is for how many whole days so many numbers last where as many are used in a day as
// usedInADay. Where none are they do not end, and ends is false.
func DaysLeft(numbers, usedInADay int) (days int, ends bool) {
	if usedInADay <= 0 {
		return 0, false
	}
	return max(0, numbers) / usedInADay, true
}
