"""SIGHUP: what a changed file changes while the process runs, and what a bad one does not."""
# SPDX-License-Identifier: Apache-2.0
import signal

import grpc

import wire
from conftest import stream, wait_until

COLLECT = "/skywalking.v3.TraceSegmentReportService/collect"


def sick(service):
    return wire.segment([wire.span(0, -1), wire.span(2, 1)], service=service)


class Reloaded:
    """A process with a file of its own that can be written anew."""

    def __init__(self, start, backend, path, text=""):
        self.file = path / "spangate.yaml"
        self.backend = backend
        self.sent = 0
        self.write(text)
        self.gate = start(flags=["-c", str(self.file)])

    def write(self, text):
        self.file.write_text(f'upstream: {{addresses: ["{self.backend.address}"]}}\n' + text)

    def reload(self, text):
        before = len(self.gate.lines)
        self.write(text)
        self.gate.process.send_signal(signal.SIGHUP)
        return wait_until(lambda: [line for line in self.gate.lines[before:] if '"reload' in line],
                          "the word on the reload")[0]

    def send(self, service="shop"):
        """The segment as the backend got it."""
        self.sent += 1
        stream(self.gate.channel(), COLLECT, [sick(service)])
        wait_until(lambda: len(self.backend.segments()) == self.sent, "the segment")
        return self.backend.segments()[-1]


def test_mode_actions_and_services_are_taken_up(start, backend, tmp_path):
    one = Reloaded(start, backend, tmp_path)
    assert b"sw.proxy.integrity" in one.send()
    assert "changed=1 need_restart=0" in one.reload("integrity: {mode: observe}\n")
    assert b"sw.proxy.integrity" not in one.send()
    one.reload("integrity: {mode: enforce, actions: {span-parent-missing: observe}}\n")
    assert b"sw.proxy.integrity" not in one.send()
    one.reload('integrity: {services: [{match: "legacy-*", mode: observe}]}\n')
    assert b"sw.proxy.integrity" in one.send()
    assert b"sw.proxy.integrity" not in one.send("legacy-shop")
    assert one.gate.metric("config_last_reload_successful") == 1
    assert one.gate.metric("config_last_reload_timestamp_seconds") > 1.7e9
    one.gate.wait_settled()


def test_a_bad_file_changes_nothing(start, backend, tmp_path):
    one = Reloaded(start, backend, tmp_path)
    assert "reload failed" in one.reload("integrity: {mode: obsreve, max_spans: 10}\n")
    assert any("obsreve" in line and "observe" in line for line in one.gate.lines)
    assert b"sw.proxy.integrity" in one.send()
    assert one.gate.metric("config_last_reload_successful") == 0
    one.reload("integrity: {mode: observe}\n")
    assert one.gate.metric("config_last_reload_successful") == 1
    assert b"sw.proxy.integrity" not in one.send()


def test_what_needs_a_restart_is_named(start, backend, tmp_path):
    one = Reloaded(start, backend, tmp_path)
    said = one.reload("integrity: {mode: observe}\nbatch: {max_items: 7}\n")
    assert "changed=1 need_restart=1" in said
    assert one.gate.find(r'restart only" key=(\S+)') == "batch.max_items"


def test_what_waits_for_a_restart_is_named_until_it_is_taken_back(start, backend, tmp_path):
    one = Reloaded(start, backend, tmp_path)
    assert "need_restart=1" in one.reload("batch: {max_items: 7}\n")
    assert "changed=1 need_restart=1" in one.reload("integrity: {mode: observe}\nbatch: {max_items: 7}\n")
    assert "changed=0 need_restart=0" in one.reload("integrity: {mode: observe}\n")


