"""The relay of tests/support does what its faults say, and nothing without them."""
# SPDX-License-Identifier: Apache-2.0
import contextlib
import socket
import threading
import time

import pytest

from proxy import FaultProxy
from system_conftest import wait_until

SEGMENT = bytes(range(256)) * 5  # 1,280 bytes
MIB = 1 << 20


class Echo:
    """Sends back what comes, until the end; remembers how each connection ended."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.received, self.ends = [], []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(one,), daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        self.listener.close()

    def serve(self, one):
        at = len(self.received)
        self.received.append(b"")
        end = "fin"
        try:
            while data := one.recv(MIB):
                self.received[at] += data
                one.sendall(data)
        except ConnectionResetError:
            end = "rst"
        self.ends.append(end)
        one.close()


@pytest.fixture
def echo():
    one = Echo()
    yield one
    with contextlib.suppress(OSError):
        one.close()


@pytest.fixture
def proxy(echo):
    one = FaultProxy(echo.address)
    yield one
    one.close()


@pytest.fixture
def client(proxy):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as one:
        yield one


def read(client, n):
    out = bytearray()
    while len(out) < n:
        data = client.recv(MIB)
        if not data:
            break
        out += data
    return bytes(out)


def there_and_back(client, data):
    thread = threading.Thread(target=client.sendall, args=(data,))
    thread.start()
    out = read(client, len(data))
    thread.join()
    return out


def test_without_faults_bytes_pass_unchanged_and_fast_enough(client):
    """The load of the tests is 20,000 segments of 1.2 KB in a second."""
    data = SEGMENT * 20_000
    begin = time.monotonic()
    assert there_and_back(client, data) == data
    assert time.monotonic() - begin < 1


def test_the_end_passes_in_order(client, echo):
    client.sendall(b"last words")
    client.shutdown(socket.SHUT_WR)
    assert read(client, 100) == b"last words"
    wait_until(lambda: echo.ends == ["fin"], "the end at the target")


def test_delay_holds_up_each_way(client, proxy):
    proxy.set(delay_s=0.15)
    begin = time.monotonic()
    assert there_and_back(client, SEGMENT) == SEGMENT
    assert 0.3 <= time.monotonic() - begin < 5
    proxy.heal()
    begin = time.monotonic()
    assert there_and_back(client, SEGMENT) == SEGMENT
    assert time.monotonic() - begin < 0.15


def test_throttle_is_a_rate(client, proxy):
    proxy.set("up", bytes_per_s=100_000)
    begin = time.monotonic()
    assert there_and_back(client, b"x" * 30_000) == b"x" * 30_000
    assert 0.25 <= time.monotonic() - begin < 5


def test_stalled_bytes_come_later(client, proxy, echo):
    assert there_and_back(client, b"one") == b"one"
    proxy.set("up", stalled=True)
    client.sendall(b"two")
    client.settimeout(0.1)
    with pytest.raises(TimeoutError):
        client.recv(1)
    assert echo.received == [b"one"]
    client.settimeout(20)
    proxy.heal()
    assert read(client, 3) == b"two"


def test_a_stall_closes_the_senders_window(client, proxy):
    proxy.set("up", stalled=True)
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.sendall(b"x" * (64 * MIB))


def test_swallowed_bytes_never_come_and_the_connection_lives(client, proxy, echo):
    assert there_and_back(client, b"one") == b"one"
    proxy.set(swallowing=True)
    client.sendall(b"lost")
    wait_until(lambda: all(p.n_queued == 0 for c in proxy.connections for p in c.pumps), "idle")
    client.settimeout(0.1)
    with pytest.raises(TimeoutError):
        client.recv(1)
    client.settimeout(20)
    proxy.heal()
    assert there_and_back(client, b"two") == b"two"
    assert echo.received == [b"onetwo"]


def test_flips_change_single_bits(client, proxy):
    proxy.set("down", flips_per_mib=10)
    data = bytes(4 * MIB)
    back = there_and_back(client, data)
    assert len(back) == len(data)
    n_bits = sum(byte.bit_count() for byte in back if byte)
    assert 0 < n_bits <= proxy.down.n_flipped and proxy.up.n_flipped == 0


@pytest.mark.parametrize("how", ["rst", "fin"])
def test_a_cut_ends_both_sides(client, proxy, echo, how):
    assert there_and_back(client, b"one") == b"one"
    proxy.cut(how)
    if how == "rst":
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    else:
        assert client.recv(1) == b""
    wait_until(lambda: echo.ends == [how], f"a {how} at the target")
    assert proxy.connections == []


def test_cut_after_so_many_bytes(proxy, echo):
    proxy.cut_after(1, 1000, 1000, how="fin")
    for expected in (1000, 3000):
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as one:
            one.sendall(b"x" * 3000)
            one.shutdown(socket.SHUT_WR)
            try:
                read(one, 3000)
            except ConnectionResetError:
                pass  # some of it was never read
        wait_until(lambda: echo.received and len(echo.received[-1]) == expected, f"{expected} bytes at the target")
    assert proxy.n_cuts == 1


def test_refused_and_back_on_the_same_port(client, proxy):
    port = proxy.port
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=20)
    proxy.accept()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as one:
        assert there_and_back(one, b"again") == b"again"


def test_a_target_that_is_away_is_a_reset(proxy, echo):
    echo.close()
    proxy.cut()
    with pytest.raises(ConnectionResetError):  # of connect, when it is that quick
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as one:
            one.recv(1)
