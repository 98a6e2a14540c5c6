package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/ecpayq/ecpayq/ecpay"
)

// yamlNumber is a whole number in decimal digits: YAML's own reads 010 as 8.
type yamlNumber int

// UnmarshalYAML implements [yaml.Unmarshaler].
func (v *yamlNumber) UnmarshalYAML(n *yaml.Node) error {
	i, err := parseNumber(n.Value)
	*v = yamlNumber(i)
	return at(n, err)
}

// yamlDuration is what [ParseDuration] takes.
type yamlDuration time.Duration

// UnmarshalYAML implements [yaml.Unmarshaler].
func (v *yamlDuration) UnmarshalYAML(n *yaml.Node) error {
	d, err := ParseDuration(n.Value)
	*v = yamlDuration(d)
	return at(n, err)
}

// codeRow is an [ecpay.CodeRow] whose numbers are decimal.
type codeRow struct {
	RtnCode   yamlNumber `yaml:"rtn_code"`
	TransCode yamlNumber `yaml:"trans_code"`
	Operation string     `yaml:"operation"`
	Kind      ecpay.Kind `yaml:"kind"`
	ZhTW      string     `yaml:"zh_tw"`
	En        string     `yaml:"en"`
}

// codes is the built-in table with the rows of the file.
func (f file) codes() (*ecpay.Codes, error) {
	rows := make([]ecpay.CodeRow, len(f.Codes))
	for i, r := range f.Codes {
		rows[i] = ecpay.CodeRow{RtnCode: int64(r.RtnCode), TransCode: int(r.TransCode),
			Operation: r.Operation, Kind: r.Kind, ZhTW: r.ZhTW, En: r.En}
	}
	codes, err := ecpay.NewCodes(rows...)
	if err != nil {
		return nil, fmt.Errorf("ECPAYQ_CONFIG: %w", err)
	}
	return codes, nil
}

// valueError is what is wrong with a value, which knows where it stands and not its
// name.
type valueError struct {
	node *yaml.Node
	err  error
}

func (e *valueError) Error() string { return fmt.Sprintf("line %d: it %s", e.node.Line, e.err) }

func at(n *yaml.Node, err error) error {
	if err == nil {
		return nil
	}
	return &valueError{n, err}
}

// nameOf is the name of the value that stands at a place, empty if there is none.
func nameOf(n *yaml.Node, line, column int) string {
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 && child.Line == line && child.Column == column {
			return n.Content[i-1].Value
		}
		if name := nameOf(child, line, column); name != "" {
			return name
		}
	}
	return ""
}

var (
	// How yaml quotes values and names in errors. A value may be a key, and so may a
	// name: in a file whose author exchanged the two.
	quotedValue = regexp.MustCompile("`[^`]*`")
	unknownName = regexp.MustCompile(`field (.*) not found in type \S+`)
	twice       = regexp.MustCompile(`mapping key "(.*)" already defined at line (\d+)`)
	wrongType   = regexp.MustCompile("cannot unmarshal !!\\S+( `…`)? into (\\S+)")
	// fieldLike is a misspelt field of ours and no key, which has 16 characters and
	// no underscore.
	fieldLike = regexp.MustCompile(`^([a-z]{1,15}|[a-z]+_[a-z_]+)$`)
)

// yamlProblem says what is wrong with a file, in words that are neither yaml's nor
// Go's and hold no value.
func yamlProblem(text []byte, err error) string {
	var value *valueError
	if errors.As(err, &value) {
		var root yaml.Node
		if name := ""; yaml.Unmarshal(text, &root) == nil {
			if name = nameOf(&root, value.node.Line, value.node.Column); name != "" {
				return fmt.Sprintf("line %d: %s %s", value.node.Line, name, value.err)
			}
		}
		return value.Error()
	}
	problem := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "yaml: "), "unmarshal errors:\n  ")
	if yaml.Unmarshal(text, new(yaml.Node)) != nil {
		return notYAML(problem)
	}
	problem = strings.ReplaceAll(problem, "\n  ", "; ")
	problem = quotedValue.ReplaceAllString(problem, "`…`")
	problem = unknownName.ReplaceAllStringFunc(problem, func(s string) string {
		return named("an unknown field", "unknown field %q", unknownName.FindStringSubmatch(s)[1])
	})
	problem = twice.ReplaceAllStringFunc(problem, func(s string) string {
		m := twice.FindStringSubmatch(s)
		return named("a field", "field %q", m[1]) + " is there twice, first on line " + m[2]
	})
	return wrongType.ReplaceAllStringFunc(problem, func(s string) string {
		switch into := wrongType.FindStringSubmatch(s)[2]; {
		case into == "bool":
			return "this must be true or false"
		case into == "string":
			return "this must be text"
		case strings.HasPrefix(into, "[]"):
			return "this must be a list"
		default:
			return "this must be fields with their values"
		}
	})
}

var unknownAnchor = regexp.MustCompile(`^unknown anchor '.*' referenced$`)

// notYAML says of a text that is no YAML at all on which line that is noticed, where yaml knows, and
// the mistakes by which it mostly happens.
func notYAML(problem string) string {
	if unknownAnchor.MatchString(problem) {
		return "a value begins with * and is not quoted: put it in quotes"
	}
	where, _, known := strings.Cut(problem, ": ")
	if !known || !strings.HasPrefix(where, "line ") {
		where = "somewhere"
	}
	return where + ": this is no YAML: look there and on the line before for a tab, a bracket or quote that is not closed, " +
		"a colon or # in a value without quotes, or lines that are not aligned"
}

// named tells a name that may be one of ours.
func named(without, with, name string) string {
	if fieldLike.MatchString(name) {
		return fmt.Sprintf(with, name)
	}
	return without
}
