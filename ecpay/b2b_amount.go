package ecpay

import "math/big"

// wholeDollars is a whole amount of New Taiwan dollars, at most [maxDollars].
func (c *check) wholeDollars(field string, v, least int64) {
	if v < least || v > maxDollars {
		c.fail(field, "must be whole dollars, %d to %d", least, maxDollars)
	}
}

// itemSum adds the amounts of items up exactly. The zero sum is 0.
type itemSum struct {
	sum     big.Rat
	unknown bool
}

// add adds an amount; nil, which is none, makes the sum unknown.
func (s *itemSum) add(n *big.Rat) {
	if n == nil {
		s.unknown = true
		return
	}
	s.sum.Add(&s.sum, n)
}

// rounds reports whether the sum rounds to so many whole dollars, or is unknown.
func (s *itemSum) rounds(to int64) bool {
	return s.unknown || rounded(&s.sum).Cmp(big.NewInt(to)) == 0
}
