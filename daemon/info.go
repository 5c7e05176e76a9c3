package daemon

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"

	"pipedai/api"
	"pipedai/internal/atomicfile"
	"pipedai/internal/hostdir"
)

// Info is daemon.json: where the running daemon of a home is reached.
type Info struct {
	PID       int      `json:"pid"`
	Host      string   `json:"host,omitempty"` // added; DefaultHost when it is not there
	Port      int      `json:"port"`
	Version   string   `json:"version"`
	StartedAt api.Time `json:"startedAt"`
}

// URL is the address of the local API and the page, without a trailing slash.
func (i Info) URL() string {
	return "http://" + net.JoinHostPort(cmp.Or(i.Host, DefaultHost), strconv.Itoa(i.Port))
}

// ErrNoInfo says that no daemon left word of itself: none runs, or the last
// one ended in order.
var ErrNoInfo = errors.New("no daemon is running for this home")

// ReadInfo reads it. A file that is there does not prove that the daemon is: a
// killed one leaves it behind.
func ReadInfo(dir hostdir.Dir) (Info, error) {
	return readInfo(dir, hostdir.Plain)
}

// PeekInfo is ReadInfo for root, who installs the service of somebody else: the
// file may be anyone's. Send nothing secret to where it points.
func PeekInfo(dir hostdir.Dir) (Info, error) { return readInfo(dir, hostdir.PlainOfAnyone) }

func readInfo(dir hostdir.Dir, check func(path string) error) (Info, error) {
	if err := check(dir.DaemonInfo()); err != nil {
		return Info{}, fmt.Errorf("read daemon.json: %w", err)
	}
	data, err := os.ReadFile(dir.DaemonInfo())
	if errors.Is(err, fs.ErrNotExist) {
		return Info{}, ErrNoInfo
	}
	if err != nil {
		return Info{}, fmt.Errorf("read daemon.json: %w", err)
	}
	var info Info
	if err := json.Unmarshal(data, &info); err != nil || info.Port <= 0 {
		return Info{}, fmt.Errorf("%s is damaged", dir.DaemonInfo())
	}
	return info, nil
}

func writeInfo(dir hostdir.Dir, info Info) error {
	if err := hostdir.Plain(dir.DaemonInfo()); err != nil {
		return fmt.Errorf("write daemon.json: %w", err)
	}
	data, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return fmt.Errorf("encode daemon.json: %w", err)
	}
	return atomicfile.Write(dir.DaemonInfo(), data, 0o600)
}
