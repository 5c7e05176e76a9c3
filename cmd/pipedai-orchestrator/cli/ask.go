package cli

import (
	"bufio"
	"context"
	"strings"
)

// ask puts a question to the person at the terminal and returns the answer
// without blanks; no answer is empty. Callers make sure that there is a
// terminal. An interrupt ends the question.
func (d *deps) ask(ctx context.Context, question string) (string, error) {
	d.notef("%s", question)
	answers := make(chan string, 1)
	go func() { // reading cannot be interrupted; the process ends without it
		line, _ := bufio.NewReader(d.streams.In).ReadString('\n') // no answer is no
		answers <- strings.TrimSpace(line)
	}()
	select {
	case answer := <-answers:
		return answer, nil
	case <-ctx.Done():
		d.notef("\n")
		return "", context.Cause(ctx)
	}
}
