package ecpaytest

var _ = endpoint(operation{
	name: "UpdateInvoiceWordStatus", category: "B2B", write: true, subject: []string{"TrackID"},
	run: (*Server).updateInvoiceWordStatus, // inferred: as in B2C
})
