package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/internal/clean"
)

// Flags whose values are written as people write them: cli's own read 010 as 8 and
// 1_000 as 1000, know no days, and answer in the words of Go.
type (
	// IntFlag takes a whole number in decimal digits.
	IntFlag = cli.FlagBase[int, cli.NoConfig, number]
	// DurationFlag takes what [ParseDuration] does.
	DurationFlag = cli.FlagBase[time.Duration, cli.NoConfig, duration]
	// BoolFlag takes true or false, also as 1 and 0 and as on and off.
	BoolFlag = cli.FlagBase[bool, cli.NoConfig, truth]
)

var decimal = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

// parseNumber reads a whole number. Errors quote no value.
func parseNumber(s string) (int, error) {
	n, err := strconv.Atoi(s)
	switch {
	case !decimal.MatchString(s):
		return 0, errors.New("must be a whole number in decimal digits, like 10, without a leading 0, + or spaces")
	case err != nil:
		return 0, errors.New("is a number out of range")
	}
	return n, nil
}

var (
	durationForm = regexp.MustCompile(`^(-?)(?:([0-9]+(?:\.[0-9]+)?)d)?` +
		`((?:[0-9]+(?:\.[0-9]+)?h)?(?:[0-9]+(?:\.[0-9]+)?m)?(?:[0-9]+(?:\.[0-9]+)?s)?` +
		`(?:[0-9]+(?:\.[0-9]+)?ms)?(?:[0-9]+(?:\.[0-9]+)?[uµμ]s)?(?:[0-9]+(?:\.[0-9]+)?ns)?)$`)
	errDuration = errors.New("must be a duration with its unit, like 500ms, 90s, 10m, 12h, 7d or 1d12h")
)

// ParseDuration reads a duration: numbers with the units d (24 hours), h, m, s, ms,
// us and ns, the largest first and each at most once, "-" before all of it where it
// is negative, or 0. Errors quote no value.
func ParseDuration(s string) (time.Duration, error) {
	if s == "0" {
		return 0, nil
	}
	parts := durationForm.FindStringSubmatch(s)
	if parts == nil || parts[2]+parts[3] == "" {
		return 0, errDuration
	}
	var days, rest time.Duration
	var err error
	if parts[2] != "" {
		if days, err = time.ParseDuration(parts[2] + "h"); err == nil && days > math.MaxInt64/24 {
			err = errDuration
		}
		days *= 24
	}
	if parts[3] != "" && err == nil {
		rest, err = time.ParseDuration(parts[3])
	}
	if err != nil || days+rest < 0 {
		return 0, errors.New("is a duration out of range: at most 292 years")
	}
	if parts[1] != "" {
		return -days - rest, nil
	}
	return days + rest, nil
}

// WholeSeconds reports what is wrong with a duration that asynq keeps in whole
// seconds: it drops what is less, and takes 0 for none or for a default of its own.
func WholeSeconds(name string, d time.Duration) error {
	if d%time.Second == 0 {
		return nil
	}
	return fmt.Errorf("%s is %s; it must be whole seconds, because asynq drops what is less: set it to %s",
		name, d, clean.Duration(max(d.Truncate(time.Second), time.Second)))
}

type number int

// Create implements [cli.ValueCreator].
func (number) Create(v int, p *int, _ cli.NoConfig) cli.Value { *p = v; return (*number)(p) }

// ToString implements [cli.ValueCreator].
func (number) ToString(v int) string { return strconv.Itoa(v) }

// Set implements [cli.Value].
func (n *number) Set(s string) error {
	v, err := parseNumber(s)
	*n = number(v)
	return err
}

// Get implements [cli.Value].
func (n *number) Get() any { return int(*n) }

// String implements [cli.Value].
func (n *number) String() string { return strconv.Itoa(int(*n)) }

type duration time.Duration

// Create implements [cli.ValueCreator].
func (duration) Create(v time.Duration, p *time.Duration, _ cli.NoConfig) cli.Value {
	*p = v
	return (*duration)(p)
}

// ToString implements [cli.ValueCreator].
func (duration) ToString(v time.Duration) string { return clean.Duration(v) }

// Set implements [cli.Value].
func (d *duration) Set(s string) error {
	v, err := ParseDuration(s)
	*d = duration(v)
	return err
}

// Get implements [cli.Value].
func (d *duration) Get() any { return time.Duration(*d) }

// String implements [cli.Value].
func (d *duration) String() string { return clean.Duration(time.Duration(*d)) }

type truth bool

// Create implements [cli.ValueCreator].
func (truth) Create(v bool, p *bool, _ cli.NoConfig) cli.Value { *p = v; return (*truth)(p) }

// ToString implements [cli.ValueCreator].
func (truth) ToString(v bool) string { return strconv.FormatBool(v) }

// Set implements [cli.Value].
func (b *truth) Set(s string) error {
	switch s {
	case "on":
		s = "true"
	case "off":
		s = "false"
	}
	v, err := strconv.ParseBool(s)
	if err != nil {
		return errors.New("must be true or false")
	}
	*b = truth(v)
	return nil
}

// Get implements [cli.Value].
func (b *truth) Get() any { return bool(*b) }

// String implements [cli.Value].
func (b *truth) String() string { return strconv.FormatBool(bool(*b)) }

// IsBoolFlag makes cli take the flag without a value.
func (*truth) IsBoolFlag() bool { return true }
