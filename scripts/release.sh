#!/usr/bin/env bash
# Cross-build programs for publishing: release.sh VERSION LDFLAGS PROGRAMS PLATFORMS
#
# Each program becomes one archive per platform in dist/, named
# program_version_os_arch: tar.gz, and zip for Windows. Times and owners in an
# archive are fixed, so that the same sources make the same bytes: a version that
# was published keeps its bytes.
set -eu -o pipefail
cd "$(dirname "$0")/.."

version=$1 ldflags=$2 programs=$3 platforms=$4
stamp=$(git log -1 --format=%ct 2>/dev/null || echo 1767225600)
export SOURCE_DATE_EPOCH=$stamp CGO_ENABLED=0

rm -rf dist
mkdir -p dist
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

go build -o "$work/pack" ./tools/pack

for platform in $platforms; do
  os=${platform%/*} arch=${platform#*/}
  for program in $programs; do
    file=$program
    [ "$os" != windows ] || file=$program.exe
    name=${program}_${version}_${os}_${arch}
    echo "  $name"
    GOOS=$os GOARCH=$arch go build -trimpath -buildvcs=false -ldflags "$ldflags" -o "$work/$file" "./cmd/$program"
    "$work/pack" -at "$stamp" -o "dist/$name" "$work/$file" LICENSE
    rm "$work/$file"
  done
done
