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

// DefaultOutcomeRetention is how long the end of a task stays in the outcomes of its merchant.
const DefaultOutcomeRetention = 168 * time.Hour

// DefaultFinishTTL is how long a finished write is recognised: 45 days.
const DefaultFinishTTL = 1080 * time.Hour

// RetentionOf is how long asynq keeps the task of a payload once it is done: as long as
// is asked for, but for a plain query, of which it is [QueryRetention].
func RetentionOf(p Payload, retention time.Duration) time.Duration {
	if !WantedOnce(p) {
		return QueryRetention
	}
	return retention
}
