"""Relayed calls end to end: agents on one side, a backend that is not ours on the other."""
# SPDX-License-Identifier: Apache-2.0
import queue
import socket
import sys
import threading
import time

import grpc
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived

from conftest import BINARY, PATIENCE, ROOT, Spangate, unary, wait_until
from relay_backend import RelayBackend, collect, echo, fail, hang

sys.path.append(str(ROOT / "tests" / "support"))
from proxy import FaultProxy  # noqa: E402

CDS = "/skywalking.v3.ConfigurationDiscoveryService/fetchConfigurations"
TASKS = "/skywalking.v3.ProfileTask/getProfileTaskCommands"
FINISH = "/skywalking.v3.ProfileTask/reportTaskFinish"
GO_PROFILE = "/skywalking.v3.ProfileTask/goProfileReport"
PPROF = "/skywalking.v10.PprofTask/collect"
ALS = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"
FUTURE = "/skywalking.v11.Future/call"
QUESTIONS = (CDS, TASKS, FINISH, "/skywalking.v10.AsyncProfilerTask/getAsyncProfilerTaskCommands",
             "/skywalking.v10.PprofTask/getPprofTaskCommands",
             "/skywalking.v3.EBPFProcessService/reportProcesses",
             "/skywalking.v3.EBPFProfilingService/queryTasks",
             "/skywalking.v3.ContinuousProfilingService/queryPolicies",
             "/skywalking.v3.ContinuousProfilingService/reportProfilingTask")
CODE = grpc.StatusCode
IS_SANITIZED = "san-" in BINARY  # the sanitizer keeps freed memory for a while


@pytest.fixture
def oap():
    one = RelayBackend()
    yield one
    one.stop()


@pytest.fixture
def begin():
    """Starts a process; at the end each must exit 0 in time."""
    running = []

    def start(upstream, *sets, **more):
        one = Spangate(f"upstream.addresses={upstream}", "buffer.mode=memory", *sets, **more)
        running.append(one)
        return one

    yield start
    try:
        for one in running:
            if one.process.poll() is None:
                assert one.end() == 0, "\n".join(one.lines)
    finally:
        for one in running:
            if one.process.poll() is None:
                one.process.kill()
            one.clean()


@pytest.fixture
def gate(begin, oap):
    one = begin(oap.address)
    one.wait_metric("backend_up", 1)
    return one


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def code_of(call):
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return raised.value.code()


class Open:
    """A stream both ways whose messages the test sends one by one."""

    def __init__(self, gate, path, **options):
        self.queue = queue.Queue()
        self.call = gate.channel().stream_stream(path)(iter(self.queue.get, None), **options)

    def send(self, message):
        self.queue.put(message)

    def receive(self):
        return next(self.call)

    def end(self):
        self.queue.put(None)
        return list(self.call)


def test_unary(gate, oap):
    oap.do[TASKS] = collect
    assert unary(gate.channel(), TASKS, b"question") == b"answer"
    assert oap.seen.get().messages == [b"question"]
    gate.wait_metric("grpc_server_handled_total", 1, method=TASKS[1:], code="OK")
    gate.wait_metric("backend_requests_total", 1, code="OK")
    assert gate.metric("items_accepted_total") == 0  # a relayed call is no item


def test_old_paths_go_out_as_they_came(gate, oap):
    oap.do["/ProfileTask/getProfileTaskCommands"] = collect
    assert unary(gate.channel(), "/ProfileTask/getProfileTaskCommands", b"q") == b"answer"


def test_client_stream_server_stream_and_both(gate, oap):
    oap.do[GO_PROFILE] = collect
    chunks = [bytes([i]) * 100_000 for i in range(20)]
    assert gate.channel().stream_unary(GO_PROFILE)(iter(chunks), timeout=PATIENCE) == b"answer"
    assert oap.seen.get().messages == chunks

    def many(seen, messages):
        list(messages)
        yield from chunks
    oap.do[FUTURE] = many
    assert list(gate.channel().unary_stream(FUTURE)(b"q", timeout=PATIENCE)) == chunks

    oap.do[ALS] = echo
    stream = Open(gate, ALS, timeout=PATIENCE)
    for i in range(20):
        stream.send(b"%d" % i)
        assert stream.receive() == b"%d" % i
    assert stream.end() == []
    assert stream.call.code() == CODE.OK


