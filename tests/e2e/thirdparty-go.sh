#!/usr/bin/env bash
# Goal: Hark's checkpoints and proofs hold for an implementation that shares no
# code with it, Go's checksum database, and altered ones do not.
#
# Needs $PROOFDUMP (the built program), go, and golang.org/x/mod as Debian's
# golang-golang-x-mod-dev installs it. Exit code 77: skipped.
set -euo pipefail

gopath=${HARK_TEST_GOPATH:-/usr/share/gocode}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! command -v go >/dev/null; then
    echo "skipped: there is no go"
    exit 77
fi
if [ ! -d "$gopath/src/golang.org/x/mod/sumdb" ]; then
    echo "skipped: golang.org/x/mod (golang-golang-x-mod-dev) is not in $gopath"
    exit 77
fi

export GO111MODULE=off GOPATH=$gopath GOCACHE=$work/cache GOFLAGS='' GOPROXY=off
(cd "$here/go" && go build -o "$work/thirdparty" thirdparty.go)
mkdir "$work/dump"
"$PROOFDUMP" "$work/dump" >"$work/wanted"

# It must have looked at all of it, not only have found nothing wrong.
"$work/thirdparty" "$work/dump/good.json" >"$work/found"
diff -u "$work/wanted" "$work/found"
cat "$work/found"

refused=0
for document in "$work"/dump/bad-*.json; do
    name=$(basename "$document" .json)
    what=${name#bad-}
    what=${what%%-*}
    status=0
    "$work/thirdparty" <"$document" >"$work/found" 2>"$work/why" || status=$?
    if [ "$status" != 1 ] || ! grep -q "^$what" "$work/why"; then
        echo "$name: not refused for its $what (exit code $status): $(cat "$work/why")"
        exit 1
    fi
    refused=$((refused + 1))
done
[ "$refused" -ge 17 ]
echo "refused $refused"
