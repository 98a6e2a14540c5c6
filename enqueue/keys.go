package enqueue

import "github.com/ecpayq/ecpayq/tasks/seal"

// PayloadKeys are the keys with which payloads with data of buyers are sealed in Redis: AES-256-GCM,
// the first seals, all open. They print as "***" however they are printed. PayloadKeys.Take replaces
// those of a client that runs.
type PayloadKeys = seal.Ring

// NoKeyError means that an intent has data of buyers, and that the client has no keys. Nothing was
// stored.
type NoKeyError = seal.NoKeyError

// ParsePayloadKeys reads the text of a file of keys, as `ecpayq keys rotate` makes it: one a line, each
// 32 random bytes in base64.
func ParsePayloadKeys(text []byte) (*PayloadKeys, error) { return seal.Parse(text) }

// PayloadPlaintext stores payloads with data of buyers readable: whoever reads Redis, its files and
// its backups reads them then.
func PayloadPlaintext() *PayloadKeys { return seal.Plaintext() }
