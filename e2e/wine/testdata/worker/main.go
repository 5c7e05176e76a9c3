// A worker that writes numbered lines until it is ended.
package main

import (
	"fmt"
	"time"
)

func main() {
	for i := 0; ; i++ {
		fmt.Println("line", i)
		<-time.After(20 * time.Millisecond)
	}
}
