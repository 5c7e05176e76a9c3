#!/usr/bin/env bash
# Runs the Go tests with coverage, writes cover.out, and prints per package how
# much of it any test reaches, least first.
set -eu -o pipefail
cd "$(dirname "$0")/.."

# Not tools and tests of tests; e2e drives programs that are not instrumented.
packages=$(go list ./... | grep -vE '/(e2e|tools/.*|storetest|storagetest|workertest|testkit|archtest)$')
everything=$(echo "$packages" | paste -sd, -)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# Where test binaries that run themselves as a child leave theirs: without it
# they complain on standard error, which some tests read.
export GOCOVERDIR=$dir
# shellcheck disable=SC2086 # a list of packages
go test -json -timeout 20m -coverprofile=cover.out -coverpkg="$everything" $packages |
  go run ./tools/testsum >"$dir/log" || { cat "$dir/log" >&2; exit 1; }
# A block appears once per test binary; it is covered if any of them ran it.
awk 'NR > 1 { block = $1; statements[block] = $2; if ($3 > 0) hit[block] = 1 }
  END {
    for (block in statements) {
      package = block; sub(/^pipedai\//, "", package); sub(/\/[^\/]*:.*$/, "", package)
      all[package] += statements[block]; total += statements[block]
      if (block in hit) { reached[package] += statements[block]; sum += statements[block] }
    }
    for (package in all) printf "%6.1f%%  %s\n", 100 * reached[package] / all[package], package
    printf "%6.1f%%  all of it\n", 100 * sum / total
  }' cover.out | sort -k2,2 | sort -s -n | awk '/all of it/ { last = $0; next } { print } END { print last }'