def test_many_reloads_under_load_lose_nothing(start, backend, tmp_path):
    one = Reloaded(start, backend, tmp_path)
    channel = one.gate.channel()
    for i in range(20):
        one.write("integrity: {mode: %s}\n" % ("observe", "enforce")[i % 2])
        one.gate.process.send_signal(signal.SIGHUP)
        stream(channel, COLLECT, [sick("shop") for _ in range(50)])
    wait_until(lambda: one.gate.metric("segments_total") == 1000, "all segments judged")
    one.gate.wait_settled()


def reloads(gate):
    return len([line for line in gate.lines if '"reloaded"' in line])


def test_a_watched_file_is_taken_up_by_itself(start, backend, tmp_path):
    one = Reloaded(start, backend, tmp_path, "reload: {watch: true}\n")
    assert b"sw.proxy.integrity" in one.send()
    one.write("reload: {watch: true}\nintegrity: {mode: observe}\n")
    wait_until(lambda: reloads(one.gate) == 1, "the reload")
    assert b"sw.proxy.integrity" not in one.send()
    one.write("integrety: {}\n")
    wait_until(lambda: one.gate.find("(reload failed)"), "the word on the bad file")
    assert one.gate.metric("config_last_reload_successful") == 0
    assert b"sw.proxy.integrity" not in one.send()
    one.write("reload: {watch: true}\n")
    wait_until(lambda: reloads(one.gate) == 2, "the next reload")
    assert one.gate.metric("config_last_reload_successful") == 1
    assert b"sw.proxy.integrity" in one.send()


def test_a_mounted_directory_whose_link_moves(start, backend, tmp_path):
    """As Kubernetes changes a ConfigMap: the file is a link into ..data, and that link is replaced."""
    def publish(name, text):
        (tmp_path / name).mkdir()
        (tmp_path / name / "spangate.yaml").write_text(
            f'upstream: {{addresses: ["{backend.address}"]}}\nreload: {{watch: true}}\n' + text)
        (tmp_path / "..next").symlink_to(name)
        (tmp_path / "..next").rename(tmp_path / "..data")

    publish("..2026_01", "")
    (tmp_path / "spangate.yaml").symlink_to("..data/spangate.yaml")
    gate = start(flags=["-c", str(tmp_path / "spangate.yaml")])
    before = gate.metric("config_info")
    hashes = [name for name in gate.metrics() if name.startswith("spangate_config_info")]
    publish("..2026_02", "integrity: {mode: observe}\n")
    wait_until(lambda: reloads(gate) == 1, "the reload")
    after = [name for name in gate.metrics() if name.startswith("spangate_config_info")]
    assert before == 1 and len(after) == 1 and after != hashes
    # The directory goes for a moment, and comes back as it was: nothing to take up.
    (tmp_path / "..data").rename(tmp_path / "..gone")
    (tmp_path / "..gone").rename(tmp_path / "..data")
    publish("..2026_03", "integrity: {mode: enforce}\n")
    wait_until(lambda: reloads(gate) == 2, "the second reload")


def test_a_watched_file_of_tokens(start, backend, tmp_path):
    """The settings' file stays as it is."""
    def is_let_in(token):
        try:
            stream(gate.channel(), COLLECT, [wire.segment()], metadata=[("authentication", token)])
            return True
        except grpc.RpcError:
            return False

    tokens = tmp_path / "tokens"
    tokens.write_text("tok-old\n")
    tokens.chmod(0o600)
    file = tmp_path / "spangate.yaml"
    file.write_text(f'upstream: {{addresses: ["{backend.address}"]}}\nreload: {{watch: true}}\n'
                    f'listen: {{auth: {{tokens_file: {tokens}}}}}\n')
    gate = start(flags=["-c", str(file)])
    assert is_let_in("tok-old") and not is_let_in("tok-new")
    tokens.write_text("tok-new\ntok-newer\n")
    wait_until(lambda: reloads(gate) == 1, "the reload")
    assert is_let_in("tok-new") and is_let_in("tok-newer") and not is_let_in("tok-old")
    assert not any("tok-" in line for line in gate.lines)
