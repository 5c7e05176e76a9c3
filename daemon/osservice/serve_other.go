//go:build !windows

package osservice

import (
	"context"
	"errors"
)

// Serve runs a program as the system wants it done: on Windows a service talks
// to the service manager; elsewhere run is all there is.
func Serve(ctx context.Context, run func(context.Context) int) int { return run(ctx) }

var errNoWindows = errors.New("this is not Windows")

func installedWindows(context.Context) (string, error)           { return "", errNoWindows }
func installWindows(context.Context, Unit, bool) (Change, error) { return "", errNoWindows }
func removeWindows(control) error                                { return errNoWindows }
