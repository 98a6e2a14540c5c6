package ecpaytest

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Upload is how the upload of a B2C invoice to the Ministry of Finance stands. The fake uploads nothing by itself.
type Upload struct {
	MerchantID string // empty: the first merchant of the Config
	InvoiceNo  string
	Status     string // IIS_Upload_Status: "0" not uploaded, "1" uploaded (documented)
	Turnkey    string // IIS_Turnkey_Status: "C" taken, "E" failed, "G" and "P" under way (documented), or empty
}

// SetUpload has the invoice's upload stand so. It is no effect. IIS_Upload_Date is now once the status is "1".
func (s *Server) SetUpload(u Upload) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.account(&u.MerchantID)
	if err != nil {
		return err
	}
	i := m.issued[u.InvoiceNo]
	switch {
	case i == nil:
		return fmt.Errorf("upload: no B2C invoice %q", u.InvoiceNo)
	case u.Status != "0" && u.Status != "1":
		return fmt.Errorf(`upload of %s: Status must be "0" or "1"`, u.InvoiceNo)
	case !slices.Contains([]string{"", "C", "E", "G", "P"}, u.Turnkey):
		return fmt.Errorf("upload of %s: Turnkey must be empty, C, E, G or P", u.InvoiceNo)
	}
	i.upload = upload{status: u.Status, turnkey: u.Turnkey}
	if u.Status == "1" {
		i.upload.date = s.calendar(s.now()).In(taipei).Format(time.DateTime)
	}
	return nil
}

func (s *Server) controlUpload(w http.ResponseWriter, r *http.Request) {
	var body oneOrMany[Upload]
	if !readControl(w, r, &body) {
		return
	}
	for _, u := range body {
		if err := s.SetUpload(u); err != nil {
			replyError(w, http.StatusBadRequest, err)
			return
		}
	}
	reply(w, struct{}{})
}
