"""What the real binary tells the service manager, on a socket of ours in its place."""
# SPDX-License-Identifier: Apache-2.0
import signal
import socket
import threading
import time

import pytest

from system_conftest import PATIENCE, Spangate, wait_until


class Manager:
    """The socket of $NOTIFY_SOCKET; datagrams in order, as dicts."""

    def __init__(self, directory):
        self.path = str(directory / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(PATIENCE)

    def hear(self, key):
        """The next datagram with this key; those before it are skipped."""
        while True:
            words = dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())
            if key in words:
                return words


@pytest.fixture
def managed(tmp_path, monkeypatch):
    """A function that starts a service under a manager, with a file to reload."""
    manager = Manager(tmp_path)
    running = []
    monkeypatch.setenv("NOTIFY_SOCKET", manager.path)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)

    def begin(*sets, watchdog_us=0):
        if watchdog_us:
            monkeypatch.setenv("WATCHDOG_USEC", str(watchdog_us))
        file = tmp_path / "spangate.yaml"
        file.write_text("version: 1\nintegrity: {mode: observe}\n")
        one = Spangate("upstream.kind=discard", *sets, flags=["-c", str(file)])
        one.file, one.manager = file, manager
        running.append(one)
        return one

    begin.manager = manager
    yield begin
    for one in running:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait(PATIENCE)
        one.clean()
    manager.socket.close()


def test_ready_only_once_it_listens(managed):
    """The port must be taken the moment READY=1 arrives: one try, without a retry."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    seen = {}

    def watch():
        seen["words"] = managed.manager.hear("READY")
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE):
            seen["connected"] = True

    watcher = threading.Thread(target=watch)
    watcher.start()
    one = managed(f"listen.grpc.address=127.0.0.1:{port}")
    watcher.join(PATIENCE)
    assert seen.get("connected")
    assert seen["words"]["STATUS"].startswith("ready; accepted 0, forwarded 0, held 0")
    assert one.end() == 0


def test_reload_and_stop(managed):
    one = managed()
    one.manager.hear("READY")
    before = time.monotonic_ns() // 1000
    one.file.write_text("version: 1\nintegrity: {mode: enforce}\n")
    one.process.send_signal(signal.SIGHUP)
    words = one.manager.hear("RELOADING")
    assert before <= int(words["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    one.manager.hear("READY")
    wait_until(lambda: one.find(r'(reloaded.*changed=1)'), "the reload's line")
    # A bad file: nothing changes, and the service is ready as before.
    one.file.write_text("version: 1\nintegrety: {}\n")
    one.process.send_signal(signal.SIGHUP)
    one.manager.hear("RELOADING")
    one.manager.hear("READY")
    assert one.metric("config_last_reload_successful") == 0
    one.process.send_signal(signal.SIGTERM)
    words = one.manager.hear("STOPPING")
    assert words["STATUS"].startswith("draining")
    assert int(words["EXTEND_TIMEOUT_USEC"]) > 20_000_000, "shutdown.drain is 20s"
    assert one.end() == 0


def test_signs_of_life_follow_the_watchdog(managed):
    one = managed(watchdog_us=1_000_000)
    one.manager.hear("READY")
    begin = time.monotonic()
    for _ in range(3):
        assert one.manager.hear("WATCHDOG")["WATCHDOG"] == "1"
    assert 1.0 < time.monotonic() - begin < 10, "each half of the watchdog's time"
    assert one.end() == 0


def test_a_process_that_stands_still_is_silent(managed):
    """The manager would end it: no thread but the control thread speaks."""
    one = managed(watchdog_us=400_000)
    one.manager.hear("WATCHDOG")
    one.process.send_signal(signal.SIGSTOP)
    state = f"/proc/{one.process.pid}/stat"
    wait_until(lambda: open(state).read().rpartition(")")[2].split()[0] == "T", "the stop")
    one.manager.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            one.manager.socket.recv(4096)  # what was sent before
    one.manager.socket.settimeout(1.0)
    with pytest.raises(TimeoutError):
        one.manager.hear("WATCHDOG")
    one.process.send_signal(signal.SIGCONT)
    one.manager.socket.settimeout(PATIENCE)
    one.manager.hear("WATCHDOG")
    assert one.end() == 0


def test_no_manager_no_trouble(managed, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/notify")
    one = managed()
    assert one.end() == 0
