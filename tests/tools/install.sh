#!/bin/sh
# Builds one program of tests/tools/go-tools into a folder.
# SPDX-License-Identifier: Apache-2.0
# usage: install.sh NAME DIRECTORY
# Modules come through the Go module proxy that "go env GOPROXY" names. A Go older than the programs
# need (Debian 12 has 1.19) fetches a newer one the same way, as the module golang.org/toolchain, into
# DIRECTORY/go; it is checked against the checksum database like any module.
set -eu
name=$1
directory=$(realpath -m "$2")
table=$(dirname "$0")/go-tools
least=1.25
fetched=1.26.8

export GOTOOLCHAIN=local GOFLAGS=-mod=mod CGO_ENABLED=0 GOWORK=off

# Is the first version at least the second?
is_at_least() {
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# The unpacked module lacks what a module's zip cannot hold: mode bits and nested go.mod files.
fetch_go() {
    module=golang.org/toolchain@v0.0.1-go$fetched.linux-$(go env GOARCH)
    echo "$(go version) is older than $least: fetching $module"
    from=$(cd / && go mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    rm -rf "$directory/go" "$directory/go.part"
    cp -r "$from" "$directory/go.part"
    chmod -R u+w "$directory/go.part"
    chmod +x "$directory/go.part/bin/"* "$directory/go.part/pkg/tool/"*/*
    find "$directory/go.part" -name _go.mod -execdir mv _go.mod go.mod ';'
    mv "$directory/go.part" "$directory/go"
}

line=$(grep "^$name " "$table") || { echo "install.sh: $name is not in $table" >&2; exit 64; }
modules=${line#* }
command -v go >/dev/null || { echo "install.sh: no go: apt-get install golang-go" >&2; exit 69; }

mkdir -p "$directory/bin"
# One at a time: builds in parallel would fetch the same twice.
exec 9>"$directory/lock"
flock 9
version=$(go env GOVERSION)
if ! is_at_least "${version#go}" "$least"; then
    [ -x "$directory/go/bin/go" ] || fetch_go
    unset GOROOT
    PATH=$directory/go/bin:$PATH
fi
scratch=$(mktemp -d "$directory/$name.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
go mod init tools 2>/dev/null
# shellcheck disable=SC2086 # a list of words
go get $modules >get.log 2>&1 || { cat get.log >&2; exit 70; }
package=${modules%% *}
go build -trimpath -ldflags='-s -w' -o "$directory/bin/$name" "${package%@*}"
