// Package tasks is the contract between those who enqueue and those who work:
// the task types, their payloads, ids, queues, options and headers, as they are
// stored in Redis by asynq (v0.26).
//
// A payload is the Data that ECPay documents for the operation, in ECPay's
// spelling, plus the few fields that let a worker ask ECPay later what became
// of it. It never holds a key, a ciphertext, a RqID or a timestamp to be sent.
//
// A type is one file, named after its operation, with a row of the table: see [Type].
//
// # Id, lock and dedupe key
//
// These are three things, although the first five types make all of them from the same
// fields.
//
// The id ([ID]) says what is wanted: type, MerchantID and subject. Who wants the same
// twice has the same id twice. The subject is what ECPay tells one intent from another
// by, and where ECPay has nothing of the kind, the caller's own reference: two allowances
// of one invoice are two intents, though each names the same invoice.
//
// The lock ([Lock]) says what excludes each other: tasks with one lock run one after the
// other, whatever their types are. It is the category, the MerchantID and the subject or
// the first fields of it ([Type.LockedBy]): an allowance and a void of one invoice exclude
// each other, though neither is the other's repetition.
//
// The dedupe key is what finds the earlier task when the same is wanted again. It is the
// id, for as long as Redis knows it: as asynq's TaskID, as the dead letter's, and after the
// end of what is wanted once ([WantedOnce]) as the finish marker's. A question that is
// wanted anew has no dedupe key any more once it is answered.
package tasks
