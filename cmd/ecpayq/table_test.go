package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestATextIsWrappedBetweenWordsAndWideCharacters(t *testing.T) {
	t.Parallel()
	const id = "b2b.invalid.2000132.VG11000002.2019-09-23"
	for _, row := range []struct {
		text  string
		width int
		want  []string
	}{
		{"", 10, []string{""}},
		{strings.Repeat("寬", 51), 1, strings.Split(strings.Repeat("寬", 51), "")},
		{"one two", 0, []string{"one two"}},
		{"one two three", 7, []string{"one two", "three"}},
		{"綠界拒絕此內容，請修正", 14, []string{"綠界拒絕此內", "容，請修正"}},
		{"（綠界）a", 4, []string{"（綠", "界）", "a"}},
		{"see " + id + " there", 20, []string{"see", id, "there"}},
		{`{"a":"b","c":"d"}`, 10, []string{`{"a":"b",`, `"c":"d"}`}},
		{strings.Repeat("x", 250), 40, append(slices.Repeat([]string{strings.Repeat("x", 40)}, 6), strings.Repeat("x", 10))},
	} {
		if diff := cmp.Diff(row.want, wrap(row.text, row.width)); diff != "" {
			t.Errorf("%q at %d (-want +got):\n%s", row.text, row.width, diff)
		}
		if got := strings.Join(words(row.text), ""); got != row.text {
			t.Errorf("the words of %q are %q", row.text, got)
		}
	}
	for _, row := range []struct {
		least, most []int
		room        int
		want        []int
		fits        bool
	}{
		{[]int{5, 14}, []int{5, 60}, 100, []int{5, 60}, true},
		{[]int{5, 14}, []int{5, 60}, 30, []int{5, 25}, true},
		{[]int{5, 14, 14}, []int{5, 60, 20}, 60, []int{5, 35, 20}, true},
		{[]int{41, 14}, []int{41, 60}, 54, []int{41, 14}, false},
	} {
		got, fits := share(row.least, row.most, row.room)
		if fits != row.fits || fits && !cmp.Equal(got, row.want) {
			t.Errorf("%v to %v in %d: got %v, %t, want %v, %t", row.least, row.most, row.room, got, fits, row.want, row.fits)
		}
	}
}
