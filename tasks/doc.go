// Package tasks is the contract between those who enqueue and those who work:
// the task types, their payloads, ids, queues, options and headers, as they are
// stored in Redis by asynq (v0.26).
//
// A payload is the Data that ECPay documents for the operation, in ECPay's
// spelling, plus the few fields that let a worker ask ECPay later what became
// of it. It never holds a key, a ciphertext, a RqID or a timestamp to be sent.
package tasks
