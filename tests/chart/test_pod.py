"""The rendered pod runs the real binary: as uid 65532, on a root that cannot be written."""
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import sys

import pytest

from conftest import BINARY, CHART, ROOT, container, render
from pod import Pod, need_namespaces, wait_until

sys.path.insert(0, str(ROOT / "tests" / "system"))
from certificates import Authority  # noqa: E402

OAP = 21800
QUICK = ("--set", "config.shutdown.delay=0s", "--set", "config.shutdown.drain=2s", "--set", "config.shutdown.flush=2s")
# The value sets that run here need no other machine; their OAP is a sink beside the pod.
TO_SINK = ("--set-json", f'upstream={{"addresses": ["oap.skywalking:{OAP}"], "selector": {{}}}}')


@pytest.fixture
def start(tmp_path):
    need_namespaces()
    pods = []

    def begin(values, *arguments, **more):
        objects = render("--values", CHART / "ci" / f"{values}.yaml", *QUICK, *arguments)
        pod = Pod(tmp_path / f"pod{len(pods)}", objects, hosts="127.0.0.1 oap.skywalking r-spangate.tracing.svc\n", **more)
        pods.append(pod)
        pod.objects = objects
        return pod
    yield begin
    for one in pods:
        one.end()


def status_of(pod):
    fields = {}
    for line in pathlib.Path(f"/proc/{pod.process.pid}/status").read_text().split("\n"):
        name, _, value = line.partition(":")
        fields[name] = value.split()
    return fields


def selftest(pod, host="127.0.0.1", *more):
    return pod.run_inside(BINARY, "send", "--selftest", "--addr", f"{host}:{pod.port('grpc')}", "--telemetry",
                          f"{host}:{pod.port('telemetry')}", *more)


@pytest.mark.parametrize("values", ["minimal", "selector", "stateless", "scaled-volumes", "satellite", "monitored"])
def test_the_pod_runs(start, values):
    pod = start(values, *TO_SINK)
    pod.wait_ready()
    assert {pod.probe(name) for name in ("startupProbe", "livenessProbe", "readinessProbe")} == {200}
    status = status_of(pod)
    assert set(status["Uid"]) == set(status["Gid"]) == {"65532"} and status["NoNewPrivs"] == ["1"]
    assert {int(status[name][0], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}
    assert os.listdir(pod.data) and all((pod.data / name).stat().st_uid == 65532 for name in os.listdir(pod.data))
    pod.begin_sink(f"127.0.0.1:{OAP}")
    code, words = selftest(pod)
    assert code == 0, words + pod.words()
    assert pod.terminate() == 0, pod.words()
    assert "imbalance 0" in pod.lines[-1]
    assert " error " not in pod.words() and "level=error" not in pod.words()


def test_the_command_of_helm_test_is_understood(start):
    pod = start("minimal", *TO_SINK)
    pod.wait_ready()
    [test] = [o for o in pod.objects if o["kind"] == "Pod"]
    arguments = [a.replace("r-spangate-headless.tracing.svc", "127.0.0.1").replace("r-spangate.tracing.svc", "127.0.0.1")
                 for a in test["spec"]["containers"][0]["args"]]
    pod.begin_sink(f"127.0.0.1:{OAP}")
    code, words = pod.run_inside(BINARY, *arguments)
    assert code == 0, words


def test_a_trial_forwards_to_its_own_sink(start):
    pod = start("trial")
    pod.wait_ready()
    code, words = selftest(pod)
    assert code == 0, words + pod.words()
    assert pod.terminate() == 0


def test_over_ipv6_alone(start):
    pod = start("ipv6", "--set-json", f'upstream.addresses=["[::1]:{OAP}"]')
    pod.wait_ready("[::1]")
    assert pod.probe("livenessProbe", "[::1]") == 200
    pod.begin_sink(f"[::1]:{OAP}")
    code, words = selftest(pod, "[::1]")
    assert code == 0, words + pod.words()
    assert pod.terminate() == 0


def test_an_unready_pod_stays_alive(start):
    """Without OAP it is ready: buffering is the job. While draining it is not."""
    pod = start("minimal", *TO_SINK, "--set", "config.shutdown.delay=3s")
    pod.wait_ready()
    pod.process.terminate()
    wait_until(lambda: pod.probe("readinessProbe") == 503, "not ready while draining")
    assert pod.probe("livenessProbe") == 200
    assert pod.process.wait(20) == 0


def test_the_root_cannot_be_written(start):
    """What the chart refuses as a value fails in the pod too: nothing but the volume takes files."""
    pod = start("minimal", *TO_SINK, "--set-json", 'extraArgs=["--set", "quarantine.path=/elsewhere"]')
    assert wait_until(lambda: pod.process.poll() is not None, "the end") and pod.process.returncode != 0
    assert "/elsewhere" in pod.words()


def test_settings_of_a_file_of_ones_own(start):
    pod = start("own-file", "--set-json", f'upstream.addresses=["127.0.0.1:{OAP}"]',
                config_maps={"my-spangate": {"spangate.yaml": "log: {format: json}\n"}})
    pod.wait_ready()
    pod.begin_sink(f"127.0.0.1:{OAP}")
    code, words = selftest(pod)
    assert code == 0, words + pod.words()
    assert pod.terminate() == 0
    assert any(line.startswith("{") for line in pod.lines), pod.words()


def test_a_volume_that_cannot_be_written(start):
    pod = start("minimal", *TO_SINK, honours_fs_group=False)
    assert pod.process.wait(20) == 77, pod.words()
    assert "/var/lib/spangate" in pod.words()


CALL = """
import sys, grpc
ca, cert, key, address, token = sys.argv[1:]
read = lambda name: open(name, "rb").read()
channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(read(ca), read(key), read(cert)))
call = channel.unary_unary("/skywalking.v3.ManagementService/keepAlive")
try:
    call(b"\\x0a\\x04shop\\x12\\x06shop-1", timeout=10, metadata=[("authentication", token)])
    print("OK")
except grpc.RpcError as error:
    print(error.code().name)
"""


def test_tls_and_tokens_from_secrets(start, tmp_path):
    authority = Authority(tmp_path)
    pair, agent = authority.issue("gate"), authority.issue("agent")
    own = {"tls.crt": pair.cert.read_bytes(), "tls.key": pair.key.read_bytes()}
    ca = {"ca.crt": authority.cert.read_bytes()}
    pod = start("tls-tokens", "--set-json", f'upstream.addresses=["oap.skywalking:{OAP}"]', secrets={
        "spangate-tls": own, "agents-ca": ca, "agent-tokens": {"list": "tok-1\ntok-2\n"},
        "oap-token": {"token": "tok-oap\n"}, "oap-tls": {**own, **ca}})
    pod.wait_ready()
    assert [p["name"] for p in container(pod.objects)["ports"]] == ["tls-grpc", "telemetry"]

    def call(token):
        return pod.run_inside(sys.executable, "-c", CALL, authority.cert, agent.cert, agent.key,
                              f"localhost:{pod.port('tls-grpc')}", token)[1].strip()
    assert (call("tok-2"), call("tok-3")) == ("OK", "PERMISSION_DENIED"), pod.words()
    assert "C035" not in pod.words(), "the mounted secrets are for the group alone"
    assert pod.terminate() == 0, pod.words()
