#!/bin/sh
# Puts everything where it belongs: called by "make install" with the directories in the environment.
# SPDX-License-Identifier: Apache-2.0
# usage: install.sh BINARY, with DESTDIR, PREFIX, SYSCONFDIR and UNITDIR
set -eu
umask 022
cd "$(dirname "$0")/.."
binary=$1
share=$DESTDIR$PREFIX/share
docs=$share/doc/spangate
settings=$DESTDIR$SYSCONFDIR/spangate/spangate.yaml
unit=$DESTDIR$UNITDIR/spangate.service

# A file made by a command: made_by DIRECTORY/FILE COMMAND...
made_by() {
    file=$1
    shift
    install -d "$(dirname "$file")"
    "$@" >"$file"
    chmod 644 "$file"
}

install -D -m 755 "$binary" "$DESTDIR$PREFIX/bin/spangate"
made_by "$unit" sed -e "s,/usr/bin/spangate,$PREFIX/bin/spangate,; s,/etc/spangate,$SYSCONFDIR/spangate," \
    config/systemd/spangate.service
install -D -m 644 config/systemd/spangate.sysusers "$DESTDIR$PREFIX/lib/sysusers.d/spangate.conf"
# The host's own settings stay.
[ -e "$settings" ] || install -D -m 644 config/systemd/spangate.yaml "$settings"

made_by "$share/spangate/alerts/spangate.rules.yaml" sed "s,/usr/share/doc,$PREFIX/share/doc," \
    config/alerts/spangate.rules.yaml
install -D -m 644 config/grafana/spangate.json "$share/spangate/grafana/spangate.json"
install -d "$docs"
install -m 644 README.md LICENSE docs/*.md "$docs"
made_by "$docs/examples/spangate.yaml" "$binary" config example
for page in docs/man/*.[15]; do
    [ ! -e "$page" ] || install -D -m 644 "$page" "$share/man/man${page##*.}/${page##*/}"
done
if "$binary" completion bash >/dev/null 2>&1; then
    made_by "$share/bash-completion/completions/spangate" "$binary" completion bash
    made_by "$share/zsh/vendor-completions/_spangate" "$binary" completion zsh
    made_by "$share/fish/vendor_completions.d/spangate.fish" "$binary" completion fish
fi
