"""Each setting that is marked live: a reload under load takes it up, and nothing is lost or doubled by it."""
# SPDX-License-Identifier: Apache-2.0
# A row of the option table that becomes live wants a case here.
import json
import re
import signal
import subprocess
import threading
import time
import uuid

import grpc
import pytest

import wire
from backend import COLLECT
from conftest import BINARY, PATIENCE, OpenStream, stream, unary, wait_until

TAG = b"sw.proxy.integrity"


class Load:
    """Healthy segments on one stream that never ends, as a Go agent keeps it; each id is known."""

    def __init__(self, channel):
        self.stream = OpenStream(channel, COLLECT)
        self.ids = []
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.is_over.wait(0.002):
            self.ids.append(uuid.uuid4().hex)
            self.stream.send(wire.segment(segment_id=self.ids[-1], service="load"))

    def stop(self):
        self.is_over.set()
        self.thread.join()

    def end(self):
        self.stop()
        self.stream.end()
        return self.ids


class Gate:
    def __init__(self, start, backend, path):
        self.backend = backend
        self.file = path / "spangate.yaml"
        self.write({})
        self.process = start(flags=["-c", str(self.file)])
        self.load = Load(self.process.channel())
        self.channel = self.process.channel()  # what workers remember is each its own

    def write(self, settings):
        whole = {"upstream": {"addresses": [self.backend.address]}}
        for path, value in settings.items():
            at = whole
            *sections, name = path.split(".")
            for one in sections:
                at = at.setdefault(one, {})
            at[name] = value
        self.file.write_text(json.dumps(whole))  # JSON is YAML

    def reload(self, key, settings):
        """Takes the settings up, which change this key alone."""
        self.write(settings)
        done = subprocess.run([BINARY, "ctl", "reload", "--addr", self.process.admin, "--format", "json"],
                              capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {"changed": [key], "restart": []}

    def send(self, spans=None, segment_id=None, **how):
        """The segment as the backend got it, or None when it was not to be forwarded."""
        one = wire.segment(spans or [wire.span(0, -1), wire.span(2, 1)], segment_id=segment_id, service="shop")
        name, handled = wire.segment_id(one), self.process.metric
        before = sum(handled(f"items_{end}_total") for end in ("quarantined", "dropped"))
        stream(self.channel, COLLECT, [one], **how)

        def ended():
            found = [s for s in self.backend.segments() if wire.segment_id(s) == name]
            aside = sum(handled(f"items_{end}_total") for end in ("quarantined", "dropped")) > before
            return found[-1:] or aside and [None]
        return wait_until(ended, "the segment's end")[0]

    def findings(self, rule):
        return self.process.metric("integrity_findings_total", rule=rule)


@pytest.fixture
def gate(start, backend, tmp_path):
    one = Gate(start, backend, tmp_path)
    yield one
    one.load.stop()


def is_denied(call):
    with pytest.raises(grpc.RpcError) as failure:
        call()
    return failure.value.code() == grpc.StatusCode.PERMISSION_DENIED


def ask(gate):
    """A control call, relayed, on a connection that showed no token."""
    unary(gate.process.channel(), "/skywalking.v3.ConfigurationDiscoveryService/fetchConfigurations", b"")


def mode(gate, change):
    assert TAG in gate.send()
    change("observe")
    assert TAG not in gate.send()


def actions(gate, change):
    assert TAG in gate.send()
    change({"span-parent-missing": "quarantine"})
    assert gate.send() is None


def services(gate, change):
    assert TAG in gate.send()
    change([{"match": "sh*", "mode": "observe"}])
    assert TAG not in gate.send()


def max_spans(gate, change):
    assert TAG in gate.send()
    change(1)
    assert TAG not in gate.send()


def twice(gate):
    """How often one id for two segments is found."""
    again = uuid.uuid4().hex
    before = gate.findings("segment-id-reused")
    for name in ("/one", "/other"):
        stream(gate.channel, COLLECT, [wire.segment([wire.span(0, -1, name=name)], segment_id=again)])
    wait_until(lambda: gate.backend.segment_ids().count(again) == 2, "both segments")
    return gate.findings("segment-id-reused") - before


def window(gate, change):
    assert twice(gate) == 1
    change("0s")
    assert twice(gate) == 0


def window_memory(gate, change):
    """That it holds is shown by test_state_rules.c: here the rules go on with the smaller table."""
    change("1MiB")
    assert twice(gate) == 1


def storage(gate, change):
    def is_set_aside():
        before = gate.process.metric("items_quarantined_total")
        again = uuid.uuid4().hex
        for name in ("/one", "/other"):
            stream(gate.channel, COLLECT, [wire.segment([wire.span(0, -1, name=name)], segment_id=again)])

        def ended():
            aside = gate.process.metric("items_quarantined_total") - before
            return [aside] if gate.backend.segment_ids().count(again) + aside == 2 else None
        return wait_until(ended, "the end of both")[0] == 1
    assert not is_set_aside()
    change("jdbc")
    assert is_set_aside()


def level(gate, change):
    def relayed():
        return any("call relayed" in line for line in list(gate.process.lines))
    ask(gate)
    assert not relayed()
    change("debug")
    ask(gate)
    wait_until(relayed, "a debug line")


def form(gate, change):
    change("json")
    before = len(gate.process.lines)
    gate.process.process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(gate.process.lines) > before, "a line")
    assert all("text" in json.loads(line) for line in list(gate.process.lines[before:]))


