package asynqx

import (
	"bytes"
	"fmt"
	"reflect"

	"google.golang.org/protobuf/encoding/protowire"
)

// payloadField is the number of the payload in asynq's message, which is a protocol buffer.
const payloadField = 2

// WithPayload returns a task as asynq encodes it in the field msg, with another payload. What it
// returns asynq reads as the same task but for that: it says so itself, or there is an error that
// wraps [ErrUnreadable].
func WithPayload(msg, payload []byte) ([]byte, error) {
	want, err := DecodeMessage(msg)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	out := make([]byte, 0, len(msg)+len(payload)-len(want.Payload)+8)
	for rest := msg; len(rest) > 0; {
		number, kind, value := protowire.ConsumeField(rest)
		if value < 0 {
			return nil, fmt.Errorf("%w: %w", ErrUnreadable, protowire.ParseError(value))
		}
		if number == payloadField && kind == protowire.BytesType {
			out = protowire.AppendBytes(protowire.AppendTag(out, number, kind), payload)
		} else {
			out = append(out, rest[:value]...)
		}
		rest = rest[value:]
	}
	got, err := DecodeMessage(out)
	same := err == nil && bytes.Equal(got.Payload, payload) // of which one may be nil, and the other empty
	if got.Payload = want.Payload; !same || !reflect.DeepEqual(got, want) {
		return nil, fmt.Errorf("%w: this asynq encodes tasks in another way", ErrUnreadable)
	}
	return out, nil
}
