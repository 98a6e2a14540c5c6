package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/ecpayq/ecpayq/internal/config"
)

// The errors of urfave/cli v3, which have no types. The values in them are quoted,
// and dropped here: what is wanted stands at the end, in the words of our own flags.
var (
	valueOfFlag     = regexp.MustCompile(`^invalid value "(?:[^"\\]|\\.)*" for flag -([a-z-]+): (.*)$`)
	valueOfVariable = regexp.MustCompile(
		`^could not parse "(?:[^"\\]|\\.)*" as \S+ value from environment variable "([A-Z_]+)" for flag [a-z-]+: (.*)$`,
	)
	unknownFlag = regexp.MustCompile(`^flag provided but not defined: -(.*)$`)
	noTopic     = regexp.MustCompile(`^No help topic for '(.*)'`)
	flagAlone   = regexp.MustCompile(`^flag needs an argument: (--?[a-z-]+)`)
)

// mistake says in words for people what cli found wrong on the command line of c, or
// in its variables.
func mistake(c *cli.Command, err error) error {
	text := err.Error()
	if m := valueOfFlag.FindStringSubmatch(text); m != nil {
		if m[2] == "can't duplicate this flag" {
			return fmt.Errorf("--%s is there twice", m[1])
		}
		return fmt.Errorf("--%s %s", m[1], m[2])
	}
	if m := valueOfVariable.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("%s %s", m[1], m[2])
	}
	if m := flagAlone.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("%s needs a value", m[1])
	}
	if m := unknownFlag.FindStringSubmatch(text); m != nil && c != nil {
		return unknown(fmt.Errorf("%s has no flag %s", c.FullName(), quoted(dashed(m[1]))),
			dashed(m[1]), flagNames(c), c.FullName()+" --help lists its flags")
	}
	if m := noTopic.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("no help about %s", quoted(m[1]))
	}
	return err
}

func dashed(name string) string {
	if name = strings.TrimLeft(name, "-"); len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// quoted is what was typed, shortened.
func quoted(s string) string {
	if len(s) > 64 {
		s = strings.ToValidUTF8(s[:64], "") + "…"
	}
	return strconv.Quote(s)
}

func flagNames(c *cli.Command) []string {
	var list []string
	for _, f := range c.Flags {
		list = append(list, dashed(f.Names()[0]))
	}
	return list
}

// noCommand is an error about a command that is not in a group, whose full name is in.
func noCommand(group *cli.Command, in, name string) error {
	return unknown(fmt.Errorf("no command %s in %s", quoted(name), in), name, called(group.Commands), in+" --help lists its commands")
}

// unknown is a hint of what may have been meant.
func unknown(err error, typed string, known []string, list string) error {
	text := list
	if name := nearest(typed, known); name != "" {
		text = "did you mean " + name + "? " + list
	}
	return usageError{&config.Hint{Err: err, Text: text}}
}

// nearest is the name that a slip of the fingers or two make what was typed, empty
// if there is none.
func nearest(typed string, known []string) string {
	best, least := "", 3
	for _, name := range known {
		if d := distance(typed, name); d < least && 2*d < len(name) {
			best, least = name, d
		}
	}
	return best
}

// distance is how many bytes to insert, drop, replace or swap with their neighbour
// make b of a.
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			differ := 1
			if a[i-1] == b[j-1] {
				differ = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+differ)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// strict makes every flag count once. A flag that takes a list may be repeated.
func strict(flags []cli.Flag) {
	for _, f := range flags {
		switch f := f.(type) {
		case *cli.StringFlag:
			f.OnlyOnce = true
		case *config.IntFlag:
			f.OnlyOnce = true
		case *config.DurationFlag:
			f.OnlyOnce = true
		case *config.BoolFlag:
			f.OnlyOnce = true
		}
	}
}

// looseTruth finds true and false where a flag would have them after "=": as they
// stand they are arguments, and the flag before them is set.
func looseTruth(c *cli.Command) error {
	for _, arg := range c.Args().Slice() {
		if arg == "true" || arg == "false" {
			return usageError{fmt.Errorf("unexpected argument %q; a flag takes it after =, like --json=%s", arg, arg)}
		}
	}
	return nil
}

// resolve finds the command that is meant, as far as its name goes, and makes of
// "help COMMAND…" the flag --help of that command, however deep it is. cli itself
// looks at the first name only, and proposes any.
func resolve(root *cli.Command, args []string) ([]string, error) {
	at, path := root, args[:min(1, len(args))]
	help := false
	for i := len(path); i < len(args) && len(at.Commands) > 0; i++ {
		name := args[i]
		if strings.HasPrefix(name, "-") || name == "" {
			break
		}
		if name == "help" || name == "h" {
			help = true
			continue
		}
		next := slices.IndexFunc(at.Commands, func(c *cli.Command) bool { return c.HasName(name) })
		if next < 0 {
			return nil, noCommand(at, strings.Join(append([]string{root.Name}, path[1:]...), " "), name)
		}
		at, path = at.Commands[next], append(slices.Clone(path), name)
	}
	if help {
		return append(slices.Clone(path), "--help"), nil
	}
	return args, emptyTruth(at, args[len(path):])
}

// emptyTruth refuses --not-executed= and the like, as a script gives it whose variable is
// empty: cli would set the flag.
func emptyTruth(c *cli.Command, args []string) error {
	for _, f := range c.Flags {
		if _, ok := f.(*config.BoolFlag); ok && slices.Contains(args, dashed(f.Names()[0])+"=") {
			return usageError{fmt.Errorf("%s is empty; it must be true or false", dashed(f.Names()[0]))}
		}
	}
	return nil
}

// notEmpty refuses flags that are given without a value, as a script gives them whose
// variable is empty: a filter would select everything.
func notEmpty(c *cli.Command, flags ...string) error {
	for _, name := range flags {
		if c.IsSet(name) && c.String(name) == "" {
			return usageError{fmt.Errorf("--%s is empty; leave it out to mean all", name)}
		}
	}
	return nil
}
