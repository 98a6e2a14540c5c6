package ledger

// Acts that are audited. Several may be done at once.
const (
	ActReplay      = "replay"       // run again
	ActSet         = "set"          // with fields of the payload corrected
	ActNotExecuted = "not-executed" // on a person's word that the write in flight did not happen
	ActReplace     = "replace"      // a new payload was enqueued in the place of the dead one
	ActResolve     = "resolve"      // ended by a person's word
	ActCancel      = "cancel"       // a task for later that was never sent was withdrawn
	ActSchedule    = "schedule"     // a schedule was run by hand, whatever there was to do

	// Pressed on asynq's pages, on tasks in any state or on a whole queue.
	ActRun       = "run"
	ActArchive   = "archive"
	ActInterrupt = "interrupt" // the attempt that runs was told to end; the task is retried
	ActDelete    = "delete"    // refused: nothing may vanish
	ActPause     = "pause"     // a queue
	ActResume    = "resume"    // a queue; of a merchant, its holds were ended
)

// Acts lists them.
func Acts() []string {
	return []string{
		ActReplay, ActSet, ActNotExecuted, ActReplace, ActResolve, ActCancel, ActSchedule,
		ActRun, ActArchive, ActInterrupt, ActDelete, ActPause, ActResume,
	}
}

// ActResult is what became of an act on one task.
type ActResult string

// The results.
const (
	Replayed    ActResult = "replayed"
	WouldReplay ActResult = "would_replay"
	// Busy: asynq has the task and will run it, or runs it now.
	Busy ActResult = "busy"
	// AlreadyDone: the task is done, or resolved, meanwhile.
	AlreadyDone ActResult = "done"
	// NotFound: there is no such dead task.
	NotFound ActResult = "not_found"
	Resolved ActResult = "resolved"
	// Cancelled: a task for later that was never begun is withdrawn.
	Cancelled ActResult = "cancelled"
	// Skipped: it is for a person to decide, and nobody named it.
	Skipped ActResult = "skipped"
)
