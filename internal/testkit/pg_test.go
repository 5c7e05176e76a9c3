package testkit

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func TestPostgres(t *testing.T) {
	t.Parallel()
	one, two := Postgres(t), Postgres(t)
	if one == two {
		t.Fatalf("two calls got the same database: %s", one)
	}
	conn, err := pgx.Connect(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var n int
	if err := conn.QueryRow(t.Context(), "select 1").Scan(&n); err != nil || n != 1 {
		t.Fatalf("got %d, %v", n, err)
	}
}

// The child half of the test below: it says where its server is and waits to
// be killed.
func TestPostgres_Victim(t *testing.T) {
	if os.Getenv("TESTKIT_VICTIM") == "" {
		return
	}
	Postgres(t)
	server := shared.c.server
	os.Stdout.WriteString("server " + strconv.Itoa(server.PID()) + " " + server.Dir() + "\n")
	select {}
}

// A test binary that is killed must not leave a server behind.
func TestPostgres_DiesWithBinary(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Log("only Linux tells a child that its parent died; nothing to test here")
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestPostgres_Victim$", "-test.v")
	cmd.Env = append(os.Environ(), "TESTKIT_VICTIM=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid, dir string
	lines := bufio.NewScanner(out)
	for pid == "" && lines.Scan() {
		if rest, found := strings.CutPrefix(lines.Text(), "server "); found {
			pid, dir, _ = strings.Cut(rest, " ")
		}
	}
	_ = cmd.Process.Signal(syscall.SIGKILL)
	_ = cmd.Wait()
	if pid == "" {
		t.Fatal("the victim started no server")
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	until := time.Now().Add(10 * time.Second)
	for {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") { // gone, or only its parent has not looked
			return
		}
		if time.Now().After(until) {
			t.Fatalf("server %s outlived its test binary by 10 s", pid)
		}
		time.Sleep(10 * time.Millisecond) // another process: nothing to wait on
	}
}
