// Package webhook delivers outcomes to the addresses of shops, as Standard Webhooks has it.
//
// Each endpoint has a queue of asynq's of its own, so that one that is slow or away holds up
// neither another one nor an invoice. One process at a time reads the outcomes of the merchants
// and puts a task for each one into the queue (forward.go); one script stores the task and how far
// the outcomes were read, so that none is left out and none is put in twice. All processes take
// tasks from the queue and send them (deliver.go, send.go). What one answer means is in verdict.go.
package webhook
