#!/bin/sh
# The same image without Docker: an OCI layout, by mmdebstrap and umoci.
# SPDX-License-Identifier: Apache-2.0
# usage: sudo config/container/image.sh TREE DIRECTORY   after make install DESTDIR=TREE PREFIX=/usr
# The libraries are those the Dockerfile names; scripts of packages run, so it wants root.
set -eu
tree=$1 layout=$2
here=$(cd "$(dirname "$0")" && pwd)
: "${SOURCE_DATE_EPOCH:=$(dpkg-parsechangelog -l "$here/../debian/changelog" -S Timestamp)}"
export SOURCE_DATE_EPOCH

# From the line that installs them in the Dockerfile, over its continuation.
libraries=$(sed -n '/no-install-recommends/,/&& rm/p' "$here/Dockerfile" | grep -oE '(ca-cert|lib|zlib)[a-z0-9.-]+' | paste -sd,)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# No package manager and no shell's tools are needed at run time: only what the libraries pull in.
mmdebstrap --quiet --variant=extract --include="$libraries" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$work/root.tar"
mkdir "$work/root"
tar -xf "$work/root.tar" -C "$work/root" --exclude='./dev/*'
cp -a "$tree/usr" "$work/root/"
rm -rf "$work/root/usr/share/doc/spangate/examples" "$work/root/usr/lib/systemd" "$work/root/usr/lib/sysusers.d"
find "$work/root/usr/share/ca-certificates" -name '*.crt' -exec cat {} + >"$work/authorities"
install -D -m 644 "$work/authorities" "$work/root/etc/ssl/certs/ca-certificates.crt"
install -d -o 65532 -g 65532 -m 700 "$work/root/var/lib/spangate"
# A read-only root needs the places that the runtime mounts on; without the line names are asked of DNS first.
mkdir -p "$work/root/proc" "$work/root/sys" "$work/root/dev" "$work/root/run"
install -d -m 1777 "$work/root/tmp"
echo 'hosts: files dns' >"$work/root/etc/nsswitch.conf"

rm -rf "$layout"
umoci init --layout "$layout"
umoci new --image "$layout:latest"
umoci insert --image "$layout:latest" "$work/root" /
umoci config --image "$layout:latest" --config.user 65532:65532 --config.entrypoint /usr/bin/spangate \
    --config.cmd serve --config.exposedports 11800 --config.exposedports 12800 --config.exposedports 1234 \
    --config.volume /var/lib/spangate --config.stopsignal SIGTERM
umoci gc --layout "$layout"
