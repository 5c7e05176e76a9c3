#!/usr/bin/env bash
# Makes a small Debian with systemd to boot in tests, once, and prints where it
# is. The tests work on copies of it.
set -eu -o pipefail
cd "$(dirname "$0")/.."

suite=bookworm
packages=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,procps
# Whoever changes the line above gets another root.
root=$PWD/.cache/systemd-$suite-$(printf '%s' "$packages" | cksum | cut -d' ' -f1)
if [ ! -d "$root" ]; then
  echo "making a Debian $suite to boot, once (a minute or two)" >&2
  mkdir -p .cache
  rm -rf "$root.new"
  if ! debootstrap --variant=minbase --include="$packages" "$suite" "$root.new" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$root.log" 2>&1; then
    echo "debootstrap failed; it said:" >&2
    tail -n 20 "$root.log" >&2
    echo "It needs a Debian mirror: DEBIAN_MIRROR=http://... make test-systemd" >&2
    rm -rf "$root.new"
    exit 1
  fi
  rm -rf "$root.new/var/cache/apt" "$root.new/var/lib/apt/lists" "$root.new/usr/share/doc" "$root.new/usr/share/locale"
  mv "$root.new" "$root"
fi
echo "$root"
