"""The verb ctl against a running service: drain, pause, reload, backends, log level, snapshot."""
# SPDX-License-Identifier: Apache-2.0
import json
import signal
import socket
import subprocess
import threading

import grpc
import pytest

import wire
from backend import COLLECT, Backend
from conftest import BINARY, PATIENCE, OpenStream, stream, unary, wait_until

KEEP_ALIVE = "/skywalking.v3.ManagementService/keepAlive"
HTTP = "listen.http.address=127.0.0.1:0"


def ctl(gate, *arguments):
    """Exit code, standard output, standard error."""
    command = [BINARY, "ctl", *arguments]
    if gate is not None:
        command += ["--addr", gate.admin.removesuffix("/api/v1/overview")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


def order(gate, *arguments):
    code, out, err = ctl(gate, *arguments)
    assert (code, err) == (0, ""), err
    return out


@pytest.fixture
def other_backend():
    one = Backend()
    yield one
    one.stop()


def connects(gate):
    host, port = gate.address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as one:
        one.settimeout(0.2)
        try:
            return one.recv(1) != b""
        except TimeoutError:
            return True  # it waits for our preface


# drain


def test_drain_and_back(start, backend):
    gate = start("shutdown.drain=4s")
    one = OpenStream(gate.channel(), COLLECT)
    one.send(wire.segment())
    wait_until(lambda: len(backend.segments()) == 1, "the stream")
    assert "undrain" in order(gate, "drain")
    assert gate.get("/readyz")[:2] == (503, "draining\n")
    assert gate.get("/livez")[0] == 200
    assert gate.metric("not_ready_reason", reason="draining") == 1 and gate.metric("ready") == 0
    assert json.loads(order(gate, "drain", "--format", "json"))["draining"] is True
    assert not connects(gate)
    assert gate.metric("connections_refused_total", reason="draining") == 1
    # What is open is served on, and at half of the grace period answered.
    one.send(wire.segment())
    wait_until(lambda: len(backend.segments()) == 2, "the second segment")
    assert one.call.result(PATIENCE) == b""
    gate.wait_metric("connections", 0, listener="grpc")
    assert gate.metric("goaways_total", reason="drain") == 1
    assert order(gate, "undrain") == "agents are welcome again\n"
    assert gate.get("/readyz")[0] == 200
    assert gate.metric("not_ready_reason", reason="draining") == 0
    assert stream(gate.channel(), COLLECT, [wire.segment()]) == b""
    wait_until(lambda: len(backend.segments()) == 3, "an agent that came back")
    one.queue.put(None)


def test_undrain_spares_open_streams(start, backend):
    gate = start("shutdown.drain=2s")
    one = OpenStream(gate.channel(), COLLECT)
    one.send(wire.segment())
    wait_until(lambda: len(backend.segments()) == 1, "the stream")
    order(gate, "drain")
    order(gate, "undrain")
    for n in range(2, 30):
        one.send(wire.segment())
        wait_until(lambda: len(backend.segments()) == n, "the next segment")
        threading.Event().wait(0.1)  # in all longer than the grace period
    assert one.end() == b""


class Unary(threading.Thread):
    """Calls one after another on addresses to choose from, and remembers each failure."""

    def __init__(self, addresses, name, stop):
        super().__init__(daemon=True)
        self.channel = grpc.insecure_channel("ipv4:" + ",".join(addresses), options=[
            ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 1)])
        self.name, self.stop, self.answered, self.failures = name, stop, [], []
        self.start()

    def run(self):
        while not self.stop.is_set():
            one = wire.segment()
            try:
                unary(self.channel, KEEP_ALIVE, wire.text(1, self.name) + wire.text(2, "i"))
                stream(self.channel, COLLECT, [one])
                self.answered.append(one)
            except grpc.RpcError as error:
                self.failures.append(error)
        self.channel.close()


def test_drain_under_load_costs_no_call(start, backend):
    """Agents that know a second address go there; no call fails, nothing is lost or doubled."""
    sets = ("shutdown.drain=4s", "limits.workers=2")
    first, second = start(*sets), start(*sets)
    stop = threading.Event()
    agents = [Unary([first.address, second.address], f"s{i}", stop) for i in range(6)]
    wait_until(lambda: sum(len(a.answered) for a in agents) > 200, "load")
    assert second.metric("connections_total") == 0
    order(first, "drain")
    wait_until(lambda: second.metric("connections", listener="grpc") == 6, "they went")
    first.wait_metric("connections", 0, listener="grpc")
    n = sum(len(a.answered) for a in agents)
    wait_until(lambda: sum(len(a.answered) for a in agents) > n + 200, "load on the other")
    # And back, with the other one gone for good.
    order(first, "undrain")
    second.process.send_signal(signal.SIGTERM)
    wait_until(lambda: first.metric("connections", listener="grpc") == 6, "they came back")
    n = sum(len(a.answered) for a in agents)
    wait_until(lambda: sum(len(a.answered) for a in agents) > n + 200, "load on the first")
    stop.set()
    for agent in agents:
        agent.join(PATIENCE)
    assert [a.failures for a in agents] == [[]] * 6
    first.wait_settled()
    assert second.process.wait(PATIENCE) == 0
    second.reader.join(PATIENCE)
    held = int(second.find(r"^ledger .* held (\d+),"))  # on disk, for its next start
    sent = sorted(s for a in agents for s in a.answered)
    arrived = backend.segments()
    assert len(set(arrived)) == len(arrived) and set(arrived) <= set(sent)
    assert len(sent) - len(arrived) <= held
    assert first.metric("goaways_total", reason="drain") == 6


