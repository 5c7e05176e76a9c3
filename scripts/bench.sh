#!/usr/bin/env bash
# Runs the Go benchmarks and prints what they measured as one table. Arguments
# go to `go test`: scripts/bench.sh -benchtime 5s.
set -eu -o pipefail
cd "$(dirname "$0")/.."

packages=$(git grep -l '^func Benchmark' -- '*_test.go' | sed 's|^|./|; s|/[^/]*$||' | sort -u)
# shellcheck disable=SC2086 # a list of packages
go test -run '^$' -bench . -benchmem -timeout 30m "$@" $packages | awk '
  function time(ns) {
    if (ns >= 1e9) return sprintf("%.2f s", ns / 1e9)
    if (ns >= 1e6) return sprintf("%.2f ms", ns / 1e6)
    if (ns >= 1e3) return sprintf("%.2f µs", ns / 1e3)
    return sprintf("%.0f ns", ns)
  }
  function size(b) {
    if (b >= 1048576) return sprintf("%.1f MiB", b / 1048576)
    if (b >= 1024) return sprintf("%.1f KiB", b / 1024)
    return sprintf("%d B", b)
  }
  BEGIN { row = "  %-36s %12s %12s %10s  %s\n"; printf row, "benchmark", "time/op", "memory/op", "allocs/op", "" }
  /^pkg: / { sub(/^pipedai\//, "", $2); print $2; next }
  /^Benchmark/ && NF > 3 {
    name = $1; sub(/^Benchmark/, "", name); sub(/-[0-9]+$/, "", name)
    t = b = a = rest = ""
    for (i = 3; i < NF; i += 2) {
      if ($(i + 1) == "ns/op") t = time($i)
      else if ($(i + 1) == "B/op") b = size($i)
      else if ($(i + 1) == "allocs/op") a = $i
      else rest = rest $i " " $(i + 1) "  "
    }
    printf row, name, t, b, a, rest; next
  }
  /^(goos|goarch|cpu):|^PASS$|^ok / { next }
  { print }'
