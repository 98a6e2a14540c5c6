package ecpaytest

import "regexp"

// The states of a B2B allowance, as State reports them.
const (
	stateUnconfirmed        = "unconfirmed"
	stateAllowanceConfirmed = "confirmed"
	stateAllowanceCancelled = "cancelled" // in exchange mode the other side has to confirm it
	stateCancelConfirmed    = "cancel_confirmed"
)

// allowanceNumber is the form of an AllowanceNo: 16 digits (documented for a sibling product).
var allowanceNumber = regexp.MustCompile(`^[0-9]{16}$`)

// allowanceView is a merchant's side of an allowance.
type allowanceView struct {
	side      string
	allowance *b2bAllowance
}

// b2bAllowance is one B2B allowance, shared by its two sides. Server.mu guards it.
type b2bAllowance struct {
	Allowance
	state string

	cancel, cancelConfirm deed
	cancelledBy           string // the side
	lines                 []allowanceLine
}

// findAllowance reads the key that the queries about an allowance share, and finds it.
func (s *Server) findAllowance(r request) (*b2bAllowance, answer) {
	number := r.data.pattern("AllowanceNo", 16, allowanceNumber)
	if a, ok := s.checked(r.data); !ok {
		return nil, a
	}
	view := r.merchant.allowances[number]
	if view == nil {
		return nil, refuse(CodeNoSuchAllowance)
	}
	return view.allowance, answer{}
}

// answer is that of a query, with RtnData in the shape that the allowance was staged with.
func (al *b2bAllowance) answer(data object) answer {
	var shaped any = data
	switch al.RtnData {
	case ShapeObject:
	case ShapeString:
		shaped = string(mustJSON(data))
	case ShapeEmpty:
		shaped = ""
	case ShapeNull:
		shaped = nil
	}
	return answer{code: CodeOK, msg: "查詢成功", more: object{{"RtnData", shaped}}}
}

// takeAllowanceTurn reads the fields that all turns about an allowance share, and takes it.
func (s *Server) takeAllowanceTurn(r request, t turn, then func(view *allowanceView, done deed)) answer {
	number := r.data.pattern("AllowanceNo", 16, allowanceNumber)
	done, a, ok := s.readTurn(r, t)
	if !ok {
		return a
	}
	view := r.merchant.allowances[number]
	if view == nil {
		return refuse(CodeNoSuchAllowance)
	}
	if t.notByCanceller {
		t.notBy = view.allowance.cancelledBy
	}
	return s.take(r, t, view.side, number, &view.allowance.state, func() { then(view, done) })
}
