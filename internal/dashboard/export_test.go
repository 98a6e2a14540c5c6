package dashboard

// Translated reports whether a text of the page has Chinese.
func Translated(text string) bool { _, ok := inChinese[text]; return ok }
