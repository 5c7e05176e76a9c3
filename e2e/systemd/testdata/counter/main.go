// Command counter stands in for a worker: it counts on its standard output, a
// number every millisecond, until it is asked to end. It tells on itself when
// another one has the same file: in a file beside that, which stays.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	alone()
	drain, _ := time.ParseDuration(os.Getenv("DRAIN")) // how long the run in hand takes; none usually
	tick := time.NewTicker(time.Millisecond)
	fmt.Println("began as", os.Getpid())
	for n := 1; ; n++ {
		fmt.Printf("n=%d\n", n)
		select {
		case <-stop:
			time.Sleep(drain)
			fmt.Println("drained")
			return
		case <-tick.C:
		}
	}
}

// alone holds the lock of the worker's file until the process ends.
func alone() {
	at := slices.Index(os.Args, "--config") + 1
	if at == 0 || at == len(os.Args) {
		fmt.Println("no --config")
		os.Exit(2)
	}
	config := os.Args[at]
	file, err := os.Open(config)
	if err == nil {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err == nil {
		held = file
		return
	}
	text := fmt.Sprintf("%d could not have it: %v\n", os.Getpid(), err)
	if err := os.WriteFile(config+".twice", []byte(text), 0o600); err != nil {
		fmt.Println(err)
	}
	fmt.Print(text)
	os.Exit(7)
}

// held would let go of the lock if it were collected.
var held *os.File