def test_an_upload_waits_for_the_first_answer(gate, oap):
    """Metadata, one answer, then the content: how JFR and pprof files are sent."""
    def upload(seen, messages):
        next(messages)
        yield b""
        for _ in messages:
            pass
        yield b"done"
    oap.do[PPROF] = upload
    stream = Open(gate, PPROF, timeout=PATIENCE)
    stream.send(b"metadata")
    assert stream.receive() == b""
    for _ in range(8):
        stream.send(b"x" * (1 << 20))
    assert stream.end() == [b"done"]
    assert sum(map(len, oap.seen.get().messages)) == len(b"metadata") + (8 << 20)


def test_metadata_and_trailers_are_kept(gate, oap):
    def answer(seen, messages):
        list(messages)
        seen.context.send_initial_metadata((("x-first", "1"), ("x-twice", "a"), ("x-twice", "b"),
                                            ("x-raw-bin", bytes(range(256)))))
        yield b"answer"
        seen.context.set_trailing_metadata((("x-last", "3"), ("x-last-bin", b"\x00\xff"),
                                            ("x-last", "4")))
    for path in (FUTURE, TASKS):
        oap.do[path] = answer
        answer_, call = gate.channel().unary_unary(path).with_call(
            b"q", timeout=PATIENCE, metadata=(
                ("x-a", "1"), ("x-b-bin", b"\x00\x01\xfe"), ("x-a", "2"), ("agent-version", "9.7"),
                ("authentication", "the agent's own")))
        seen = oap.seen.get()
        assert answer_ == b"answer"
        assert seen.value("x-a") == ["1", "2"]
        assert seen.value("x-b-bin") == [b"\x00\x01\xfe"]
        assert seen.value("agent-version") == ["9.7"]
        assert seen.value("authentication") == ["the agent's own"]
        assert "grpc-python" in seen.value("user-agent")[0]
        initial = [(k, v) for k, v in call.initial_metadata() if k.startswith("x-")]
        assert initial == [("x-first", "1"), ("x-twice", "a"), ("x-twice", "b"),
                           ("x-raw-bin", bytes(range(256)))]
        trailing = [(k, v) for k, v in call.trailing_metadata() if k.startswith("x-")]
        assert trailing == [("x-last", "3"), ("x-last-bin", b"\x00\xff"), ("x-last", "4")]


def test_status_and_text_pass_as_they_are(gate, oap):
    text = "\t\nno such \u00e4 \u2603 100%\r\n"
    oap.do[TASKS] = fail(CODE.FAILED_PRECONDITION, text)
    oap.do[FUTURE] = fail(CODE.UNKNOWN, text)
    for path, code in ((TASKS, CODE.FAILED_PRECONDITION), (FUTURE, CODE.UNKNOWN)):
        with pytest.raises(grpc.RpcError) as raised:
            unary(gate.channel(), path, b"")
        assert (raised.value.code(), raised.value.details()) == (code, text)
    gate.wait_metric("backend_requests_total", 1, code="FAILED_PRECONDITION")


def test_compressed_messages_pass_unread(gate, oap):
    oap.do[FUTURE] = echo
    channel = gate.channel(**{"grpc.default_compression_algorithm": 2})
    assert unary(channel, FUTURE, b"z" * 100_000) == b"z" * 100_000


def test_token_of_ours_replaces_the_agents(begin, oap):
    gate = begin(oap.address, "upstream.auth_token=ours", "listen.auth.tokens=[theirs]")
    oap.do[FUTURE] = collect
    assert code_of(lambda: unary(gate.channel(), FUTURE, b"")) == CODE.PERMISSION_DENIED
    assert code_of(lambda: unary(gate.channel(), FUTURE, b"",
                                 metadata=[("authentication", "wrong")])) == CODE.PERMISSION_DENIED
    assert oap.seen.empty()
    assert unary(gate.channel(), FUTURE, b"", metadata=[("authentication", "theirs")]) == b"answer"
    assert oap.seen.get().value("authentication") == ["ours"]


