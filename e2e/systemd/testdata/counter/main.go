// Command counter stands in for a worker: it counts on its standard output, a
// number every millisecond, until it is asked to end.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	tick := time.NewTicker(time.Millisecond)
	fmt.Println("began as", os.Getpid())
	for n := 1; ; n++ {
		fmt.Printf("n=%d\n", n)
		select {
		case <-stop:
			fmt.Println("drained")
			return
		case <-tick.C:
		}
	}
}
