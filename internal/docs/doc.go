// Package docs holds the tests that keep the READMEs and the pages in docs true:
// their tables and drawings are those of the code, their commands and flags exist,
// their Go is compiled, their links and paths lead somewhere, and the two languages
// say the same.
package docs
