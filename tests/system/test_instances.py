"""Instances as the whole process sees them: who reports, what its connections tell, and diagnoses."""
# SPDX-License-Identifier: Apache-2.0
import http.client
import json
import socket
import threading
import time
import uuid
from concurrent import futures

import h2.errors
import pytest

import openapi
import wire
from conftest import OpenStream, stream, unary, wait_until
from rawclient import RawClient, framed

COLLECT = "/skywalking.v3.TraceSegmentReportService/collect"
COLLECT_IN_SYNC = "/skywalking.v3.TraceSegmentReportService/collectInSync"
REPORT = "/skywalking.v3.ManagementService/reportInstanceProperties"
KEEP_ALIVE = "/skywalking.v3.ManagementService/keepAlive"
EVENTS = "/skywalking.v3.EventService/collect"
GO_EPOCH_MS = 2211753600000  # from 1899-11-30, where the Go agent's ids begin to count


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Admin:
    def __init__(self, gate, path):
        self.gate, self.path = gate, path

    def get(self, path):
        connection = UnixConnection(self.path)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        assert answer.status == 200, body
        return json.loads(body)

    def instances(self, service=None):
        return [one for one in self.get("/api/v1/instances")["instances"]
                if service in (None, one["service"])]

    def instance(self, name):
        """None while it is not known."""
        return next((one for one in self.instances() if one["service_instance"] == name), None)

    def wait(self, name, condition, what):
        def holds():
            one = self.instance(name)
            return one if one is not None and condition(one) else None

        return wait_until(holds, f"{name}: {what}, last {self.instance(name)}")

    def diagnoses(self):
        return [(one["service"], d["code"]) for one in self.instances() for d in one["diagnoses"]]


@pytest.fixture
def begin(start, tmp_path):
    """A function that starts a process with its API on a Unix socket."""
    def run(*sets, **more):
        path = str(tmp_path / "admin.sock")
        gate = start(f"admin.socket={path}", *sets, **more)
        return gate, Admin(gate, path)

    yield run
    while Agent.alive:  # else the process would wait for them when it drains
        Agent.alive.pop().client.close()


class Agent:
    """One process under an agent, with a connection of its own, frame by frame."""

    alive = []

    def __init__(self, gate, service="shop", language="go", hostname="host-1", instance=None):
        self.service, self.language, self.hostname = service, language, hostname
        self.instance = instance or f"{uuid.uuid4().hex}@10.0.0.1"
        self.process = uuid.uuid4().hex[:12] + ("1" if language == "go" else "4") + uuid.uuid4().hex[:19]
        self.sequence = 0
        self.client = RawClient(gate)
        self.stream = None
        self.alive.append(self)

    def call(self, path, message):
        stream = self.client.open(path)
        self.client.send(stream, framed(message), end=True)
        assert self.client.wait(stream)["grpc-status"] == "0"

    def report(self):
        pairs = [("hostname", self.hostname), ("ipv4", "10.0.0.1"), ("Process No.", "1")]
        if self.language:
            pairs.append(("language", self.language))
        message = wire.text(1, self.service) + wire.text(2, self.instance)
        self.call(REPORT, message + b"".join(wire.text(3, wire.pair(k, v)) for k, v in pairs))

    def keep_alive(self):
        """Answered after everything that was sent before on this connection was read."""
        self.call(KEEP_ALIVE, wire.text(1, self.service) + wire.text(2, self.instance))

    def next_id(self):
        self.sequence += 1
        now = wire.now_ms() + (GO_EPOCH_MS if self.language == "go" else 0)
        return f"{self.process}.42.{now * 10000 + self.sequence % 10000}"

    def segment(self, spans=None, **more):
        return wire.segment(spans, segment_id=more.pop("segment_id", self.next_id()),
                            trace_id=self.next_id(), service=self.service,
                            instance=more.pop("instance", self.instance))

    def send(self, *segments):
        """On the one stream that a Go agent keeps open for life."""
        if self.stream is None:
            self.stream = self.client.open(COLLECT)
        for one in segments:
            self.client.send(self.stream, framed(one))

    def batch(self, *segments):
        """A call of its own, as the Java agent does."""
        stream = self.client.open(COLLECT)
        self.client.send(stream, b"".join(map(framed, segments)), end=True)
        assert self.client.wait(stream)["grpc-status"] == "0"

    def reset(self, code=h2.errors.ErrorCodes.CANCEL):
        self.client.h2.reset_stream(self.stream, code)
        self.client.flush()
        self.stream = None

    def vanish(self):
        """As a process that dies."""
        self.client.close()

    def leave(self):
        """As a library that closes its channel."""
        if self.stream is not None:
            self.client.send(self.stream, b"", end=True)
        self.client.h2.close_connection()
        self.client.flush()
        self.client.close()


