package record

import "strings"

// Fields of the hash at [TaskKey]. Times are Unix milliseconds by Redis' clock.
const (
	FieldState      = "state"        // a State
	FieldToken      = "token"        // the attempt that runs now, empty between attempts
	FieldLeft       = "left"         // the attempt that left last
	FieldAttempts   = "attempts"     // attempts that spent budget
	FieldCrashes    = "crashes"      // attempts that never left
	FieldHolds      = "holds"        // holds in a row, by which pauses grow
	FieldStale      = "stale"        // requests refused with TransCode 104 in a row
	FieldInFlight   = "in_flight"    // a write went out at this time and nothing is proven since
	FieldSentAt     = "sent_at"      // the same time by the clock that stamped it: two clocks guard the fence
	FieldMarked     = "marked"       // the attempt that sent it
	FieldBefore     = "before"       // what ECPay showed of the subject before that write, see tasks.Comparison
	FieldDenied     = "not_executed" // "IN_FLIGHT AT": a person said then that it did not happen, 0 for one whose mark is lost
	FieldRepeated   = "repeated"     // how often a write was sent again with an earlier one unanswered
	FieldRepeats    = "repeats"      // the attempt that did so last
	FieldSince      = "since"        // when the budget's clock began
	FieldPaused     = "paused"       // milliseconds for which that clock stood still
	FieldPausedAt   = "paused_at"    // it stands still since then
	FieldFirst      = "first"        // first attempt
	FieldLast       = "last"         // last attempt
	FieldNext       = "next"         // when it runs again
	FieldPlace      = "place"        // when its turn is in the merchant's line, in microseconds
	FieldPlaceAhead = "place_ahead"  // the same, where the task goes ahead of the line
	FieldWoken      = "woken"        // the place, if waking the task gave it
	FieldKind       = "kind"
	FieldHTTP       = "http_status"
	FieldTrans      = "trans_code"
	FieldRtn        = "rtn_code"
	FieldMsg        = "rtn_msg"
	FieldReason     = "reason"    // why it is held or dead, for people, in English
	FieldReasonZh   = "reason_zh" // the same in Chinese; older workers wrote both into FieldReason
	FieldResult     = "result"    // ECPay's answer, JSON
	FieldInvoice    = "invoice"   // that was issued for the task, JSON of a tasks.Invoice
)

// deathPrefix is that of the fields that say what a task in the ledger died of: copies
// of FieldKind to FieldReasonZh. The fields themselves are those of the last
// attempt, which may be one of a task that runs again, or one that came late.
const deathPrefix = "d_"

// Fields that only a dead letter has: with them the task can be run again when
// asynq has forgotten it.
const (
	FieldType     = "type"         // asynq's type name
	FieldQueue    = "queue"        // asynq's queue
	FieldPayload  = "payload"      // as it was, whatever the bytes
	FieldHeaders  = "headers"      // JSON
	FieldDied     = "died"         // when
	FieldBy       = "by"           // ByWorker, BySweeper or [ByHand]
	FieldLastErr  = "last_err"     // what asynq said, of tasks whose worker said nothing
	FieldFix      = "fix"          // 1 while the payload is a correction that was not run yet
	FieldOriginal = "original"     // the payload before it was corrected
	FieldBase     = "base_payload" // the payload before a correction that may be taken back
	FieldFixedBy  = "fixed_by"     // the nonce of who corrected it
	FieldUnsure   = "unsure"       // token of a sweep that is not finished with the letter
	FieldPriorTTL = "prior_ttl"
	FieldUnbegun  = "unbegun" // the death of a task that a person stopped before it was ever begun
	FieldRevived  = "revived" // the death after which a replay of the task was begun
)

// What a letter had before a correction that may be taken back, FieldBase among it.
const (
	FieldBaseDied     = "base_died" // the death that this was the first correction of
	FieldBaseHeaders  = "base_headers"
	FieldBaseFix      = "base_fix"
	FieldBaseOriginal = "base_original" // 1 where it was corrected before
)

// FieldSweeps counts the sweeps in the hash at [ScanKey]; nothing else has that name.
const FieldSweeps = ""

// Fields of the hash at [ReplicationKey].
const (
	FieldReplID  = "replid"  // master_replid of INFO replication
	FieldChanged = "changed" // when another one was met last, 0 for never
)

// Fields of the hash at [ClockKey].
const (
	FieldLooked  = "looked"  // when a worker looked last
	FieldStepped = "stepped" // when the clocks may have been set last, 0 for never
	FieldFence   = "fence"   // of the worker that looked last, in milliseconds
)

// Fields of a task that a person resolved.
const (
	FieldResolvedBy = "resolved_by"
	FieldNote       = "note"
	FieldCancelled  = "cancelled" // the nonce of the enqueue that was cancelled: a worker that was frozen may still hold that task
)

// Who put a letter into the ledger.
const (
	ByWorker  = "worker"  // the verdict of an attempt
	BySweeper = "sweeper" // asynq archived it without one
	byHand    = "by hand: "
)

// ByHand is who put a letter into the ledger when a person archived the task.
func ByHand(who string) string { return byHand + who }

// ArchivedByHand returns the person of a [ByHand].
func ArchivedByHand(by string) (who string, ok bool) { return strings.CutPrefix(by, byHand) }
