//go:build !unix

package config

import (
	"io/fs"
	"os"
)

func ownerOf(fs.FileInfo) (uid int, known bool) { return 0, false }

func keepOwner(*os.File, fs.FileInfo) error { return nil }
