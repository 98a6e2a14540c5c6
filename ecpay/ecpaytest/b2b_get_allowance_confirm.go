package ecpaytest

import "regexp"

var opB2BGetAllowanceConfirm = operation{
	name: "GetAllowanceConfirm", category: "B2B", subject: []string{"AllowanceNo"},
	run: (*Server).b2bGetAllowanceConfirm,
}

// allowanceNumber is the form of an AllowanceNo: 16 digits (documented for a sibling product).
var allowanceNumber = regexp.MustCompile(`^[0-9]{16}$`)

// b2bGetAllowanceConfirm is B2B GetAllowanceConfirm (documented). The type of RtnData, and the code for an unknown number,
// are unknown.
func (s *Server) b2bGetAllowanceConfirm(r request) answer {
	number := r.data.pattern("AllowanceNo", 16, allowanceNumber)
	if a, ok := s.checked(r.data); !ok {
		return a
	}
	al, ok := r.merchant.allowances[number]
	if !ok {
		return refuse(CodeNoSuchAllowance)
	}
	data := object{
		{"MerchantID", al.MerchantID},
		{"Seller_Identifier", al.SellerIdentifier},
		{"Buyer_Identifier", al.BuyerIdentifier},
		{"AllowanceDate", al.AllowanceDate},
		{"ConfirmDate", al.ConfirmDate},
		{"Upload_Status", al.UploadStatus},
		{"Upload_Date", al.UploadDate},
		{"ConfirmRemark", al.ConfirmRemark},
	}
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
