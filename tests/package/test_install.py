"""make install: everything is where it belongs, and runs from there; the unit is sound and tight."""
# SPDX-License-Identifier: Apache-2.0
import re
import shutil
import subprocess

import pytest

from made import make
from system_conftest import BINARY, ROOT, Spangate

UNIT = ROOT / "config" / "systemd" / "spangate.service"
MOST_EXPOSURE = 1.5


def listed(root):
    return {str(p.relative_to(root)): oct(p.stat().st_mode & 0o777) for p in root.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    make("install", f"DESTDIR={root}", "PREFIX=/usr")
    return root


def test_everything_is_there(installed):
    files = listed(installed)
    for path in ["etc/spangate/spangate.yaml", "usr/lib/systemd/system/spangate.service",
                 "usr/lib/sysusers.d/spangate.conf", "usr/share/doc/spangate/README.md",
                 "usr/share/doc/spangate/LICENSE", "usr/share/doc/spangate/runbooks.md",
                 "usr/share/doc/spangate/examples/spangate.yaml",
                 "usr/share/spangate/alerts/spangate.rules.yaml",
                 "usr/share/spangate/grafana/spangate.json"]:
        assert files.pop(path) == "0o644", path
    assert files.pop("usr/bin/spangate") == "0o755"
    for page in (ROOT / "docs").glob("*.md"):
        files.pop(f"usr/share/doc/spangate/{page.name}", None)
    for page in (ROOT / "docs" / "man").glob("*.[15]"):
        assert files.pop(f"usr/share/man/man{page.suffix[1:]}/{page.name}") == "0o644"
    left = [f for f in files if not re.search(r"completions|vendor_completions", f)]
    assert not left, f"nobody expects {left}"


def test_settings_of_the_host_stay(installed):
    settings = installed / "etc" / "spangate" / "spangate.yaml"
    before = settings.read_text()
    settings.write_text("version: 1\n")
    make("install", f"DESTDIR={installed}", "PREFIX=/usr")
    assert settings.read_text() == "version: 1\n"
    settings.write_text(before)


def test_settings_lack_only_the_backend(installed):
    binary, settings = installed / "usr/bin/spangate", installed / "etc/spangate/spangate.yaml"
    done = subprocess.run([binary, "check-config", "-c", settings], capture_output=True, text=True)
    assert done.returncode == 78
    assert re.findall(r"error (C\d+)", done.stdout + done.stderr) == ["C030"]
    done = subprocess.run([binary, "check-config", "-c", settings, "--set", "upstream.addresses=oap.example:11800"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_example_is_a_valid_file(installed):
    example = installed / "usr/share/doc/spangate/examples/spangate.yaml"
    done = subprocess.run([installed / "usr/bin/spangate", "check-config", "-c", example],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_runs_from_where_it_was_installed(installed, monkeypatch):
    monkeypatch.setattr("system_conftest.BINARY", str(installed / "usr/bin/spangate"))
    gate = Spangate(flags=["--sink", "-c", str(installed / "etc/spangate/spangate.yaml"),
                           "--set", "admin.socket="])
    subprocess.run([installed / "usr/bin/spangate", "load", "--addr", gate.address, "--rate", "200",
                    "--duration", "1s"], check=True, capture_output=True, timeout=60)
    gate.wait_metric("items_forwarded_total", 200, signal="tracing")
    assert gate.end() == 0


def test_alerts_link_to_a_copy_of_the_runbooks(installed, tmp_path):
    """By the command of install.md."""
    rules = installed / "usr/share/spangate/alerts/spangate.rules.yaml"
    [command] = re.findall(r"^```sh\n(sed .*?)^```$", (ROOT / "docs/install.md").read_text(), re.M | re.S)
    subprocess.run(["sh", "-eu", "-c", command.replace("/usr/share/spangate/alerts/spangate.rules.yaml", str(rules))],
                   cwd=tmp_path, check=True)
    linked = (tmp_path / "spangate.rules.yaml").read_text()
    assert "runbook:" not in linked
    assert linked.count("#spangate") == linked.count("- alert:") == rules.read_text().count("runbook:")
    assert "runbook_url: https://docs.example/runbooks.md#spangateitemslost\n" in linked


def test_another_prefix_is_in_unit_and_alerts(tmp_path):
    make("install", f"DESTDIR={tmp_path}", "PREFIX=/opt/spangate", "SYSCONFDIR=/opt/etc")
    unit = (tmp_path / "opt/spangate/lib/systemd/system/spangate.service").read_text()
    assert "ExecStart=/opt/spangate/bin/spangate serve -c /opt/etc/spangate/spangate.yaml\n" in unit
    assert (tmp_path / "opt/etc/spangate/spangate.yaml").is_file()
    named = re.findall("runbook: (.*),", (tmp_path / "opt/spangate/share/spangate/alerts/spangate.rules.yaml").read_text())
    assert set(named) == {"/opt/spangate/share/doc/spangate/runbooks.md"}
    assert (tmp_path / named[0][1:]).is_file()


def needs_systemd():
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (package systemd)")


def test_systemd_finds_no_fault(tmp_path):
    needs_systemd()
    unit = tmp_path / "spangate.service"
    unit.write_text(UNIT.read_text().replace("/usr/bin/spangate", BINARY))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_unit_is_tight():
    needs_systemd()
    done = subprocess.run(["systemd-analyze", "security", "--no-pager", "--offline=true", str(UNIT)],
                          capture_output=True, text=True)
    level = float(re.search(r"exposure level for spangate.service: ([\d.]+)", done.stdout)[1])
    assert level <= MOST_EXPOSURE, done.stdout


def test_unit_waits_for_ready_and_watches():
    settings = dict(line.split("=", 1) for line in UNIT.read_text().splitlines()
                    if "=" in line and not line.startswith("#"))
    assert settings["Type"] == "notify" and settings["WatchdogSec"] == "30s"
    assert settings["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert int(settings["LimitNOFILE"]) > 10000, "limits.max_connections, and files besides"
    assert settings["StateDirectory"] == settings["User"] == "spangate"


def test_state_lies_in_the_state_directory():
    """What ProtectSystem=strict leaves writable is what the defaults write to."""
    shown = subprocess.run([BINARY, "config", "show", "--format", "json", "--set", "upstream.addresses=oap:1"],
                           capture_output=True, text=True, check=True).stdout
    for key in ("buffer.disk.path", "quarantine.path"):
        assert re.search(rf'"{key}": {{"value": "/var/lib/spangate/', shown), key
