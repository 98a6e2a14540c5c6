package ecpay

import "testing"

func TestCheckDigitsOfATaxID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"23165448": true, "24549210": true, "53538851": true, "28080623": true, // divisible by 5
		"04595257": true,  // by 10, too
		"10458575": true,  // a 7 in the seventh place, counted as 1
		"10458574": true,  // counted as 0
		"10458573": false, // as neither
		"23165447": false, "00000000": true, "12345678": false, "2316544": false, "231654480": false, "2316544A": false, "": false,
	} {
		if got := taxID(id); got != want {
			t.Errorf("%s: %v, want %v", id, got, want)
		}
	}
	// The rule told in another way: the digits of each product, and the 28 of a 7 in the seventh place as 1 or as 0.
	products := map[byte][10]int{1: {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 2: {0, 2, 4, 6, 8, 1, 3, 5, 7, 9}, 4: {0, 4, 8, 3, 7, 2, 6, 10, 5, 9}}
	for n := 0; n < 100_000_000; n += 99_991 {
		id := []byte("00000000")
		for i, rest := 7, n; i >= 0; i, rest = i-1, rest/10 {
			id[i] += byte(rest % 10)
		}
		sums := []int{0}
		for i, weight := range []byte{1, 2, 1, 2, 1, 2, 4, 1} {
			v := products[weight][id[i]-'0']
			if v == 10 {
				sums = []int{sums[0], sums[0] + 1}
				v = 0
			}
			for j := range sums {
				sums[j] += v
			}
		}
		want := false
		for _, sum := range sums {
			want = want || sum%5 == 0
		}
		if got := taxID(string(id)); got != want {
			t.Fatalf("%s: %v, want %v", id, got, want)
		}
	}
}