def test_what_is_left_of_the_deadline_goes_on(begin, oap):
    gate = begin(oap.address, "upstream.timeout.unary=3s")
    left = {}

    def note(seen, messages):
        left[seen.path] = seen.context.time_remaining()
        list(messages)
        yield b""
    oap.do.update({TASKS: note, CDS: note, FUTURE: note, ALS: note})
    unary(gate.channel(), TASKS, b"", timeout=60)
    unary(gate.channel(), CDS, b"", timeout=2)
    unary(gate.channel(), FUTURE, b"", timeout=60)
    unary(gate.channel(), ALS, b"", timeout=None)
    # Of a question at most ours. The backend rounds what it is told.
    assert 1.5 < left[TASKS] < 3.3
    assert 0.5 < left[CDS] < 2.3
    assert 50 < left[FUTURE] < 62
    assert left[ALS] is None or left[ALS] > 1e6  # no deadline of ours on streams


def test_deadline_of_a_question_is_kept_here(begin, oap):
    gate = begin(oap.address, "upstream.timeout.unary=200ms")
    for i, path in enumerate(QUESTIONS, 1):
        oap.do[path] = hang
        # An OAP that is silent is none: agents keep their state, and ask again.
        assert unary(gate.channel(), path, b"") == b""
        assert oap.seen.get().gone.wait(PATIENCE)
        gate.wait_metric("backend_requests_total", i, code="DEADLINE_EXCEEDED")
    gate.wait_metric("grpc_server_handled_total", 1, method=CDS[1:], code="OK")


def test_a_shorter_deadline_of_the_agent_is_its_own(begin, oap):
    gate = begin(oap.address, "upstream.timeout.unary=30s")
    oap.do[TASKS] = hang
    assert code_of(lambda: unary(gate.channel(), TASKS, b"", timeout=0.3)) == CODE.DEADLINE_EXCEEDED
    assert oap.seen.get().gone.wait(PATIENCE)


def test_deadline_of_the_client_ends_the_call_upstream(gate, oap):
    oap.do[ALS] = hang
    stream = Open(gate, ALS, timeout=0.3)
    stream.send(b"one")
    assert code_of(stream.receive) == CODE.DEADLINE_EXCEEDED
    assert oap.seen.get().gone.wait(PATIENCE)


def test_an_agent_that_takes_little_metadata(gate, oap):
    """What is too long for it would cost it the status, or the connection."""
    channel = gate.channel(**{"grpc.max_metadata_size": 2048, "grpc.absolute_max_metadata_size": 2048})

    def long_end(seen, messages):
        seen.context.set_trailing_metadata([("x-long", "v" * 3000), ("x-short", "kept")])
        seen.context.abort(CODE.FAILED_PRECONDITION, "é" * 900)
        yield b""

    def long_begin(seen, messages):
        seen.context.send_initial_metadata([("x-long", "v" * 3000)])
        yield b"answer"
    oap.do.update({FUTURE: long_end, ALS: long_begin, TASKS: long_begin})
    with pytest.raises(grpc.RpcError) as raised:
        unary(channel, FUTURE, b"")
    assert raised.value.code() == CODE.FAILED_PRECONDITION
    assert set(raised.value.details()) == {"é"} and 200 < len(raised.value.details()) < 900
    assert ("x-short", "kept") not in raised.value.trailing_metadata()  # the text has taken the room
    assert code_of(lambda: unary(channel, ALS, b"")) == CODE.RESOURCE_EXHAUSTED
    assert code_of(lambda: unary(channel, TASKS, b"")) == CODE.INTERNAL
    with pytest.raises(grpc.RpcError) as raised:
        unary(gate.channel(), FUTURE, b"")
    assert raised.value.details() == "é" * 900
    assert ("x-short", "kept") in raised.value.trailing_metadata()


