package archtest

// Rules is the dependency rule of the repository. The zero value allows
// nothing.
type Rules struct {
	// Module is the module path that own packages start with.
	Module string
	// May lists for each package (or, with a trailing "/...", for it and
	// everything below it) the own packages it may import, in the same
	// notation. The longest match counts. A package that matches no line is a
	// breach: whoever adds a package says where it belongs.
	May []Line
	// Never lists what must not be reached from a package, directly or through
	// other own packages. Targets are own packages or third-party modules.
	Never []Line
	// Only lists third-party modules with the only packages that may import
	// them.
	Only []Line
	// StdOnly are packages that import the standard library and what May
	// allows, and no third-party module.
	StdOnly []string
}

// Line is one row of a table: a subject and the packages it is about.
type Line struct {
	Subject string
	Objects []string
}

// leaves may be imported by everything that is not limited to the standard
// library.
var leaves = []string{"internal/...", "web", "templates"}

func with(base []string, more ...string) []string {
	return append(append([]string(nil), base...), more...)
}

// Repository returns the rules of this repository. Arrows go down, never
// sideways to the other half, never up.
func Repository() Rules {
	return Rules{
		Module: "pipedai",
		May: []Line{
			// contracts and pure packages
			{"api", nil},
			{"pipeline", nil},
			{"pipeline/inputschema", nil},
			{"rollout", nil},
			{"storage", []string{"internal/jwe"}},
			{"store", []string{"pipeline", "rollout"}},
			{"client", with(leaves, "api")},

			// engine half
			{"engine", with(leaves, "api", "pipeline", "pipeline/inputschema", "rollout", "store", "storage")},
			{"controlplane", with(leaves, "api", "engine", "pipeline", "pipeline/inputschema", "rollout", "store", "storage")},

			// host half
			{"manifest", leaves},
			{"supervisor", with(leaves, "manifest")},
			{"enroll", with(leaves, "api", "client", "manifest")},
			{"upgrade", with(leaves, "api", "client", "manifest")},
			{"daemon", with(leaves, "api", "client", "supervisor", "enroll", "manifest", "upgrade",
				"daemon/adoption", "daemon/localapi", "daemon/remote", "daemon/connectivity", "daemon/launch")},
			{"daemon/adoption", with(leaves, "api", "enroll", "manifest")},
			{"daemon/launch", with(leaves, "api")},
			{"daemon/localapi", with(leaves, "api")},
			{"daemon/localapi/localclient", with(leaves, "api", "client")},
			{"daemon/remote", with(leaves, "api", "client", "enroll", "manifest")},
			{"daemon/connectivity", with(leaves, "api")},

			// worker SDK
			{"worker", with(leaves, "api", "client", "storage")},
			{"worker/workertest", with(leaves, "api", "storage", "worker")},

			// adapters, named only by cmd
			{"store/postgres", with(leaves, "store", "store/internal/...", "pipeline", "rollout")},
			{"store/sqlite", with(leaves, "store", "store/internal/...", "pipeline", "rollout")},
			{"store/internal/...", with(leaves, "store", "pipeline", "rollout")},
			{"store/storetest", with(leaves, "store", "pipeline", "rollout")},
			{"storage/...", with(leaves, "storage", "storage/...")},
			{"engine/dispatch", with(leaves, "engine", "api")},
			{"daemon/osservice", leaves},

			// leaves
			{"internal/...", []string{"api", "internal/..."}},
			{"web", []string{"internal/..."}},
			{"templates", nil},

			// programs, examples and what drives them
			{"cmd/pipeweave/...", with(leaves, "api", "client", "controlplane", "engine", "engine/dispatch",
				"pipeline", "store", "store/postgres", "store/sqlite", "storage", "storage/...", "cmd/pipeweave/...")},
			{"cmd/pipedai-orchestrator/...", with(leaves, "api", "client", "daemon/...", "supervisor", "enroll",
				"manifest", "upgrade", "cmd/pipedai-orchestrator/...")},
			{"cmd/pipedai-worker/...", with(leaves, "api", "client", "worker", "storage", "storage/...",
				"cmd/pipedai-worker/...")},
			{"examples/...", []string{"worker", "storage", "storage/...", "examples/..."}},
			{"e2e", with(leaves, "api", "client", "storage")},
			{"e2e/systemd/...", nil},
			{"e2e/wine/...", nil},
			{"tools/...", nil},
			{"tools/httpref", []string{"controlplane", "daemon/localapi"}},
			{"tools/bench", with(leaves, "api", "client", "manifest")},
		},
		Never: []Line{
			// The two halves meet only at the wire.
			{"daemon/...", engineHalf}, {"supervisor", engineHalf}, {"enroll", engineHalf},
			{"manifest", engineHalf}, {"upgrade", engineHalf},
			{"cmd/pipedai-orchestrator/...", engineHalf},
			{"engine/...", hostHalf}, {"controlplane", hostHalf}, {"store/...", hostHalf},
			{"cmd/pipeweave/...", hostHalf},
			// The worker is light: no database driver, neither half.
			{"worker/...", with(drivers, with(engineHalf, hostHalf...)...)},
			{"client", with(drivers, with(engineHalf, hostHalf...)...)},
			{"storage/...", with(drivers, with(engineHalf, hostHalf...)...)},
			{"cmd/pipedai-worker/...", with(drivers, with(engineHalf, hostHalf...)...)},
			{"examples/...", with(drivers, with(engineHalf, hostHalf...)...)},
			// Nobody imports a program.
			{"internal/...", []string{"cmd/..."}}, {"web", []string{"cmd/..."}},
		},
		Only: []Line{
			{"github.com/jackc/pgx/v5", []string{"store/postgres", "internal/pgserver", "internal/testkit", "tools/bench", "cmd/pipeweave/..."}},
			{"github.com/mattn/go-sqlite3", []string{"internal/sqlitefile"}},
			{"modernc.org/sqlite", []string{"internal/sqlitefile"}},
			{"github.com/pressly/goose/v3", []string{"store/postgres", "store/sqlite", "store/internal/migration", "manifest"}},
			{"github.com/spf13/cobra", []string{"cmd/...", "internal/cliutil", "worker"}},
			{"github.com/kardianos/service", []string{"daemon/osservice"}},
			{"github.com/coder/websocket", []string{"daemon/localapi", "daemon/localapi/localclient", "tools/bench"}},
			{"github.com/minio/minio-go/v7", []string{"storage/s3"}},
			{"github.com/go-jose/go-jose/v4", []string{"internal/jwe"}},
			{"golang.org/x/oauth2", []string{"storage/gcs"}},
			{"github.com/dlclark/regexp2", []string{"pipeline/inputschema"}},
			{"github.com/ledongthuc/pdf", []string{"examples/pdf-processor/..."}},
		},
		StdOnly: []string{"api", "pipeline", "rollout", "store", "storage", "internal/archtest"},
	}
}

var (
	drivers = []string{"github.com/jackc/pgx/v5", "github.com/mattn/go-sqlite3", "modernc.org/sqlite",
		"github.com/pressly/goose/v3"}
	engineHalf = []string{"controlplane", "engine/...", "rollout", "store/..."}
	hostHalf   = []string{"daemon/...", "supervisor", "enroll", "manifest", "upgrade"}
)
