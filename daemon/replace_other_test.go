//go:build !unix

package daemon

import "errors"

func replaceSelf() error { return errors.New("a process cannot become another program here") }
