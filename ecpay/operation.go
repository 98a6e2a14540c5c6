package ecpay

import (
	"fmt"
	"slices"
	"strings"
)

// Category is the half of ECPay's API that an operation belongs to. It decides
// the path prefix and the envelope: B2C sends Revision 3.0.0, B2B sends
// Revision 1.0.0 and a fresh RqID, as ECPay's own SDK does.
type Category string

// The two categories.
const (
	B2C Category = "B2C"
	B2B Category = "B2B"
)

func (c Category) revision() string {
	if c == B2B {
		return "1.0.0"
	}
	return "3.0.0"
}

// Operation is one row of the operation table: everything in which one endpoint
// differs from another on the wire.
type Operation struct {
	// Name is ECPay's name of the endpoint, like "TriggerIssue".
	Name     string
	Category Category
	// Write is false for queries, which change nothing at ECPay.
	Write bool
	// Success lists the RtnCodes that mean success. It differs by operation.
	Success []int64
	// Accepted lists RtnCodes by which ECPay says it took the request without
	// saying what it did: success that wants to be verified by a query.
	Accepted []int64

	// plainData is set where Data is answered as JSON, not encrypted.
	plainData bool
	// pdf is set where success is a file, and an envelope comes only with a refusal.
	pdf bool

	newRequest  func() Request // of queries
	newResponse func() Response
}

// Path is the path of the endpoint below the base URL.
func (o Operation) Path() string { return "/" + string(o.Category) + "Invoice/" + o.Name }

// OperationID is what tells an operation from all others. Names alone are not
// unique: both categories have a GetIssue and an Invalid.
type OperationID struct {
	Category Category
	Name     string
}

// String returns the category and the name, like "B2C TriggerIssue".
func (id OperationID) String() string { return string(id.Category) + " " + id.Name }

// ID returns the category and the name.
func (o Operation) ID() OperationID { return OperationID{o.Category, o.Name} }

// String returns the category and the name, like "B2C TriggerIssue".
func (o Operation) String() string { return o.ID().String() }

// ParseOperationID is the inverse of [OperationID.String] for an operation of the
// table. A name alone will do where no other category has it.
func ParseOperationID(s string) (OperationID, error) {
	var found []string
	var id OperationID
	for _, op := range Operations() {
		if op.String() == s || op.Name == s {
			id, found = op.ID(), append(found, op.String())
		}
	}
	switch len(found) {
	case 0:
		return OperationID{}, fmt.Errorf("no operation %q; write it like \"B2B Invalid\"", s)
	case 1:
		return id, nil
	default:
		return OperationID{}, fmt.Errorf("operation %q is more than one: write %s", s, strings.Join(found, " or "))
	}
}

// NewQuery returns an empty request of a query, nil for a write: those are made by whoever
// knows what is in them.
func (o Operation) NewQuery() Request {
	if o.newRequest == nil {
		return nil
	}
	return o.newRequest()
}

// Succeeded reports whether an RtnCode is in the operation's success set.
func (o Operation) Succeeded(rtnCode int64) bool {
	return slices.Contains(o.Success, rtnCode) || slices.Contains(o.Accepted, rtnCode)
}

// IsAccepted reports whether an RtnCode is success that a query should verify.
func (o Operation) IsAccepted(rtnCode int64) bool { return slices.Contains(o.Accepted, rtnCode) }

// Request is a typed request: the Data of one operation.
type Request interface {
	// Operation returns the row that the request belongs to.
	Operation() Operation
	// Merchant returns the MerchantID.
	Merchant() string
	// Validate normalises the fields in place (stray spaces, slashes in dates)
	// and then returns nil or a [*ValidationError] that names every field and
	// limit that is broken.
	Validate() error
}

// Response is a typed response: the decrypted Data of one operation.
type Response interface {
	// Result returns the RtnCode and RtnMsg as ECPay sent them.
	Result() (rtnCode int64, rtnMsg string)
}

// RtnStatus is what every response begins with.
type RtnStatus struct {
	RtnCode Code
	RtnMsg  Text
}

// Result implements [Response].
func (o RtnStatus) Result() (int64, string) { return int64(o.RtnCode), string(o.RtnMsg) }

// Operations returns the operation table: a line for every file of an operation.
func Operations() []Operation {
	return []Operation{
		opB2CTriggerIssue,
		opB2CCancelDelayIssue,
		opB2CDelayIssue,
		opB2CInvalid,
		opB2CAllowance,
		opB2CAllowanceByCollegiate,
		opB2CAllowanceInvalid,
		opB2CAllowanceInvalidByCollegiate,
		opB2CGetIssue,
		opB2CIssue,
		opB2CEditDelayIssue,
		opB2CVoidWithReIssue,
		opB2CInvoiceNotify,
		opB2CGetIssueList,
		opB2CGetInvalid,
		opB2CCheckBarcode,
		opB2CCheckLoveCode,
		opB2CGetCompanyNameByTaxID,
		opB2CGetGovInvoiceWordSetting,
		opB2CAddInvoiceWordSetting,
		opB2CUpdateInvoiceWordStatus,
		opB2CGetInvoiceWordSetting,
		opB2CInvoicePrint,
		opB2CGetAllowance,
		opB2CGetAllowanceList,
		opB2CGetAllowanceInvalid,
		opB2BMaintainMerchantCustomerData,
		opB2BIssue,
		opB2BIssueConfirm,
		opB2BReject,
		opB2BRejectConfirm,
		opB2BVoidWithReIssue,
		opB2BInvalid,
		opB2BInvalidConfirm,
		opB2BAllowance,
		opB2BAllowanceConfirm,
		opB2BCancelAllowance,
		opB2BCancelAllowanceConfirm,
		opB2BGetAllowance,
		opB2BGetAllowanceInvalid,
		opB2BGetAllowanceInvalidConfirm,
		opB2BGetAllowanceConfirm,
		opB2BNotify,
		opB2BGetGovInvoiceWordSetting,
		opB2BAddInvoiceWordSetting,
		opB2BUpdateInvoiceWordStatus,
		opB2BGetInvoiceWordSetting,
		opB2BGetCompanyNameByTaxID,
		opB2BInvoicePrint,
		opB2BDownloadB2BPdf,
		opB2BGetIssue,
		opB2BGetIssueConfirm,
		opB2BGetReject,
		opB2BGetRejectConfirm,
		opB2BGetInvalid,
		opB2BGetInvalidConfirm,
	}
}
