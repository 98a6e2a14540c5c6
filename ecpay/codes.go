package ecpay

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
)

// CodeRow is one row of the code table: what a code of ECPay's means and how to
// react. ECPay's full list is in the merchant back office only
// (廠商後台→電子發票→系統開發管理→錯誤代碼查詢, ?p=13853) and grows, so operators
// add rows by configuration.
type CodeRow struct {
	// RtnCode or TransCode is the code; exactly one is set.
	RtnCode   int64 `json:"rtn_code,omitempty" yaml:"rtn_code"`
	TransCode int   `json:"trans_code,omitempty" yaml:"trans_code"`
	// Operation limits the row to one endpoint, by category and name, like "B2B
	// Invalid"; empty means all. A name alone will do for an operation of the table
	// whose name no other category has.
	Operation string `json:"operation,omitempty" yaml:"operation"`
	Kind      Kind   `json:"kind" yaml:"kind"`
	// ZhTW and En say what the code means.
	ZhTW string `json:"zh_tw" yaml:"zh_tw"`
	En   string `json:"en" yaml:"en"`
}

//go:embed codes.json
var codesJSON []byte

// Codes is the code table. The zero value knows no code.
type Codes struct{ rows map[codeKey]CodeRow }

type codeKey struct {
	operation OperationID // zero: all
	rtnCode   int64
	transCode int
}

// rowKinds are the kinds a row may name. Throttled is HTTP's word, Ambiguous,
// Stale and OK need more than a code, save where the built-in table says so.
var rowKinds = map[Kind]bool{
	AlreadyDone: true, Rejected: true, NotFound: true, Conflict: true,
	Denied: true, Operator: true, Unavailable: true, Unknown: true,
}

// NewCodes returns the built-in table extended, or overridden row by row, by extra.
func NewCodes(extra ...CodeRow) (*Codes, error) {
	var builtIn []CodeRow
	if err := json.Unmarshal(codesJSON, &builtIn); err != nil {
		return nil, fmt.Errorf("built-in code table: %w", err)
	}
	t := &Codes{rows: make(map[codeKey]CodeRow, len(builtIn)+len(extra))}
	for _, row := range builtIn {
		id, err := builtInOperation(row.Operation)
		if err != nil {
			return nil, fmt.Errorf("built-in code table: %w", err)
		}
		t.rows[codeKey{id, row.RtnCode, row.TransCode}] = row
	}
	for i, row := range extra {
		switch {
		case (row.RtnCode == 0) == (row.TransCode == 0):
			return nil, fmt.Errorf("codes[%d]: give either rtn_code or trans_code", i)
		case row.TransCode == 1:
			return nil, fmt.Errorf("codes[%d]: TransCode 1 cannot be redefined", i)
		case !rowKinds[row.Kind]:
			return nil, fmt.Errorf("codes[%d]: kind %s cannot come from a code", i, row.Kind)
		}
		var id OperationID
		if row.Operation != "" {
			var err error
			if id, err = ParseOperationID(row.Operation); err != nil {
				return nil, fmt.Errorf("codes[%d]: %w", i, err)
			}
			row.Operation = id.String()
		}
		t.rows[codeKey{id, row.RtnCode, row.TransCode}] = row
	}
	return t, nil
}

// builtInOperation reads the operation of a built-in row, which may be one that the
// operation table does not have.
func builtInOperation(s string) (OperationID, error) {
	if s == "" {
		return OperationID{}, nil
	}
	category, name, ok := strings.Cut(s, " ")
	id := OperationID{Category(category), name}
	if !ok || id.Category != B2C && id.Category != B2B {
		return OperationID{}, fmt.Errorf("operation %q has no category", s)
	}
	return id, nil
}

// Lookup returns the row of a RtnCode, or of a TransCode when rtnCode is 0. A
// row of the operation itself goes before one for all operations.
func (t *Codes) Lookup(operation OperationID, rtnCode int64, transCode int) (CodeRow, bool) {
	if t == nil {
		return CodeRow{}, false
	}
	if rtnCode != 0 {
		transCode = 0
	}
	for _, id := range []OperationID{operation, {}} {
		if row, ok := t.rows[codeKey{id, rtnCode, transCode}]; ok {
			return row, true
		}
	}
	return CodeRow{}, false
}

// Rows returns every row, in no order.
func (t *Codes) Rows() []CodeRow {
	rows := make([]CodeRow, 0, len(t.rows))
	for _, row := range t.rows {
		rows = append(rows, row)
	}
	return rows
}