def healthy(span_id=0):
    return [wire.span(span_id + 1, span_id, kind=1, name="mysql/SELECT"), wire.span(span_id, -1)]


# Who is there.


@pytest.mark.parametrize("workers", [1, 4])
def test_instances_of_all_languages_are_listed(begin, backend, workers):
    gate, admin = begin(f"limits.workers={workers}")
    languages = ["go", "java", "python", "NodeJS", "php", "rust", "ruby", "dotnet", "lua"]
    agents = [Agent(gate, service=f"shop-{language}", language=language) for language in languages]
    agents.append(Agent(gate, service="shop-envoy", language=None))
    for n, agent in enumerate(agents):
        if agent.language:
            agent.report()
        for _ in range(n + 1):
            agent.batch(agent.segment())
    for n, agent in enumerate(agents):
        one = admin.wait(agent.instance, lambda o, n=n: o["segments"] == n + 1, "all its segments")
        assert one["service"] == agent.service
        assert one["language"] == (agent.language or "")
        assert one["connections"] == 1
        assert one["bad_ratio"] == 0 and one["diagnoses"] == []
    assert len(admin.instances()) == len(agents)
    for agent in agents[::2]:
        agent.leave()
    for agent in agents[1::2]:
        agent.vanish()
    for agent in agents:
        admin.wait(agent.instance, lambda o: o["connections"] == 0, "no connection")
    assert [s for s in backend.segments() if b"sw.proxy.integrity" in s] == []
    gate.wait_settled()


def test_connections_are_counted_per_instance(begin):
    gate, admin = begin("limits.workers=4")
    agents = [Agent(gate, instance="shop-1") for _ in range(5)]
    for agent in agents:
        agent.batch(agent.segment(), agent.segment())
    admin.wait("shop-1", lambda o: o["connections"] == 5 and o["segments"] == 10, "five connections")
    for agent in agents[:3]:
        agent.leave()
    admin.wait("shop-1", lambda o: o["connections"] == 2, "two connections")
    for agent in agents[3:]:
        agent.leave()
    admin.wait("shop-1", lambda o: o["connections"] == 0, "no connection")


def test_what_is_wrong_is_told_of_its_instance(begin):
    gate, admin = begin()
    well, sick = Agent(gate, service="shop"), Agent(gate, service="stock")
    for agent in (well, sick):
        agent.report()
        agent.send(*[agent.segment() for _ in range(3)])
    sick.send(sick.segment([wire.span(3, 2), wire.span(0, -1)]))
    one = admin.wait(sick.instance, lambda o: o["segments"] == 4, "its segments")
    assert one["findings"] == {"span-parent-missing": 1}
    assert one["bad_ratio"] == pytest.approx(0.25)
    one = admin.wait(well.instance, lambda o: o["segments"] == 3, "its segments")
    assert one["findings"] == {} and one["bad_ratio"] == 0
    # A message that nobody can read is its stream's.
    sick.send(b"\x0a\x7fno")
    admin.wait(sick.instance, lambda o: o["findings"].get("proto-undecodable") == 1, "the finding")


