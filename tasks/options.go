package tasks

import "time"

// How long asynq keeps a finished task.
const (
	// QueryRetention is how long asynq keeps a finished query: tomorrow's question
	// is a new one.
	QueryRetention = time.Minute
	// DefaultRetention is how long asynq keeps a finished write.
	DefaultRetention = 24 * time.Hour
)

// RetentionOf is how long asynq keeps the task of a payload once it is done: as long as
// is asked for, but for a plain query, of which it is [QueryRetention].
func RetentionOf(p Payload, retention time.Duration) time.Duration {
	if !KeepsRecord(p) {
		return QueryRetention
	}
	return retention
}

// KeepsRecord reports whether a second task with the same id, long after the
// first is done, is the same intent (writes) or a new question (queries).
func KeepsRecord(p Payload) bool {
	if q, ok := p.(*B2BGetAllowanceConfirm); ok {
		return q.UntilConfirmed
	}
	return true
}
