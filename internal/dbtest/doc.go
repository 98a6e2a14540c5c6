// Package dbtest starts real database servers as children: PostgreSQL,
// MariaDB, and PgBouncer in front of a PostgreSQL, each on a loopback port
// and in a directory of its own, as durable as they are by default.
//
// Tests use [Postgres], [MariaDB] and [PgBouncer], which fail the test when
// something does not start and clean up after it. Programs use
// [StartPostgres], [StartMariaDB] and [StartPgBouncer]. Every server gets a
// new data directory from initdb or mariadb-install-db; tests that share a
// server take a database each with [Server.Database].
//
// A server signals only the processes that it started itself and never
// touches a database that was there before: no file of /etc is read, and no
// variable of the environment but PATH and TMPDIR reaches a child. All of
// them refuse to run as root, so for root they run as the system's user
// postgres or mysql, or nobody where there is none. The children die with the
// process that started them, even if that is killed, and even if they are
// paused. On systems that are not Unix every start ends with
// [ErrNotInstalled].
package dbtest
