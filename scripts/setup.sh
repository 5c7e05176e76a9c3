#!/usr/bin/env bash
# Checks what building and testing need, and installs what is missing when it
# may. Says exactly what to type when it may not, and exits 1.
#
#   scripts/setup.sh run        for `make run`: Go, Node, a C compiler, git
#   scripts/setup.sh test       the same, and a PostgreSQL server and Chromium
#   scripts/setup.sh systemd    Go, git, and what boots a systemd of its own (root)
#   scripts/setup.sh chromium   print which browser the tests would use
#
# Quick and silent when everything is there. SETUP_ROOT is where absolute paths
# begin; tests of this script set it.
set -eu

what=${1:-test}
root=${SETUP_ROOT:-}
missing=""
say() { printf '%s\n' "$*" >&2; }

# at_least HAVE WANT: both as numbers separated by dots.
at_least() {
  [ "$(printf '%s\n%s\n' "$2" "$1" | sort -t. -k1,1n -k2,2n | head -n1)" = "$2" ]
}

need() { # need NAME WHY HOW
  missing=1
  say "$1: $2"
  say "  $3"
}

check_tools() {
  local have
  if ! command -v go >/dev/null; then
    need go "not found" "install Go 1.26 or newer: https://go.dev/dl/"
  else
    have=$(go env GOVERSION | sed 's/^go//; s/[^0-9.].*//')
    at_least "$have" 1.26 || need go "version $have is too old" "install Go 1.26 or newer: https://go.dev/dl/"
  fi
  if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    need node "not found" "install Node 20.19 or newer with npm: https://nodejs.org/"
  else
    have=$(node --version | sed 's/^v//')
    at_least "$have" 20.19 || need node "version $have is too old" "install Node 20.19 or newer: https://nodejs.org/"
  fi
  command -v git >/dev/null || need git "not found" "$(install_hint git)"
  command -v cc >/dev/null || command -v gcc >/dev/null || need gcc "no C compiler found" "$(install_hint gcc)"
}

install_hint() {
  case $(uname -s) in
    Darwin) if [ "$1" = gcc ]; then echo "xcode-select --install"; else echo "brew install $1"; fi ;;
    *) if [ "$1" = gcc ]; then echo "sudo apt-get install -y gcc libc6-dev"; else echo "sudo apt-get install -y $1"; fi ;;
  esac
}

# The tests look in the same places, see internal/testkit.
has_postgres() {
  command -v initdb >/dev/null && command -v postgres >/dev/null && return 0
  local dir
  for dir in "$root"/usr/lib/postgresql/*/bin "$root"/opt/homebrew/opt/postgresql@*/bin "$root"/usr/local/opt/postgresql@*/bin; do
    [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ] && return 0
  done
  return 1
}

# find_browser prints the browser of the tests. Ubuntu has a chromium-browser that
# only says "install the snap": one that cannot say its version is none.
find_browser() {
  local name
  for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable \
    "$root/Applications/Chromium.app/Contents/MacOS/Chromium" \
    "$root/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
    [ -n "$name" ] && name=$(command -v "$name") && "$name" --version >/dev/null 2>&1 && echo "$name" && return 0
  done
  return 1
}

has_chromium() { find_browser >/dev/null; }

# The units of the service are held against systemd itself.
has_analyze() { command -v systemd-analyze >/dev/null || [ "$(uname -s)" != Linux ]; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_install() {
  command -v apt-get >/dev/null || return 1
  [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }
}

# The package would start a database server of its own, which nobody asked for:
# the tests start and stop theirs.
no_default_cluster() {
  as_root mkdir -p "$root/etc/postgresql-common/createcluster.d"
  echo "create_main_cluster = false" |
    as_root tee "$root/etc/postgresql-common/createcluster.d/no-main-cluster.conf" >/dev/null
}

install_package() { # one at a time: one that is not to be had stops no other
  say "installing for the tests: $1"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" </dev/null >&2 || true
}

install_test_tools() {
  as_root apt-get update -qq </dev/null >&2 || true
  if ! has_postgres; then
    no_default_cluster
    install_package postgresql
  fi
  has_chromium || install_package chromium
  has_analyze || install_package systemd
}

# chromium_hint is the command that gets a browser. Ubuntu has none as a package
# that runs without snap.
chromium_hint() {
  local chrome=google-chrome-stable_current_amd64.deb
  case $(uname -s) in
    Darwin) echo "brew install --cask chromium" ;;
    *)
      if grep -qs '^ID=ubuntu' "$root/etc/os-release"; then
        echo "curl -fLO https://dl.google.com/linux/direct/$chrome && sudo apt-get install -y ./$chrome"
      else
        echo "sudo apt-get update && sudo apt-get install -y chromium"
      fi
      ;;
  esac
}

postgres_hint() {
  case $(uname -s) in
    Darwin) echo "brew install postgresql@17" ;;
    *) echo "sudo apt-get update && sudo apt-get install -y postgresql" ;;
  esac
}

check_test_tools() {
  has_postgres && has_chromium && has_analyze && return 0
  ! may_install || install_test_tools
  has_postgres || need "PostgreSQL server" "the store tests run against a real one" "$(postgres_hint)"
  has_chromium || need "Chromium" "the page tests run in a real browser (or set CHROMIUM to one)" "$(chromium_hint)"
  has_analyze || need "systemd-analyze" "the units of the service are checked by it" "$(install_hint systemd)"
}

# check_systemd: what `make test-systemd` needs besides Go.
check_systemd() {
  if [ "$(uname -s)" != Linux ] || [ "$(id -u)" != 0 ]; then
    need "root on Linux" "a machine is booted in namespaces of its own" "sudo make test-systemd"
    return
  fi
  local tool package
  for tool in debootstrap:debootstrap unshare:util-linux nsenter:util-linux; do
    package=${tool#*:} tool=${tool%:*}
    command -v "$tool" >/dev/null && continue
    if may_install; then
      as_root apt-get update -qq </dev/null >&2 || true
      install_package "$package"
    fi
    command -v "$tool" >/dev/null || need "$tool" "not found" "apt-get install -y $package"
  done
  grep -q ' cgroup2 ' /proc/self/mounts || need cgroup2 "mounted nowhere" "mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified"
}

if [ "$what" = chromium ]; then
  find_browser
  exit
fi
check_tools
if [ "$what" = test ]; then check_test_tools; fi
if [ "$what" = systemd ]; then check_systemd; fi
if [ -n "$missing" ]; then
  say ""
  say "Install what is listed above, then run the same command again."
  exit 1
fi
