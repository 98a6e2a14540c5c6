package samples

import "github.com/ecpayq/ecpayq/tasks/seal"

// PayloadKeyFile is the text of a file of payload keys, with one.
const PayloadKeyFile = "c2FtcGxlIGtleSBvZiB0aGUgdGVzdHMsIDMyIGJ5dGU=\n"

// PayloadKeys has that key.
func PayloadKeys() *seal.Ring {
	keys, err := seal.Parse([]byte(PayloadKeyFile))
	if err != nil {
		panic(err)
	}
	return keys
}
