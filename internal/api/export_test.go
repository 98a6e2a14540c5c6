package api

import "time"

// SetUntaken sets how long a client may take nothing of the answer to a batch, before anything is
// served.
func (a *API) SetUntaken(d time.Duration) { a.untaken = d }
