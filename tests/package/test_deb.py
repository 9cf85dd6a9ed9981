"""The .deb: the same bits each time, no fault lintian finds, and its life on a host."""
# SPDX-License-Identifier: Apache-2.0
import hashlib
import os
import re
import shutil
import subprocess

import pytest

import host
from system_conftest import ROOT
from made import make, packages


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sources():
    """What git would take along; else everything but the build."""
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            capture_output=True, text=True)
    if listed.returncode == 0:
        return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    return [str(p.relative_to(ROOT)) for p in ROOT.rglob("*")
            if p.is_file() and p.relative_to(ROOT).parts[0] != "build"]


def test_packed_again_it_is_the_same(package, monkeypatch):
    before = digest(package)
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    monkeypatch.setenv("LC_ALL", "C")
    mask = os.umask(0o077)
    try:
        make("deb")
    finally:
        os.umask(mask)
    assert digest(package) == before


def test_built_again_elsewhere_it_is_the_same(package, tmp_path):
    """All of it anew, compiler and all, in another directory."""
    there = tmp_path / "elsewhere"
    for name in sources():
        if name.startswith(("tests/", "docs/decisions/")):
            continue
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, there / name)
    revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    make("deb", f"REVISION={revision.stdout.strip() or 'unknown'}", directory=there)
    assert digest(packages(there)[0]) == digest(package)


def test_its_date_is_that_of_the_environment(package, monkeypatch):
    before = digest(package)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    make("deb")
    dated = subprocess.run(["dpkg-deb", "-c", package], capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"\b(20\d\d-\d\d-\d\d)\b", dated)) == {"2023-11-14"}
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    make("deb")
    assert digest(package) == before


def test_lintian_finds_no_fault(package):
    if shutil.which("lintian") is None:
        pytest.skip("lintian is not installed (package lintian)")
    # Root is what CI runs as; lintian only says that it would rather not.
    done = subprocess.run(["lintian", "--fail-on", "error,warning,info", "--allow-root", str(package)],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_in_it(package):
    shown = subprocess.run(["dpkg-deb", "-c", package], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=5) for line in shown.splitlines()]
    assert all(row[1] == "root/root" for row in rows)
    assert all(re.fullmatch(r"(-rw-r--r--|-rwxr-xr-x|drwxr-xr-x)", row[0]) for row in rows), shown
    assert [row[5] for row in rows if row[0] == "-rwxr-xr-x"] == ["./usr/bin/spangate"]
    paths = {row[5] for row in rows}
    assert {"./etc/spangate/spangate.yaml", "./lib/systemd/system/spangate.service",
            "./usr/lib/sysusers.d/spangate.conf", "./usr/share/doc/spangate/copyright"} <= paths
    control = subprocess.run(["dpkg-deb", "-f", package], capture_output=True, text=True, check=True).stdout
    for library in ("libevent", "libnghttp2", "libssl3", "libprotobuf-c1", "libfyaml0", "libjansson4"):
        assert re.search(rf"^Depends: .*\b{library}", control, re.M), library
    conffiles = subprocess.run(["dpkg-deb", "--ctrl-tarfile", package], capture_output=True, check=True).stdout
    listed = subprocess.run(["tar", "-xO", "./conffiles"], input=conffiles, capture_output=True, check=True).stdout
    assert listed.decode().split() == ["/etc/spangate/spangate.yaml"]


STEPS = """
if dpkg -s spangate >/dev/null 2>&1; then dpkg --purge spangate; fi
dpkg -i /tmp/spangate.deb
test "$(dpkg-query -W -f '${Status}' spangate)" = "install ok installed"
test "$(getent passwd spangate | cut -d: -f6,7)" = /var/lib/spangate:/usr/sbin/nologin
test "$(stat -c '%U %G %a' /var/lib/spangate)" = "spangate spangate 700"
test "$(stat -c '%U %G %a' /etc/spangate/spangate.yaml)" = "root spangate 640"
test -L /etc/systemd/system/multi-user.target.wants/spangate.service
dpkg -V spangate

# As the service: it reads its settings, and says what they lack.
as() { setpriv --reuid spangate --regid spangate --clear-groups "$@"; }
code=0; as spangate check-config -c /etc/spangate/spangate.yaml >/tmp/why || code=$?
test $code -eq 78; grep -q C030 /tmp/why

# The administrator's settings and rights outlive an upgrade, and so does what is spooled.
sed -i 's/addresses: .*/addresses: ["oap.example:11800"]/' /etc/spangate/spangate.yaml
as spangate check-config -c /etc/spangate/spangate.yaml
chmod 600 /etc/spangate/spangate.yaml; chown spangate /etc/spangate/spangate.yaml
touch /var/lib/spangate/kept
dpkg -i /tmp/spangate.deb
grep -q oap.example /etc/spangate/spangate.yaml
test "$(stat -c '%U %a' /etc/spangate/spangate.yaml)" = "spangate 600"

dpkg -r spangate
test ! -e /usr/bin/spangate; test -e /var/lib/spangate/kept; test -e /etc/spangate/spangate.yaml
dpkg -i /tmp/spangate.deb
dpkg -P spangate
test ! -e /var/lib/spangate; test ! -e /etc/spangate; test ! -e /usr/share/doc/spangate
test ! -e /etc/systemd/system/multi-user.target.wants/spangate.service
getent passwd spangate >/dev/null
"""


def test_its_life_on_a_host(package, tmp_path):
    done = host.run(tmp_path, package, STEPS)
    assert done.returncode == 0, done.stdout + done.stderr
