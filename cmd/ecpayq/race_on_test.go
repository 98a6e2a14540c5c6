//go:build race

package main_test

// raceDetector says that the tests were built with the race detector; the
// binary under test is then built with it too.
const raceDetector = true