def test_cancellation_goes_on_both_ways(gate, oap):
    oap.do[ALS] = hang
    stream = Open(gate, ALS)
    stream.send(b"one")
    seen = oap.seen.get(timeout=PATIENCE)
    wait_until(lambda: seen.messages, "the message")
    assert not seen.gone.is_set()
    stream.call.cancel()
    assert seen.gone.wait(PATIENCE)

    def cancel(seen, messages):
        next(messages)
        yield b"first"
        seen.context.cancel()
    oap.do[FUTURE] = cancel
    stream = Open(gate, FUTURE)
    stream.send(b"one")
    assert code_of(lambda: [stream.receive() for _ in range(2)]) in (CODE.CANCELLED, CODE.INTERNAL)


def test_a_lost_agent_ends_the_call_upstream(gate, oap):
    oap.do[ALS] = hang
    channel = gate.channel()
    call = channel.stream_stream(ALS)(iter(queue.Queue().get, None))
    seen = oap.seen.get(timeout=PATIENCE)
    channel.close()
    assert seen.gone.wait(PATIENCE)
    del call


def rss(gate):
    with open(f"/proc/{gate.process.pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024


def test_ten_mebibytes_through_and_a_stalled_reader_holds_little(gate, oap):
    payload = [b"p" * (64 << 10)] * 160
    oap.do[FUTURE] = echo
    assert list(gate.channel().stream_stream(FUTURE)(iter(payload), timeout=60)) == payload

    read, go_on = threading.Semaphore(0), threading.Event()

    def slow(seen, messages):
        next(messages)
        read.release()
        go_on.wait(60)
        yield b"%d" % (1 + sum(1 for _ in messages))
    oap.do[ALS] = slow
    before = rss(gate)
    sent = [0]

    def produce():
        for one in payload * 4:
            sent[0] += len(one)
            yield one
    answers = [gate.channel().stream_stream(ALS)(produce(), timeout=60) for _ in range(4)]
    for _ in answers:
        assert read.acquire(timeout=PATIENCE)

    def stands_still():
        seen = sent[0]
        time.sleep(0.3)
        return sent[0] == seen
    wait_until(stands_still, "the senders to stall")
    assert sent[0] < 4 * (40 << 20) // 2
    # 256 KiB of each, and what the connections themselves hold: borrowed in steps of 1 MiB.
    assert gate.metric("memory_used_bytes") <= 3 << 20
    assert IS_SANITIZED or rss(gate) - before < 16 << 20
    # Its own streams only: others go on beside it.
    oap.do[TASKS] = collect
    assert unary(gate.channel(), TASKS, b"q") == b"answer"
    go_on.set()
    assert [list(one) for one in answers] == [[b"640"]] * 4


def test_a_slow_agent_stalls_its_own_stream_only(gate, oap):
    sent = [0]

    def flood(seen, messages):
        next(messages)
        for _ in range(640):
            sent[0] += 64 << 10
            yield b"f" * (64 << 10)
    oap.do[ALS] = flood
    oap.do[FUTURE] = echo
    before = rss(gate)
    stream = Open(gate, ALS)
    stream.send(b"go")
    assert stream.receive() == b"f" * (64 << 10)

    def stands_still():
        seen = sent[0]
        time.sleep(0.3)
        return sent[0] == seen
    wait_until(stands_still, "the backend to stall")
    assert sent[0] < 20 << 20
    assert gate.metric("memory_used_bytes") < 1 << 20  # of it 256 KiB are the stream's
    assert IS_SANITIZED or rss(gate) - before < 8 << 20
    assert unary(gate.channel(), FUTURE, b"q") == b"q"
    assert len(stream.end()) == 639


def test_backend_dies_in_a_call(begin):
    dying = RelayBackend()
    dying.do.update({ALS: hang, GO_PROFILE: hang, TASKS: hang})
    gate = begin(dying.address)
    streams = [Open(gate, path) for path in (ALS, GO_PROFILE)]
    for stream in streams:
        stream.send(b"one")
    question = gate.channel().unary_unary(TASKS).future(b"q", timeout=PATIENCE)
    for _ in range(3):
        dying.seen.get(timeout=PATIENCE)
    dying.stop()
    # grpcio ends its calls with a status of its own before it goes.
    for stream in streams:
        assert code_of(stream.receive) in (CODE.UNAVAILABLE, CODE.CANCELLED)
    try:
        assert question.result(PATIENCE) == b""
    except grpc.RpcError as error:
        assert error.code() == CODE.CANCELLED


def test_connection_cut_in_a_call(begin, oap):
    """A backend that goes without a word; it comes back, and is used again."""
    oap.do.update({ALS: hang, GO_PROFILE: hang, TASKS: hang})
    proxy = FaultProxy(oap.address)
    gate = begin(proxy.address)
    streams = [Open(gate, path) for path in (ALS, GO_PROFILE)]
    for stream in streams:
        stream.send(b"one")
    question = gate.channel().unary_unary(TASKS).future(b"q", timeout=PATIENCE)
    seen = [oap.seen.get(timeout=PATIENCE) for _ in range(3)]
    wait_until(lambda: all(one.messages for one in seen), "the messages")
    proxy.cut()
    assert code_of(streams[0].receive) == CODE.UNAVAILABLE
    assert code_of(streams[1].receive) == CODE.INTERNAL
    assert question.result(PATIENCE) == b""
    oap.do[TASKS] = collect
    assert wait_until(lambda: unary(gate.channel(), TASKS, b"q"), "the backend to be back") == b"answer"
    proxy.close()


def test_no_backend(begin):
    gate = begin(f"127.0.0.1:{free_port()}")
    for path in (CDS, TASKS, FINISH):
        assert unary(gate.channel(), path, b"q") == b""
    assert code_of(lambda: Open(gate, GO_PROFILE).receive()) == CODE.INTERNAL
    assert code_of(lambda: unary(gate.channel(), FUTURE, b"")) == CODE.INTERNAL
    assert code_of(lambda: unary(gate.channel(), ALS, b"")) == CODE.UNAVAILABLE


def test_backend_that_knows_nothing_yet(gate, oap):
    for path in (CDS, TASKS, FINISH):
        assert unary(gate.channel(), path, b"q") == b""
    assert code_of(lambda: Open(gate, GO_PROFILE).end()) == CODE.INTERNAL
    assert code_of(lambda: unary(gate.channel(), FUTURE, b"")) == CODE.INTERNAL
    assert code_of(lambda: unary(gate.channel(), ALS, b"")) == CODE.UNIMPLEMENTED
    oap.do[TASKS] = collect
    wait_until(lambda: unary(gate.channel(), TASKS, b"q") == b"answer", "the method to be tried again")


class Web(threading.Thread):
    """Answers every request with an HTTP status and a page."""

    def __init__(self, status):
        super().__init__(daemon=True)
        self.status = status
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.start()

    def run(self):
        while True:  # each worker has a connection
            peer, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        h2 = H2Connection(H2Configuration(client_side=False))
        h2.initiate_connection()
        while True:
            peer.sendall(h2.data_to_send())
            data = peer.recv(65536)
            if not data:
                return
            for event in h2.receive_data(data):
                if isinstance(event, RequestReceived):
                    h2.send_headers(event.stream_id, [(":status", str(self.status)),
                                                      ("content-type", "text/html")])
                    h2.send_data(event.stream_id, b"<html>")


@pytest.mark.parametrize("status,code,of_ours", [
    (503, CODE.UNAVAILABLE, None), (404, CODE.UNIMPLEMENTED, CODE.INTERNAL),
    (431, CODE.UNKNOWN, CODE.INTERNAL), (200, CODE.UNKNOWN, CODE.INTERNAL)])
def test_something_else_answers_there(begin, status, code, of_ours):
    gate = begin(Web(status).address)
    gate.wait_metric("backend_up", 1)
    assert code_of(lambda: unary(gate.channel(), ALS, b"")) == code
    if of_ours is None:
        assert unary(gate.channel(), TASKS, b"") == b""
    else:
        assert code_of(lambda: unary(gate.channel(), TASKS, b"")) == of_ours


def test_overload_of_the_backend_passes(gate, oap):
    oap.do[ALS] = fail(CODE.RESOURCE_EXHAUSTED)
    assert code_of(lambda: unary(gate.channel(), ALS, b"")) == CODE.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("ill", [fail(CODE.UNAVAILABLE), None])
def test_a_question_is_asked_of_a_second_backend(begin, oap, ill):
    other = RelayBackend()
    oap.do[TASKS] = collect
    if ill is not None:
        other.do[TASKS] = ill
    gate = begin(f"[{oap.address},{other.address}]")
    gate.wait_metric("backend_up", 2)
    for _ in range(10):
        assert unary(gate.channel(), TASKS, b"q") == b"answer"
    assert all(oap.seen.get().messages == [b"q"] for _ in range(10))
    other.stop()


def test_every_backend_says_unavailable(gate, oap):
    oap.do[TASKS] = fail(CODE.UNAVAILABLE)
    assert unary(gate.channel(), TASKS, b"q") == b""


def test_chunks_of_one_upload_stay_on_one_backend(begin, oap):
    other = RelayBackend()
    gate = begin(f"[{oap.address},{other.address}]")
    gate.wait_metric("backend_up", 2)
    for one in (oap, other):
        one.do[GO_PROFILE] = collect
    streams = []
    for i in range(8):
        call = Open(gate, GO_PROFILE, timeout=PATIENCE)
        call.send(b"%d first" % i)
        streams.append(call)
    for i, call in enumerate(streams):
        call.send(b"%d second" % i)
    for call in streams:
        assert call.end() == [b"answer"]
    assert oap.seen.qsize() + other.seen.qsize() == 8
    assert 2 <= oap.seen.qsize() <= 6  # both are used
    for one in (oap, other):
        while not one.seen.empty():
            first, second = one.seen.get().messages
            assert first.split()[0] == second.split()[0]
    other.stop()


def test_relay_off(begin, oap):
    gate = begin(oap.address, "relay.enabled=false")
    oap.do.update({TASKS: collect, GO_PROFILE: collect, PPROF: collect, ALS: collect})
    assert unary(gate.channel(), TASKS, b"q") == b""
    assert Open(gate, GO_PROFILE).end() == [b""]
    assert code_of(lambda: unary(gate.channel(), PPROF, b"")) == CODE.INTERNAL
    assert code_of(lambda: unary(gate.channel(), ALS, b"")) == CODE.UNIMPLEMENTED
    assert gate.channel().stream_unary(GO_PROFILE)(iter([b"1", b"2"]), timeout=PATIENCE) == b""
    gate.wait_metric("items_dropped_total", 2, reason="policy")
    assert oap.seen.empty()


def test_unknown_methods_off(begin, oap):
    gate = begin(oap.address, "relay.unknown_methods=false")
    oap.do.update({TASKS: collect, ALS: collect})
    assert unary(gate.channel(), TASKS, b"q") == b"answer"
    assert code_of(lambda: unary(gate.channel(), ALS, b"")) == CODE.UNIMPLEMENTED


def test_cached_configuration(begin, oap):
    gate = begin(oap.address, "relay.cds_cache=600ms")
    gate.wait_metric("backend_up", 1)
    n = [0]

    def answer(seen, messages):
        list(messages)
        n[0] += 1
        yield b"%d" % n[0]
    oap.do.update({CDS: answer, TASKS: answer})
    channel = gate.channel()
    assert [unary(channel, CDS, b"a") for _ in range(3)] == [b"1"] * 3
    assert unary(channel, CDS, b"b") == b"2"
    assert unary(channel, CDS, b"a", metadata=[("authentication", "x")]) == b"3"
    assert unary(channel, CDS, b"a") == b"1"
    assert [unary(channel, TASKS, b"a") for _ in range(2)] == [b"4", b"5"]
    wait_until(lambda: unary(channel, CDS, b"a") != b"1", "the answer to be too old")
    oap.do[CDS] = fail(CODE.INTERNAL)
    assert [code_of(lambda: unary(channel, CDS, b"new")) for _ in range(2)] == [CODE.INTERNAL] * 2


def test_metadata_over_what_the_backend_takes(begin):
    """A longer list would end the connection of a grpc-java server, with all batches on it."""
    small = RelayBackend(options=[("grpc.max_metadata_size", 4096)])
    small.do[FUTURE] = small.do[ALS] = collect
    gate = begin(small.address)
    gate.wait_metric("backend_up", 1)
    big = [("x-big", "b" * 6000)]
    assert code_of(lambda: unary(gate.channel(), FUTURE, b"", metadata=big)) == CODE.INTERNAL
    assert code_of(lambda: unary(gate.channel(), ALS, b"", metadata=big)) == CODE.RESOURCE_EXHAUSTED
    assert unary(gate.channel(), ALS, b"", metadata=[("x-big", "b" * 2000)]) == b"answer"
    small.stop()


def test_a_call_that_comes_back_is_refused(begin):
    """An upstream that turns out to be ourselves."""
    port = free_port()
    proxy = FaultProxy(f"127.0.0.1:{port}")
    gate = begin(proxy.address, listen=f"127.0.0.1:{port}")
    gate.wait_metric("backend_up", 1)
    assert code_of(lambda: unary(gate.channel(), ALS, b"")) == CODE.INTERNAL
    assert code_of(lambda: unary(gate.channel(), TASKS, b"")) == CODE.INTERNAL
    assert gate.metric("grpc_server_handled_total", method="unknown") == 2
    proxy.close()


def test_a_chain_of_two_relays(begin, oap):
    far = begin(oap.address)
    near = begin(far.address)
    oap.do[FUTURE] = echo
    assert unary(near.channel(), FUTURE, b"q") == b"q"
    assert len(oap.seen.get().value("via")) == 2


def test_the_built_in_sink_answers_everything(begin):
    gate = begin("127.0.0.1:1", flags=("--sink",))
    for path in (CDS, TASKS, FINISH):
        assert unary(gate.channel(), path, b"q") == b""
    assert gate.channel().stream_unary(GO_PROFILE)(iter([b"1", b"2"]), timeout=PATIENCE) == b""
    stream = Open(gate, PPROF, timeout=PATIENCE)
    stream.send(b"metadata")
    assert stream.receive() == b""
    stream.send(b"content")
    assert stream.end() == [] and stream.call.code() == CODE.OK


def test_drain_gives_open_streams_the_backends_own_answer(begin, oap):
    gate = begin(oap.address, "shutdown.drain=2s")
    oap.do[GO_PROFILE] = collect
    stream = Open(gate, GO_PROFILE)
    stream.send(b"chunk")
    seen = oap.seen.get(timeout=PATIENCE)
    wait_until(lambda: seen.messages, "the chunk")
    gate.process.terminate()
    assert stream.receive() == b"answer"
    assert stream.end() == [] and stream.call.code() == CODE.OK
    assert gate.process.wait(PATIENCE) == 0


def test_drain_does_not_wait_for_a_silent_backend(begin, oap):
    gate = begin(oap.address, "shutdown.drain=2s")
    oap.do.update({GO_PROFILE: hang, ALS: hang, TASKS: hang})
    upload, stream = Open(gate, GO_PROFILE), Open(gate, ALS)
    upload.send(b"chunk")
    stream.send(b"log")
    question = gate.channel().unary_unary(TASKS).future(b"q", timeout=PATIENCE)
    for _ in range(3):
        oap.seen.get(timeout=PATIENCE)
    started = time.monotonic()
    gate.process.terminate()
    assert upload.receive() == b"" and upload.end() == []
    assert code_of(stream.receive) == CODE.UNAVAILABLE
    assert question.result(PATIENCE) == b""
    assert gate.process.wait(PATIENCE) == 0
    assert time.monotonic() - started < 6
