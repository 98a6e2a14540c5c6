// Package redisx is how this project talks to Redis: what its URL says, what kind of
// deployment a client is connected to, scripts whose keys and arguments have names, and the wait
// for replicas and disk. It knows nothing of what is stored.
package redisx
