#!/usr/bin/env bash
# What must hold of the tree besides its tests. Prints one line per check and
# the details of those that fail; exits 1 if any did.
set -u
cd "$(dirname "$0")/.."

failed=0
check() { # check NAME COMMAND...
  local name=$1 out began=$SECONDS
  shift
  if out=$("$@" 2>&1); then
    printf '  ok    %s (%ss)\n' "$name" "$((SECONDS - began))"
  else
    failed=1
    printf '  FAIL  %s\n' "$name"
    printf '%s\n' "$out" | sed 's/^/        /'
  fi
}

go_files_formatted() {
  local out
  out=$(git ls-files '*.go' | xargs gofmt -l)
  [ -z "$out" ] || { printf 'run make fmt:\n%s\n' "$out"; return 1; }
}

scripts_parse() {
  local file
  for file in scripts/*.sh .ci/run; do bash -n "$file" || return 1; done
}

# Compiles and links, as a release would, but with an idle optimiser and keeping
# nothing: whether it builds is the question, and six times the dependencies of
# everything is most of what this script does on a machine that is new to it.
cross_compiles() { # cross_compiles GOOS GOARCH
  CGO_ENABLED=0 GOOS=$1 GOARCH=$2 go build -gcflags='all=-N -l' -ldflags='-s -w' -o /dev/null ./cmd/... ./examples/...
}

# The worker runs next to other people's programs and the SDK is linked into
# them: neither carries a database driver or a web framework.
# database/sql/driver holds interfaces that id packages of storage clients
# implement; it brings no database along.
light() { # light PACKAGE
  local out
  out=$(CGO_ENABLED=0 go list -deps "$1" | grep -E \
    '^(database/sql$|github.com/(jackc|lib/pq|mattn/go-sqlite3|pressly/goose|gin-gonic|labstack|gofiber|go-chi|gorilla/mux)|modernc\.org)(/|$)' || true)
  [ -z "$out" ] || { printf '%s links:\n%s\n' "$1" "$out"; return 1; }
}

no_build_output_committed() {
  local out
  out=$(git ls-files bin .run .cache 'web/dist/*' '*/node_modules/*' | grep -v '^web/dist/packed/\.gitkeep$' || true)
  [ -z "$out" ] || { printf 'committed, but built:\n%s\n' "$out"; return 1; }
}

check "go.mod is tidy" go mod tidy -diff
check "modules are what go.sum says" go mod verify
check "Go files are formatted" go_files_formatted
check "scripts parse" scripts_parse
check "layers, package comments, file lengths, documents and their pictures" go test -count=1 ./internal/archtest
check "nothing built is committed" no_build_output_committed
check "pipedai-worker is light" light ./cmd/pipedai-worker
check "the worker SDK is light" light ./worker
for os in linux darwin windows; do
  for arch in amd64 arm64; do
    check "compiles for $os/$arch without CGO" cross_compiles "$os" "$arch"
  done
done
exit $failed
