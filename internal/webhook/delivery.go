package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ecpayq/ecpayq/internal/asynqx"
	"github.com/ecpayq/ecpayq/tasks/record"
)

// TaskType is asynq's type of a delivery.
const TaskType = "webhook:deliver"

// delivery is one outcome for one endpoint.
type delivery struct {
	// id is the webhook-id, the same for each try and each endpoint, and the task's in asynq.
	id string
	// subject stands for the merchant and what the outcome is about.
	subject string
	// member is its place among those that are open: those of a subject are in order of their
	// sequence.
	member string
	body   []byte
}

// subjectLength is that of the text that stands for a subject; redis' scripts count on it.
const subjectLength = 24

func deliveryOf(o record.Outcome, body []byte) (delivery, error) {
	ms, seq, _ := strings.Cut(o.Position, "-")
	if !record.IsPosition(o.Position) {
		return delivery{}, errors.New("the outcome has no position")
	}
	d := delivery{id: fmt.Sprintf("out_%s_%s_%s", o.MerchantID, seq, ms), subject: subjectOf(o), body: body}
	d.member = fmt.Sprintf("%s%016d%016d%s", d.subject, record.Number(seq), record.Number(ms), d.id)
	return d, nil
}

// subjectOf is the merchant and the subject as a text of one length.
func subjectOf(o record.Outcome) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q", o.MerchantID)
	for _, name := range slices.Sorted(maps.Keys(o.Subject)) {
		fmt.Fprintf(h, " %q %q", name, o.Subject[name])
	}
	if len(o.Subject) == 0 { // a task that was put in by other means
		fmt.Fprintf(h, " %q", o.ID)
	}
	return hex.EncodeToString(h.Sum(nil))[:subjectLength]
}

// spec is the task for asynq.
func (d delivery) spec(queue string) asynqx.Spec {
	return asynqx.Spec{Type: TaskType, Queue: queue, ID: d.id, Payload: d.body}
}

// read takes a task apart again.
func read(id string, payload []byte) (delivery, error) {
	var o record.Outcome
	if err := json.Unmarshal(payload, &o); err != nil {
		return delivery{}, errors.New("the task holds no outcome")
	}
	at := strings.LastIndexByte(id, '_')
	if at < 0 {
		return delivery{}, errors.New("the task's id is none of a delivery")
	}
	o.Position = id[at+1:] + "-" + fmt.Sprint(o.Seq)
	d, err := deliveryOf(o, payload)
	if err == nil && d.id != id {
		return delivery{}, errors.New("the task's id does not fit its outcome")
	}
	return d, err
}
