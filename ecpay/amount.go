package ecpay

import (
	"encoding/json"
	"math/big"
	"strings"
)

// The digits of the numbers of an item, before and after the decimal point. The page of a
// sibling product (O'Pay i100) gives six places for the ItemCount of an allowance, a copy
// of ECPay's page two; the larger one is taken, and the rest left to ECPay to judge.
const (
	itemWhole        = 8
	itemCountPlaces  = 6
	itemAmountPlaces = 7
)

// maxDollars is the largest amount that ECPay's Int holds.
const maxDollars = 1<<31 - 1

// decimal is a required number in plain decimal digits, with at most whole of them
// before the point and places after it. It may be below 0, as the line of a discount
// is. It returns nil for what is none.
func (c *check) decimal(field string, v *json.Number, whole, places int) *big.Rat {
	*v = json.Number(strings.TrimSpace(string(*v)))
	if !c.present(field, string(*v)) {
		return nil
	}
	before, after, point := strings.Cut(strings.TrimPrefix(string(*v), "-"), ".")
	switch {
	case !digitChars(before) || point && !digitChars(after) || len(before) > 1 && before[0] == '0':
		c.fail(field, "must be a number in decimal digits, like 100 or 10.5")
		return nil
	case len(before) > whole || len(after) > places:
		c.fail(field, "may have at most %d digits before the decimal point and %d after it", whole, places)
		return nil
	}
	n, _ := new(big.Rat).SetString(string(*v)) // never fails for such digits
	return n
}

// dollars is a required amount of whole New Taiwan dollars, 1 to [maxDollars].
func (c *check) dollars(field string, v *json.Number) *big.Int {
	if strings.Contains(string(*v), ".") {
		c.fail(field, "must be whole dollars, without a decimal point")
		return nil
	}
	n := c.decimal(field, v, len("2147483647"), 0)
	switch {
	case n == nil:
		return nil
	case n.Sign() <= 0:
		c.fail(field, "must be more than 0")
		return nil
	case n.Cmp(new(big.Rat).SetInt64(maxDollars)) > 0:
		c.fail(field, "must be at most %d", maxDollars)
		return nil
	}
	return n.Num()
}

// rounded is n in whole dollars, half a dollar away from zero, as ECPay's own samples
// round.
func rounded(n *big.Rat) *big.Int {
	half := big.NewRat(1, 2)
	if n.Sign() < 0 {
		half.Neg(half)
	}
	sum := new(big.Rat).Add(n, half)
	return new(big.Int).Quo(sum.Num(), sum.Denom())
}

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
