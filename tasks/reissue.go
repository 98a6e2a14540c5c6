package tasks

// issuedAnew is what GetIssue shows of an invoice that is to be issued anew, or was: its random code is
// another one then. The zero value is that of an answer without an invoice.
type issuedAnew struct {
	number, random string
	voided         bool
	ofThisAmount   bool // that of what takes its place
}

// known is what to remember of it before the write, see [Comparison].
func (i issuedAnew) known(found bool) (string, bool) {
	if !found {
		return noneKnown, true // ECPay says why it is refused
	}
	return i.random, i.random != ""
}

// judge says whether the invoice with a number was issued anew since a code was remembered.
func (i issuedAnew) judge(known, number string) Shown {
	switch {
	case known == "", known == noneKnown, i.random == "", i.voided, i.number != number:
		return Undecided
	case i.random == known:
		return NotMade
	case !i.ofThisAmount:
		return Undecided // it was issued anew by other hands
	}
	return Made
}