def tokens(gate, change):
    gate.send()
    change(["tok-new-1", "tok-new-2"])
    assert is_denied(lambda: gate.send())
    assert is_denied(lambda: gate.send(metadata=[("authentication", "tok-old")]))
    gate.send(metadata=[("authentication", "tok-new-2")])


def exempt(gate, change):
    ask(gate)
    change(False)
    assert is_denied(lambda: ask(gate))


def own_token(gate, change):
    def shown():
        gate.send()
        with gate.backend.lock:
            return gate.backend.calls[-1][2].get("authentication")
    assert shown() is None
    change("tok-ours")
    assert shown() == "tok-ours"


CASES = {
    "integrity.mode": mode, "integrity.actions": actions, "integrity.services": services,
    "integrity.max_spans": max_spans, "integrity.window": window, "integrity.window_memory": window_memory,
    "upstream.storage": storage, "upstream.auth_token": own_token,
    "listen.auth.tokens": tokens, "listen.auth.exempt_control_calls": exempt,
    "log.level": level, "log.format": form,
}
# What stands in the file beside it, before and after.
BESIDE = {"listen.auth.exempt_control_calls": {"listen.auth.tokens": ["tok-new-1"]}}


def test_every_live_setting_has_a_case():
    shown = subprocess.run([BINARY, "print", "options"], capture_output=True, text=True, check=True).stdout
    live = set(re.findall(r"^\| `([\w.]+)` \|.*\| live \|", shown, re.M))
    assert live == set(CASES)


@pytest.mark.parametrize("key", CASES)
def test_is_taken_up_under_load(gate, backend, key):
    beside = BESIDE.get(key, {})
    if beside:
        gate.reload(next(iter(beside)), beside)
    CASES[key](gate, lambda value: gate.reload(key, {**beside, key: value}))
    sent = gate.load.end()
    wait_until(lambda: len(ids_of(backend, sent)) >= len(sent), "all of the load")
    assert sorted(ids_of(backend, sent)) == sorted(sent), "none lost, none doubled"
    gate.process.wait_settled()


def ids_of(backend, sent):
    known = set(sent)
    return [one for one in backend.segment_ids() if one in known]


def test_reloads_while_a_backend_comes_and_goes(gate, backend):
    """Batches are under way, refused and sent again while settings change: each message arrives once."""
    refused = []

    def fail(path, messages):
        if len(refused) < 20 and len(messages) and time.monotonic() % 0.2 < 0.1:
            refused.append(path)
            return grpc.StatusCode.UNAVAILABLE
        return None
    backend.fail = fail
    for i in range(20):
        gate.reload("upstream.auth_token", {"upstream.auth_token": f"tok-{i}"})
        before = len(gate.load.ids)
        wait_until(lambda: len(gate.load.ids) > before + 20, "more load")
    backend.fail = None
    sent = gate.load.end()
    wait_until(lambda: len(ids_of(backend, sent)) >= len(sent), "all of the load")
    assert sorted(ids_of(backend, sent)) == sorted(sent)
    assert refused
    gate.process.wait_settled()