def test_series_by_instance(begin):
    gate, admin = begin("telemetry.top_instances=3")
    agents = [Agent(gate, service="shop", instance=f"shop-{n}") for n in range(5)]
    for agent in agents:
        agent.batch(*[agent.segment() for _ in range(4)])
        admin.wait(agent.instance, lambda o: o["segments"] == 4, "its segments")
    agents[4].batch(agents[4].segment([wire.span(3, 2), wire.span(0, -1)]))
    wait_until(lambda: gate.metric("instance_segments_total") == 21, "all segments in series")
    wait_until(lambda: gate.metric("instance_findings_total") == 1, "the finding in series")
    names = [s for s in gate.metrics() if s.startswith("spangate_instance_segments_total{")]
    assert len(names) == 4 and sum("__other__" in s for s in names) == 1
    wait_until(lambda: gate.metric("instance_findings_total", service="shop",
                                   service_instance="shop-4") == 1, "the sick one's own series")
    assert gate.metric("instance_bad_ratio", service_instance="shop-4") > 0
    assert gate.metric("instance_bad_ratio", service_instance="shop-0") == 0
    # What was counted once stays, whoever has a series now.
    assert gate.metric("instance_segments_total") == 21


# What is known on one connection holds on all.


def test_a_language_is_known_to_every_worker(begin, backend):
    gate, admin = begin("limits.workers=4")
    speaker = Agent(gate, instance="shop-1")
    speaker.report()
    admin.wait("shop-1", lambda o: o["language"] == "go", "its language")
    agents = [Agent(gate, instance="shop-1") for _ in range(16)]
    for agent in agents:
        agent.batch(agent.segment([wire.span(1, -1), wire.span(0, -1)]))
    wait_until(lambda: len(backend.segments()) == 16, "the segments")
    findings = {s: v for s, v in gate.metrics().items() if 'rule="segment-multi-root"' in s and v}
    assert list(findings.values()) == [16] and 'class="strong"' in list(findings)[0]
    assert all(b"sw.proxy.integrity" in s for s in backend.segments())


# Copies.


@pytest.mark.parametrize("path", [COLLECT, COLLECT_IN_SYNC])
def test_a_copy_is_dropped_and_counted(begin, backend, path):
    gate, admin = begin("limits.workers=1")
    agents = [Agent(gate, instance="shop-1") for _ in range(2)]
    segment = agents[0].segment()
    other = wire.segment(healthy() + [wire.span(2, 0)], segment_id=wire.segment_id(segment),
                         instance="shop-1")
    for agent in agents:
        if path == COLLECT:
            agent.batch(segment, segment)
        else:
            agent.call(path, wire.text(1, segment) + wire.text(1, segment))
    gate.wait_settled()
    assert backend.segments() == [segment]
    assert gate.metric("items_dropped_total", reason="copy") == 3
    assert gate.metric("items_dropped_total") == 3
    assert gate.metric("segments_total", verdict="dropped") == 3
    assert gate.metric("integrity_findings_total", rule="segment-duplicate-identical") == 3
    # The same id with other content is another segment.
    agents[1].batch(other)
    gate.wait_settled()
    assert len(backend.segments()) == 2
    assert gate.metric("integrity_findings_total", rule="segment-id-reused") == 1
    one = admin.wait("shop-1", lambda o: "segment-id-reused" in o["findings"], "the finding")
    assert one["bad_ratio"] == 0 and one["diagnoses"] == []


def test_without_a_window_copies_pass(begin, backend):
    gate, _ = begin("integrity.window=0s")
    agent = Agent(gate)
    segment = agent.segment()
    agent.batch(segment, segment)
    gate.wait_settled()
    assert backend.segments() == [segment, segment]
    assert gate.metric("items_dropped_total") == 0


# What connections tell.


def onsets(gate, code):
    return [line for line in gate.lines if f'text="diagnosis" code={code}' in line]


def events(backend):
    """name -> (service, instance) of every event at the backend."""
    out = []
    for event in backend.messages(EVENTS):
        source = wire.last(event, 2)
        out.append((wire.last(event, 3).decode(), wire.last(source, 1).decode(),
                    wire.last(source, 2, b"").decode()))
    return out


