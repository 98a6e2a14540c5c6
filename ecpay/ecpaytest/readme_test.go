package ecpaytest

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestReadmeNamesEveryEndpointAndCode(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	for path := range operations {
		if !strings.Contains(readme, "`"+path+"`") {
			t.Errorf("README.md does not name %s", path)
		}
	}
	codes := []int{CodeFieldMissing, CodeFieldFormat, CodeUnknownField}
	for code := range messages {
		codes = append(codes, code)
	}
	for code := range transMessages {
		codes = append(codes, code)
	}
	for _, code := range codes {
		if !strings.Contains(readme, strconv.Itoa(code)) {
			t.Errorf("README.md does not name %d", code)
		}
	}
}
