package ecpaytest

var _ = endpoint(operation{
	name: "UpdateInvoiceWordStatus", category: "B2C", write: true, subject: []string{"TrackID"},
	run: (*Server).updateInvoiceWordStatus,
})

// updateInvoiceWordStatus is UpdateInvoiceWordStatus of either category. Documented: InvoiceStatus 0 stops, 1 pauses, 2 enables; for
// a sibling product, that what is stopped is never enabled again. Recorded: 7 for an unknown TrackID. What ECPay answers about a
// range that is stopped is unknown, and here nobody knows the code.
func (s *Server) updateInvoiceWordStatus(r request) answer {
	id, status := r.data.required("TrackID", 20), r.data.number("InvoiceStatus", 0, 2)
	if a, ok := s.checked(r.data); !ok {
		return a
	}
	for _, t := range r.merchant.tracks {
		if t.id != id {
			continue
		}
		if t.UseStatus == wordStopped && status != "0" {
			return refuse(CodeTrackStopped)
		}
		t.UseStatus = map[string]string{"0": wordStopped, "1": wordPaused, "2": wordInUse}[status]
		r.merchant.tracked[t.InvoiceCategory] = r.merchant.tracked[t.InvoiceCategory] || t.UseStatus == wordInUse
		s.effect(r.at, EffectWordStatus, r.merchant, id, r.seq, status)
		return answer{code: CodeOK, msg: "設定成功"}
	}
	return refuse(CodeNothing)
}