def live(gate, admin, n_segments, hostname="host-1", language="go", end=Agent.vanish, service="shop"):
    """A process from its start to its end, as the registry sees it."""
    agent = Agent(gate, service=service, language=language, hostname=hostname)
    agent.report()
    agent.keep_alive()
    agent.send(*[agent.segment(healthy()) for _ in range(n_segments)])
    agent.keep_alive()
    admin.wait(agent.instance, lambda o: o["segments"] == n_segments and o["connections"] == 1,
               "its segments")
    end(agent)
    admin.wait(agent.instance, lambda o: o["connections"] == 0, "no connection")
    return agent


def test_a_go_program_that_dies_at_its_first_goroutine(begin, backend):
    """integrity.md E1: a -race build with the agent in it."""
    gate, admin = begin()
    for _ in range(3):
        live(gate, admin, 1)
    assert admin.diagnoses() == []
    last = live(gate, admin, 1)
    wait_until(lambda: ("shop", "D2") in admin.diagnoses(), "D2")
    one = next(o for o in admin.instances("shop") if o["diagnoses"])
    assert one["findings"]["instance-churn"] >= 1
    diagnosis = one["diagnoses"][0]
    assert diagnosis["name"] and diagnosis["text"] and diagnosis["next"] and diagnosis["since"]
    assert diagnosis["confidence"] in ("low", "medium", "high")
    assert "-race" in diagnosis["text"] + diagnosis["next"]
    assert openapi.wrong({"$ref": "#/components/schemas/Diagnosis"}, diagnosis) == []
    wait_until(lambda: len(events(backend)) == 1, "the event")
    assert events(backend)[0][:2] == ("spangate-D2", "shop")
    assert len(onsets(gate, "D2")) == 1, gate.lines
    # It goes on dying: nothing new.
    for _ in range(2):
        last = live(gate, admin, 1)
    assert len(onsets(gate, "D2")) == 1, gate.lines
    assert len(events(backend)) == 1
    assert {code for _, code in admin.diagnoses()} == {"D2"}
    assert gate.metric("integrity_findings_total", rule="instance-churn") >= 1
    assert last.instance in [o["service_instance"] for o in admin.instances("shop")]
    gate.wait_settled()


def test_a_loop_faster_than_the_registry_looks(begin, backend):
    """Some lives begin and end between two reports of a worker, and workers take turns."""
    gate, admin = begin("limits.workers=4")
    for _ in range(8):
        agent = Agent(gate)
        agent.report()
        agent.send(agent.segment())
        agent.keep_alive()
        agent.vanish()
        time.sleep(0.2)  # what a program needs to start
    wait_until(lambda: ("shop", "D2") in admin.diagnoses(), "D2")
    assert len(onsets(gate, "D2")) == 1


def test_another_crash_loop_is_no_race_build(begin):
    gate, admin = begin()
    for _ in range(4):
        live(gate, admin, 30, language="python", service="cart")
    wait_until(lambda: ("cart", "D3") in admin.diagnoses(), "D3")
    assert {code for _, code in admin.diagnoses()} == {"D3"}


def expect_silence(gate, admin, backend):
    """Two seconds of the registry pass with nothing to say."""
    canary = live(gate, admin, 1, hostname="elsewhere", service="canary")
    admin.wait(canary.instance, lambda o: o["connections"] == 0, "the canary's end")
    assert admin.diagnoses() == []
    assert [o for o in admin.instances() if "instance-churn" in o["findings"]] == []
    assert events(backend) == [] and onsets(gate, "D") == []


OVERLAP_S = 3  # reports of two workers may be further apart than a second


