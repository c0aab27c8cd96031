#!/bin/sh
# The one place that lists the Debian packages (Debian 12) Hark needs.
#
#   examples/install-deps.sh [build|test|ci]   install what is missing (default: build)
#   examples/install-deps.sh --list [SET]      print the packages of a set
#
# build: compile and run it (git checks signatures with ssh-keygen); test: also
# ./tests/run.sh; ci: also .ci/run.
# When everything is there, nothing is called and no network is needed.
set -eu

build='gcc libc6-dev cmake ninja-build pkgconf git openssh-client
    libsodium-dev nettle-dev libyaml-dev libjansson-dev libzmq3-dev zlib1g-dev libdeflate-dev
    libisal-dev libgit2-dev libsqlite3-dev libroaring-dev libcsv-dev
    libmicrohttpd-dev libcurl4-openssl-dev'
test='libcmocka-dev binutils python3 python3-nacl openssl iproute2 util-linux
    clang libclang-rt-dev golang-go golang-golang-x-mod-dev shellcheck curl'
ci='clang-format clang-tidy cppcheck npm'

list=false
if [ "${1-}" = --list ]; then
    list=true
    shift
fi
case "${1-build}" in
build) packages=$build ;;
test) packages="$build $test" ;;
ci) packages="$build $test $ci" ;;
*)
    echo "usage: $0 [--list] [build|test|ci]" >&2
    exit 2
    ;;
esac

if $list; then
    # shellcheck disable=SC2086 # a list of words
    printf '%s\n' $packages
    exit 0
fi

if ! command -v dpkg-query >/dev/null; then
    echo "$0: no dpkg here: taking it that these are installed: $packages" >&2
    exit 0
fi

# Another package may stand in for one: that of nodejs from elsewhere brings npm.
provided=$(dpkg-query -W -f='${db:Status-Status} ${Provides}\n' |
    sed -n 's/^installed//p' | tr ',\n' '  ')
missing=
for package in $packages; do
    status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    case "$status $provided " in
    installed*) ;;
    *" $package "*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "$0: neither root nor sudo; please install:$missing" >&2
        exit 2
    fi
    as_root='sudo -n'
fi

echo "installing:$missing" >&2
apt_get() {
    # Nobody is there to answer questions.
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "$@" </dev/null >&2
}
apt_get update
# shellcheck disable=SC2086 # a list of words
apt_get install -y --no-install-recommends $missing
