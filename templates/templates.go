// Package templates holds the text files that the programs write for people.
package templates

import (
	"embed"
	"io/fs"
)

//go:embed starter service
var files embed.FS

// Starter is a small pipeline of two command tasks, as `pipeweave init` writes
// it. {{name}} in its files stands for the name of the service.
func Starter() fs.FS {
	starter, err := fs.Sub(files, "starter")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	return starter
}

// Service is the units of the daemon as the service managers of systems read
// them. daemon/osservice fills them in and does the quoting.
func Service() fs.FS {
	service, err := fs.Sub(files, "service")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	return service
}
