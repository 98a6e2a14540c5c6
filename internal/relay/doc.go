// Package relay carries intents from a table of a shop's database into Redis.
//
// A shop inserts an intent into the table ecpayq_outbox within the transaction that writes
// its order: both are committed or neither. A [Relay] claims rows (FOR UPDATE SKIP LOCKED,
// READ COMMITTED), stores their intents by [enqueue.Client.Batch], and deletes them in the
// transaction that holds the claim, after Redis has confirmed. Whatever ends between Redis
// and the commit leaves the row, whose intent is stored again and is a duplicate then: its id
// is made from what is asked for. So there is no cursor to keep, rows may be committed in any
// order, and any number of relays may run.
//
// A row that is wrong keeps its error in two languages and is not claimed again until a
// person retries or discards it.
package relay
