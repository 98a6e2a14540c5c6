package relay

// PostgresBegin and PostgresClaim are the statements of a claim.
var PostgresBegin, PostgresClaim = postgres.begin, postgres.claim