def test_http_in_a_drain(start, backend):
    """It is answered as before, and each answer ends its connection."""
    import http.client
    gate = start(HTTP)
    client = http.client.HTTPConnection(gate.http, timeout=PATIENCE)

    def post():
        client.request("POST", "/v3/management/keepAlive",
                       json.dumps({"service": "s", "serviceInstance": "i"}),
                       {"Content-Type": "application/json"})
        answer = client.getresponse()
        answer.read()
        return answer.status, answer.headers.get("Connection")

    assert post() == (200, None)
    order(gate, "drain")
    assert post() == (200, "close")
    gate.wait_metric("connections", 0, listener="http")
    assert post() == (200, "close")
    order(gate, "undrain")
    assert post() == (200, None)
    client.close()


def test_sigterm_in_a_drain_ends_the_service(start, backend):
    gate = start("shutdown.drain=20s")
    stream(gate.channel(), COLLECT, [wire.segment()])
    gate.wait_settled()
    order(gate, "drain")
    gate.process.send_signal(signal.SIGTERM)
    assert gate.process.wait(10) == 0
    assert ctl(gate, "undrain")[0] == 69


def test_a_service_that_ends_takes_no_orders(start, backend):
    gate = start("shutdown.delay=3s")
    gate.process.send_signal(signal.SIGTERM)
    wait_until(lambda: gate.get("/readyz")[0] == 503, "not ready")
    code, _, err = ctl(gate, "undrain")
    assert code == 69 and "the service is ending" in err
    # Not ready and still serving, for that long.
    assert stream(gate.channel(), COLLECT, [wire.segment()]) == b""


# pause


@pytest.mark.parametrize("mode", ["durable", "spill", "memory"])
def test_a_pause_fills_the_buffer_and_the_rest_empties_it(start, backend, mode):
    gate = start(f"buffer.mode={mode}")
    channel = gate.channel()
    stream(channel, COLLECT, [wire.segment()])
    gate.wait_settled()
    assert "resume" in order(gate, "pause")
    sent = [wire.segment() for _ in range(300)]
    for at in range(0, 300, 50):
        assert stream(channel, COLLECT, sent[at:at + 50]) == b""
    gate.wait_metric("buffer_items", 300, signal="tracing")
    assert len(backend.segments()) == 1
    assert gate.get("/readyz")[0] == 200  # keeping is our job
    order(gate, "resume")
    gate.wait_settled()
    assert sorted(backend.segments()[1:]) == sorted(sent)


def test_a_pause_ends_with_the_service(start, backend):
    """What memory alone holds would be lost."""
    gate = start("buffer.mode=memory")
    order(gate, "pause")
    sent = [wire.segment() for _ in range(20)]
    stream(gate.channel(), COLLECT, sent)
    assert gate.end() == 0
    assert sorted(backend.segments()) == sorted(sent)
    assert "dropped 0" in gate.find(r"^(ledger .*)")


# backends


def backends(gate):
    return json.loads(order(gate, "backend", "list", "--format", "json"))["backends"]


def test_a_disabled_backend_gets_nothing(start, backend, other_backend):
    gate = start(upstream=f"{backend.address},{other_backend.address}")
    channel = gate.channel()

    def send(n):
        for _ in range(n):
            stream(channel, COLLECT, [wire.segment()])
        gate.wait_settled()

    wait_until(lambda: all(one["up"] for one in backends(gate)), "both are up")
    send(20)
    assert backend.calls and other_backend.calls
    assert "DISABLED" not in order(gate, "backend", "list")
    order(gate, "backend", "disable", backend.address)
    before = len(backend.calls)
    send(20)
    assert len(backend.calls) == before
    assert [one["enabled"] for one in backends(gate)].count(False) == 1
    lines = order(gate, "backend", "list").splitlines()
    assert [line for line in lines if backend.address in line and "DISABLED" in line]
    order(gate, "backend", "disable", other_backend.address)
    stream(channel, COLLECT, [wire.segment()])
    gate.wait_metric("buffer_items", 1, signal="tracing")
    order(gate, "backend", "enable", backend.address)
    gate.wait_settled()
    assert len(backend.calls) > before
    code, _, err = ctl(gate, "backend", "disable", "192.0.2.1:11800")
    assert code == 66 and "there is no backend 192.0.2.1:11800" in err


# reload, log level


