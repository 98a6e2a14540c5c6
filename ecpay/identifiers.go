package ecpay

// taxID reports whether s is a 統一編號 by the rule in force since 2023-04. Its eight digits are
// multiplied by 1, 2, 1, 2, 1, 2, 4 and 1, and the digits of the products are summed: the sum has to
// be divisible by 5 (until then by 10). A 7 in the seventh place gives 28 and so 10, which counts as
// 1 or as 0: either sum will do, and as 10 is as good as 0 here, the other is one more.
func taxID(s string) bool {
	if len(s) != 8 || !digitChars(s) {
		return false
	}
	sum := 0
	for i, weight := range [8]int{1, 2, 1, 2, 1, 2, 4, 1} {
		product := int(s[i]-'0') * weight
		sum += product/10 + product%10
	}
	return sum%5 == 0 || s[6] == '7' && (sum+1)%5 == 0
}

// mobileBarcode reports whether s is a mobile barcode carrier (手機條碼): a slash and seven of the
// 39 characters 0-9, A-Z, "+", "-" and ".".
func mobileBarcode(s string) bool {
	return len(s) == 8 && s[0] == '/' && every(s[1:], func(b byte) bool {
		return digit(b) || capital(b) || b == '+' || b == '-' || b == '.'
	})
}

// citizenCertificate reports whether s is a citizen certificate carrier (自然人憑證條碼): two capital
// letters and fourteen digits.
func citizenCertificate(s string) bool {
	return len(s) == 16 && every(s[:2], capital) && every(s[2:], digit)
}

// loveCode reports whether s is a donation code (捐贈碼): three to seven digits, by the text of the
// refusal 2020001.
func loveCode(s string) bool { return 3 <= len(s) && len(s) <= 7 && digitChars(s) }

func (c *check) taxID(field string, v *string) {
	before := len(c.fields)
	c.matching(field, v, 8, digitChars, "eight digits")
	if len(c.fields) == before && !taxID(*v) {
		c.fail(field, "is no 統一編號: its check digit is wrong; look at it again")
	}
}

func (c *check) loveCode(field string, v *string) {
	c.matching(field, v, 7, loveCode, "three to seven digits")
}

func (c *check) mobileBarcode(field string, v *string) {
	c.matching(field, v, 8, mobileBarcode, `a slash and seven of 0-9, A-Z, "+", "-" and ".", like /ABC+123`)
}
