package ecpaytest

var _ = endpoint(operation{
	name: "MaintainMerchantCustomerData", category: "B2B", write: true, subject: []string{"Identifier"},
	run: (*Server).b2bMaintainMerchantCustomerData,
})

// b2bMaintainMerchantCustomerData is B2B MaintainMerchantCustomerData (documented). Recorded: 6160052 for an Add of one that
// exists. That who was never added may be, though Issue knows all but one, and the code for a change of one that does not
// exist, are our choice.
func (s *Server) b2bMaintainMerchantCustomerData(r request) answer {
	f, customers := r.data, r.merchant.customers
	action := f.required("Action", 10)
	f.oneOf("Action", "Add", "Update", "Delete")
	id := f.pattern("Identifier", 8, taxID)
	f.oneOf("type", "1", "2", "3")
	f.required("CompanyName", 60)
	f.required("TradingSlang", 20)
	f.oneOf("ExchangeMode", "0", "1")
	f.required("EmailAddress", 80)
	if a, ok := s.checked(f); !ok {
		return a
	}
	switch {
	case action == "Add" && customers[id]:
		return refuse(CodeCustomerExists)
	case action != "Add" && !r.merchant.knows(id):
		return refuse(CodeNoSuchCustomer)
	}
	customers[id] = action != "Delete"
	s.effect(r.at, EffectCustomer, r.merchant, id, r.seq, action)
	return answer{code: CodeOK, msg: "新增成功"}
}

// knows reports whether a counterparty is registered: all are from the beginning, but one.
func (m *merchant) knows(taxID string) bool {
	registered, touched := m.customers[taxID]
	return registered || !touched && taxID != NoSuchTaxID
}