def roll(gate, admin, service, hostnames):
    """Pods of a rolling update: the new one is up before the old one goes, as Go programs go."""
    old = None
    for hostname in hostnames:
        new = Agent(gate, service=service, hostname=hostname)
        new.report()
        new.send(*[new.segment() for _ in range(5)])
        admin.wait(new.instance, lambda o: o["segments"] == 5, "its segments")
        if old is not None:
            time.sleep(OVERLAP_S)
            old.vanish()
            admin.wait(old.instance, lambda o: o["connections"] == 0, "no connection")
        old = new


def scripts(gate, admin, n):
    """Short programs under the Python agent: its library says no GOAWAY when it closes."""
    for _ in range(n):
        instance = uuid.uuid4().hex
        channel = gate.channel()
        pairs = [("language", "python"), ("hostname", "builder"), ("ipv4", "10.0.0.1")]
        unary(channel, REPORT, wire.text(1, "script") + wire.text(2, instance)
              + b"".join(wire.text(3, wire.pair(k, v)) for k, v in pairs))
        stream(channel, COLLECT, [wire.segment(service="script", instance=instance)])
        open_one = OpenStream(channel, COLLECT)  # waits for more, as the agent's does
        open_one.send(wire.segment(service="script", instance=instance))
        admin.wait(instance, lambda o: o["segments"] == 2, "its segments")
        channel.close()
        admin.wait(instance, lambda o: o["connections"] == 0, "no connection")


def restart(gate, admin, n, **more):
    for _ in range(n):
        live(gate, admin, 5, **more)


def test_restarts_of_healthy_programs_are_no_loop(begin, backend):
    gate, admin = begin("limits.workers=2")
    restarts = [
        lambda: roll(gate, admin, "shop", [f"shop-{n}" for n in range(6)]),
        lambda: roll(gate, admin, "worker", ["builder"] * 6),
        # One after another, but each says goodbye.
        lambda: restart(gate, admin, 6, language="java", end=Agent.leave, service="batch"),
        lambda: scripts(gate, admin, 6),
        # Three abrupt ones are no loop yet.
        lambda: restart(gate, admin, 3, service="debugged", hostname="laptop"),
        # Programs of their own on one host, which all crash once.
        lambda: [restart(gate, admin, 1, service=f"tool-{n}", hostname="laptop") for n in range(6)],
    ]
    with futures.ThreadPoolExecutor(len(restarts)) as pool:
        for one in [pool.submit(do) for do in restarts]:
            one.result()
    expect_silence(gate, admin, backend)


def test_our_own_end_is_nobodys_crash(begin):
    """A process that drains ends every connection; what agents do then tells nothing of them."""
    gate, admin = begin()
    agents = [Agent(gate) for _ in range(5)]
    for agent in agents:
        agent.report()
        agent.send(agent.segment())
        admin.wait(agent.instance, lambda o: o["segments"] == 1, "its segment")
    closing = threading.Thread(target=gate.end)
    closing.start()
    for agent in agents:
        agent.vanish()
        time.sleep(0.01)
    closing.join()
    assert onsets(gate, "D") == []


def test_an_aggregators_connection_tells_nothing(begin, backend):
    gate, admin = begin()
    for _ in range(5):
        satellite = Agent(gate)
        agents = [Agent(gate, hostname="host-1") for _ in range(6)]
        for agent in agents:  # what they report comes through its one connection
            agent.client.close()
            agent.client = satellite.client
            agent.report()
        for _ in range(3):
            satellite.batch(*[agent.segment() for agent in agents])
        for agent in agents:
            admin.wait(agent.instance, lambda o: o["segments"] == 3 and o["connections"] == 0,
                       "its segments and no connection")
        satellite.vanish()
    expect_silence(gate, admin, backend)


# Streams that their own client resets.


def test_a_go_agent_that_resets_its_stream(begin, backend):
    gate, admin = begin()
    agent = Agent(gate)
    agent.report()
    for _ in range(5):
        agent.send(agent.segment())
        agent.reset()
    agent.send(agent.segment())
    one = admin.wait(agent.instance, lambda o: "stream-self-reset" in o["findings"], "the finding")
    assert one["bad_ratio"] == 0
    wait_until(lambda: ("shop", "D5") in admin.diagnoses(), "D5")
    assert len(backend.segments()) == 6


