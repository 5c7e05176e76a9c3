#!/bin/sh
# Prints sample.html to sample.pdf with Chromium. The counts that the tests
# expect belong to the committed file: run the tests after printing it again.
set -eu
cd "$(dirname "$0")"
browser=${CHROMIUM:-}
for name in chromium chromium-browser google-chrome; do
	[ -n "$browser" ] || browser=$(command -v "$name" || true)
done
if [ -z "$browser" ]; then
	echo "make.sh: no Chromium found; install it (apt-get install chromium) or set CHROMIUM" >&2
	exit 1
fi
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
"$browser" --headless --no-sandbox --disable-gpu --disable-background-networking \
	--user-data-dir="$profile" --no-pdf-header-footer \
	--print-to-pdf=sample.pdf "file://$PWD/sample.html"
