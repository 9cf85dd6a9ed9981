"""A copy of this host that goes with the process: what is installed there is nowhere else, and what
spangate left here is not there."""
# SPDX-License-Identifier: Apache-2.0
import os
import subprocess

import pytest

SET_UP = """
set -eu
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay none -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" "$1/root"
mount -t tmpfs none "$1/root/run"
mount -t tmpfs none "$1/root/tmp"
mount --rbind /dev "$1/root/dev"
mount -t proc none "$1/root/proc"
rm -rf "$1/root/var/lib/spangate" "$1/root/etc/spangate"
cp "$2" "$1/root/tmp/spangate.deb"
cp "$3" "$1/root/tmp/steps.sh"
cd "$1/root/tmp"
exec chroot "$1/root" /bin/sh -eux /tmp/steps.sh
"""

# A network of its own has only a loopback, and that is down.
LOOPBACK = """
python3 - <<'PYTHON'
import fcntl, socket, struct
IFF_UP, SIOCSIFFLAGS = 1, 0x8914
fcntl.ioctl(socket.socket(), SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))
PYTHON
"""


def run(directory, package, steps, network=True, timeout=120):
    """Runs the steps as root of the copy, the package at /tmp/spangate.deb; network False: a loopback
    alone. What they leave running ends with them."""
    host, file = directory / "host", directory / "steps.sh"
    host.mkdir()
    file.write_text("export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8\n" + ("" if network else LOOPBACK) + steps)
    alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child"] + ([] if network else ["--net"])
    alone += [] if os.getuid() == 0 else ["--map-root-user"]
    if subprocess.run(alone + ["true"], capture_output=True).returncode != 0:
        pytest.skip("no namespace may be made here")
    return subprocess.run(alone + ["/bin/sh", "-c", SET_UP, "sh", str(host), str(package), str(file)],
                          capture_output=True, text=True, timeout=timeout)
