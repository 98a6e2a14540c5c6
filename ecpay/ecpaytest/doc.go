// Package ecpaytest is a stateful, strict imitation of ECPay's (綠界科技) e-invoice HTTP API for tests and for trying
// things out without ECPay.
//
// It remembers delayed invoices, B2B invoices and allowances, refuses what ECPay refuses, records every request in a
// ledger (Server.Calls) and every change of state that ECPay would have made in another (Server.Effects), and plays
// scripted faults (Server.Inject): bans, dropped connections, effects that land late, unreadable answers and so on.
//
// It shares no code with the client it is used to test. It has its own AES codec, proved against published vectors, so
// that one mistake cannot hide on both sides.
//
// Comments and README.md say where each behaviour comes from. "Documented" means ECPay's own pages; "recorded" means
// that third parties have observed it on the public stage host or ship code that relies on it; "our choice" means that
// nobody has published what ECPay does. Where the behaviour is our choice the fake is as hostile as ECPay could
// plausibly be, so that a client that survives the fake does not depend on luck.
package ecpaytest
