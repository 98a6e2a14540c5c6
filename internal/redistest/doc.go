// Package redistest starts real redis-server children: one server, a Sentinel
// group or a cluster, each on loopback ports of its own, with the durability
// settings that the project ships.
//
// Tests use [New], [NewSentinel] and [NewCluster], which fail the test when
// something does not start and clean up after it. Programs use [Start],
// [StartSentinel] and [StartCluster].
//
// A server signals only the process that it started itself and never touches
// a Redis that was there before. On Linux the children die with the process
// that started them, even if that is killed; elsewhere on Unix they outlive a
// kill. On other systems every start ends with [ErrNotInstalled].
package redistest
