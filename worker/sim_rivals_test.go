package worker

import "github.com/ecpayq/ecpayq/internal/samples"

// rivalNames are pairs of writes that stand in each other's way: ECPay takes the one only before
// the other, only after it, or only one of them. What both are about is staged for the first.
var rivalNames = [][2]string{
	{"B2C allowance void", "B2C void"},
	{"B2C allowance", "B2C void"},
	{"issue confirm", "reject"},
	{"void", "issue confirm"},
	{"void", "reject"},
	{"void", "void confirm"},
	{"allowance confirm", "allowance cancel"},
	{"allowance cancel", "allowance cancel confirm"},
}

// rivals are one of the pairs.
func (s *sim) rivals() []*simIntent {
	names := rivalNames[s.rng.IntN(len(rivalNames))]
	first := intentOf(names[0], testMerchant, 1)
	subject := first.subject
	if names[1] == "B2C void" {
		subject = samples.InvoiceOf(subject)
	}
	second := intentAbout(names[1], testMerchant, subject)
	second.staged = true
	return []*simIntent{first, second}
}
