package samples

// Aftermath is what a trouble leaves behind: what ECPay did, and what the worker
// can read of it.
type Aftermath int

// The aftermaths.
const (
	// Recorded: the answer was read, and recorded in the end.
	Recorded Aftermath = iota
	// Landed: the effect is there when the worker comes back, its answer is not.
	Landed
	// Absent: the request never has an effect, and the worker cannot know.
	Absent
	// Late: the effect comes about after the worker has come back once.
	Late
	// LandedRefused and AbsentRefused: as above, and ECPay refuses every later
	// attempt of the write.
	LandedRefused
	AbsentRefused
	// AbsentUnknown: as Absent, and ECPay gives every later attempt a code that
	// nobody knows.
	AbsentUnknown
)

// The outcomes. What follows the state happened in this order after the first
// request: "asked" is one question or several, "sent again" one more write.
const (
	Done               = "done"
	DoneAsked          = "done, asked"
	DoneSentAgain      = "done, sent again"
	DoneAskedSentAgain = "done, asked, sent again"
	DoneSentAgainAsked = "done, sent again, asked"
	Held               = "held"
	Ambiguous          = "dead (`Ambiguous`)"
	Rejected           = "dead (`Rejected`)"
	NotFound           = "dead (`NotFound`)"
)

// asked is the rule of a write whose effect a question shows at once: what is
// shown is done, what is not shown after the fence was not executed and is sent
// again. A refusal then is the refusal of the only request that ECPay acted on.
func asked(refused string) map[Aftermath]string {
	return map[Aftermath]string{
		Recorded: Done, Landed: DoneAsked, Absent: DoneAskedSentAgain, Late: DoneAsked,
		LandedRefused: DoneAsked, AbsentRefused: refused, AbsentUnknown: Ambiguous,
	}
}

// always is the rule of a write that never goes out twice: it ends the same,
// whatever ECPay did with the first one.
func always(outcome string) map[Aftermath]string {
	return map[Aftermath]string{
		Recorded: Done, Landed: outcome, Absent: outcome, Late: outcome,
		LandedRefused: outcome, AbsentRefused: outcome, AbsentUnknown: outcome,
	}
}