def test_reload_says_what_changed(start, backend, tmp_path):
    file = tmp_path / "spangate.yaml"
    file.write_text("integrity: {mode: enforce}\n")
    gate = start(flags=["-c", str(file)])
    assert order(gate, "reload") == "reloaded: 0 changed, 0 wait for a restart\n"
    file.write_text("integrity: {mode: observe}\nlisten: {max_streams: 12}\n")
    assert order(gate, "reload") == ("changed   integrity.mode\nrestart   listen.max_streams\n"
                                     "reloaded: 1 changed, 1 wait for a restart\n")
    assert json.loads(order(gate, "reload", "--format", "json")) == {
        "changed": [], "restart": ["listen.max_streams"]}
    file.write_text("integrity: {mode: obsreve}\n")
    code, out, err = ctl(gate, "reload")
    assert (code, out) == (78, "")
    assert "every setting stays as it is" in err and "obsreve" in err and "observe" in err
    assert gate.metric("config_last_reload_successful") == 0
    assert stream(gate.channel(), COLLECT, [wire.segment()]) == b""


def test_log_level_until_the_next_reload(start, backend, tmp_path):
    file = tmp_path / "spangate.yaml"
    file.write_text("log: {level: warn}\n")
    gate = start(flags=["-c", str(file)])

    def level():
        return json.loads(order(gate, "undrain", "--format", "json"))["log_level"]

    assert level() == "warn"
    order(gate, "log-level", "debug")
    assert level() == "debug"
    stream(gate.channel(), COLLECT, [wire.segment()])
    order(gate, "log-level", "info")
    order(gate, "reload")
    assert level() == "warn"


# snapshot


def test_snapshot_has_everything_but_secrets(start, backend, tmp_path):
    gate = start("upstream.auth_token=very-secret-word",
                 "upstream.kafka.properties={sasl.password: very-secret-word, sasl.username: bob}")
    stream(gate.channel(), COLLECT, [wire.segment()])
    gate.wait_settled()
    file = tmp_path / "snapshot.json"
    assert order(gate, "snapshot", "-o", str(file)) == ""
    text = file.read_text()
    assert "very-secret-word" not in text
    found = json.loads(text)
    assert list(found) == ["overview", "backends", "instances", "control", "config", "metrics"]
    settings = found["config"]["settings"]
    assert settings["upstream.auth_token"]["value"] == "********"
    assert settings["upstream.kafka.properties"]["value"] == {
        "sasl.password": "********", "sasl.username": "bob"}
    assert found["overview"]["ledger"]["forwarded"] == 1
    assert found["backends"]["backends"][0]["name"] == backend.address
    assert found["metrics"]["spangate_ledger_imbalance_items"] == 0
    assert found["metrics"]['spangate_items_accepted_total{signal="tracing"}'] == 1
    assert found["control"] == {"draining": False, "paused": False, "log_level": "info"}
    assert json.loads(order(gate, "snapshot"))["overview"]["version"] == found["overview"]["version"]
    code, _, err = ctl(gate, "snapshot", "-o", str(tmp_path / "no" / "such"))
    assert code == 74 and "No such file" in err


# the line


@pytest.mark.parametrize("arguments, words", [
    (["dain"], '"dain" is none of drain, undrain, pause, resume, reload, backend, log-level, '
               'snapshot; did you mean "drain"?'),
    (["drain", "now"], 'unexpected argument "now"'),
    (["backend"], "backend list, backend disable ADDRESS or backend enable ADDRESS"),
    (["backend", "lst"], 'did you mean "list"?'),
    (["backend", "list", "x"], 'unexpected argument "x"'),
    (["backend", "disable"], 'takes the address that "backend list" shows'),
    (["log-level"], "log-level takes one of error, warn, info, debug"),
    (["log-level", "debg"], 'did you mean "debug"?'),
    (["drain", "-o", "x"], "--output is for snapshot"),
    (["drain", "--fromat", "json"], "did you mean"),
])
def test_what_cannot_be_right_is_told_before_anybody_is_asked(arguments, words):
    code, out, err = ctl(None, *arguments, "--addr", "127.0.0.1:1")
    assert (code, out) == (64, "") and words in err


def test_nobody_there_is_69():
    code, _, err = ctl(None, "drain", "--addr", "127.0.0.1:1")
    assert code == 69 and "does not answer" in err


def test_a_token_is_asked_for(start, backend, tmp_path):
    token = tmp_path / "token"
    token.write_text("correct-horse\n")
    token.chmod(0o600)
    gate = start(f"admin.token_file={token}")
    code, _, err = ctl(gate, "pause")
    assert code == 77 and "admin.token_file" in err
    assert order(gate, "pause", "--set", f"admin.token_file={token}").startswith("paused")
    assert order(gate, "resume", "--set", f"admin.token_file={token}")


def test_over_the_socket(start, backend, tmp_path):
    gate = start(f"admin.socket={tmp_path}/api")
    code, out, _ = ctl(None, "pause", "--addr", f"unix:{tmp_path}/api")
    assert code == 0 and out.startswith("paused")
    gate.wait_settled()


def test_help_fits_a_screen():
    done = subprocess.run([BINARY, "ctl", "--help"], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert len(lines) <= 24 and lines[-3] == "Examples:"
