// Package docs holds the tests that keep the READMEs true: their tables are
// those of the code, their commands and flags exist, their Go is compiled, their
// links lead somewhere, and the two languages say the same.
package docs