def test_resets_that_mean_something_else(begin, backend):
    gate, admin = begin()
    java = Agent(gate, service="java", language="java")
    java.report()
    for _ in range(5):
        java.send(java.segment())
        java.reset()
    java.send(java.segment())
    go = Agent(gate, service="go")
    go.report()
    for _ in range(5):  # not by its own idea of what can be sent
        go.send(go.segment())
        go.reset(h2.errors.ErrorCodes.NO_ERROR)
    go.send(go.segment())
    twice = Agent(gate, service="twice")
    twice.report()
    for _ in range(2):
        twice.send(twice.segment())
        twice.reset()
    twice.send(twice.segment())
    for agent, n in ((java, 6), (go, 6), (twice, 3)):
        one = admin.wait(agent.instance, lambda o, n=n: o["segments"] == n, "its segments")
        assert "stream-self-reset" not in one["findings"]
    expect_silence(gate, admin, backend)


# Torn memory.


def torn(agent, n):
    """What unlocked writes to shared spans leave (integrity.md 4): three shapes of it."""
    if n % 3 == 0:  # a child replaced its sibling: one id twice, one missing
        return agent.segment([wire.span(2, 0, kind=1, name="mysql/SELECT"),
                              wire.span(2, 0, kind=1, name="redis/GET"), wire.span(0, -1)])
    if n % 3 == 1:
        return agent.segment([wire.span(4, 3, kind=1, name="mysql/SELECT"), wire.span(0, -1)])
    blank = wire.span(1, 0, kind=1, name="mysql/SELECT") + wire.text(12, b"") + wire.text(12, b"")
    return agent.segment([blank, wire.span(0, -1)])


def test_a_memory_race(begin, backend):
    gate, admin = begin("limits.workers=2")
    well, racing = Agent(gate, service="stock"), Agent(gate, service="shop")
    for agent in (well, racing):
        agent.report()
    for n in range(36):
        racing.send(racing.segment() if n % 3 else torn(racing, n // 3))
        well.send(well.segment())
    wait_until(lambda: ("shop", "D1") in admin.diagnoses(), "D1")
    one = admin.wait(racing.instance, lambda o: o["segments"] == 36, "its segments")
    assert one["findings"]["span-id-duplicate"] == 4
    assert one["findings"]["span-parent-missing"] == 4
    assert one["findings"]["tag-blank"] == 4
    assert [d["code"] for d in one["diagnoses"]] == ["D1"]
    assert one["diagnoses"][0]["name"] == "memory race"
    wait_until(lambda: events(backend) == [("spangate-D1", "shop", racing.instance)], "the event")
    assert len(onsets(gate, "D1")) == 1
    assert racing.instance in onsets(gate, "D1")[0]
    assert {service for service, _ in admin.diagnoses()} == {"shop"}


def test_the_same_findings_of_another_language_are_no_race(begin, backend):
    gate, admin = begin()
    agent = Agent(gate, service="cart", language="java")
    agent.report()
    for n in range(36):
        agent.send(torn(agent, n))
    one = admin.wait(agent.instance, lambda o: o["segments"] == 36, "its segments")
    assert one["findings"]["span-id-duplicate"] == 12
    assert "D1" not in [code for _, code in admin.diagnoses()]


def test_unary_by_a_real_client(begin):
    """grpcio, not frames by hand: the same is known of it."""
    gate, admin = begin()
    channel = gate.channel()
    message = wire.text(1, "shop") + wire.text(2, "real") + wire.text(3, wire.pair("language", "python"))
    unary(channel, REPORT, message)
    channel.stream_unary(COLLECT)(iter([wire.segment(instance="real") for _ in range(3)]), timeout=20)
    one = admin.wait("real", lambda o: o["segments"] == 3, "its segments")
    assert (one["language"], one["connections"]) == ("python", 1)
    channel.close()
    admin.wait("real", lambda o: o["connections"] == 0, "no connection")
