#!/bin/sh
# Makes a .deb of an installed tree, bit for bit the same for the same tree and SOURCE_DATE_EPOCH.
# SPDX-License-Identifier: Apache-2.0
# usage: build.sh TREE VERSION DIRECTORY; prints the package's path. Called by "make deb".
set -eu
umask 022
tree=$1 version=$2 out=$3
here=$(cd "$(dirname "$0")" && pwd)
docs=$tree/usr/share/doc/spangate

command -v dpkg-shlibdeps >/dev/null || {
    echo "build.sh: the package dpkg-dev is missing: apt-get install dpkg-dev, or ./quickstart deb" >&2
    exit 69
}

# Without a date of the caller's: that of the changelog.
: "${SOURCE_DATE_EPOCH:=$(dpkg-parsechangelog -l "$here/changelog" -S Timestamp)}"
export SOURCE_DATE_EPOCH LC_ALL=C.UTF-8

[ "$(dpkg-parsechangelog -l "$here/changelog" -S Version)" = "$version" ] || {
    echo "build.sh: config/debian/changelog does not begin with version $version" >&2
    exit 65
}

strip --strip-unneeded --remove-section=.comment "$tree/usr/bin/spangate"

rm -f "$docs/LICENSE"
install -m 644 "$here/copyright" "$docs/copyright"
gzip -9n <"$here/changelog" >"$docs/changelog.gz"
find "$tree/usr/share/man" -type f ! -name '*.gz' -exec gzip -9n {} + 2>/dev/null || true

# dpkg-shlibdeps wants a source package around it.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/debian"
printf 'Source: spangate\n\nPackage: spangate\nArchitecture: any\n' >"$work/debian/control"
binary=$(cd "$tree/usr/bin" && pwd)/spangate
libraries=$(cd "$work" && dpkg-shlibdeps -O -e"$binary" 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
[ -n "$libraries" ] || { echo "build.sh: dpkg-shlibdeps tells no libraries" >&2; exit 70; }
architecture=$(dpkg --print-architecture)

mkdir -p "$tree/DEBIAN"
size=$(find "$tree" -path "$tree/DEBIAN" -prune -o -type f -printf '%s\n' | awk '{ kib += int(($1 + 1023) / 1024) } END { print kib }')
sed -e "s/@VERSION@/$version/; s/@ARCHITECTURE@/$architecture/; s/@SIZE@/$size/; s/@SHLIBS@/$libraries/" \
    "$here/control.in" >"$tree/DEBIAN/control"
install -m 755 "$here/postinst" "$here/prerm" "$here/postrm" "$tree/DEBIAN/"
(cd "$tree" && find etc -type f | LC_ALL=C sort | sed 's,^,/,') >"$tree/DEBIAN/conffiles"
(cd "$tree" && find usr lib -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$tree/DEBIAN/md5sums"

find "$tree" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
package=$out/spangate_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zxz --build "$tree" "$package" >/dev/null
echo "$package"
