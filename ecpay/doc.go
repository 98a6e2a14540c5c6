// Package ecpay speaks ECPay's (綠界科技) e-invoice HTTP API: the operations on
// delayed B2C invoices and on allowances of B2C invoices, those on B2B invoices,
// allowances and counterparties, and the queries that tell what ECPay did.
//
// It uses the standard library only, knows no queue and never retries. One
// call of [Client.Do] is one HTTP exchange: the envelope, with a fresh
// timestamp and ciphertext, is built immediately before the bytes leave, and
// the outcome is a typed response or exactly one [*Error], whose closed [Kind]
// says how to react and whose [Execution] says what is proven about the
// request: not sent, not executed, or possibly executed.
//
// Names are ECPay's own: RelateNumber, Tsr, RtnCode, TransCode. Dates of
// invoices are calendar days in Asia/Taipei.
//
// Sources: the pages of developers.ecpay.com.tw named beside each operation
// (?p=N). Where ECPay documents nothing, the comment says "undocumented" and
// the safe choice is taken.
package ecpay
