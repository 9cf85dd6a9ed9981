"""The dashboard: its form, and each query of it against a real Prometheus that scrapes a real run."""
# SPDX-License-Identifier: Apache-2.0
import json
import math
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from certificates import Authority
from system_conftest import BINARY, ROOT, Spangate, wait_until

DASHBOARD = ROOT / "config" / "grafana" / "spangate.json"
LOAD_S = 8
# Damage of several kinds and classes, so that no panel on it stays flat by chance.
DAMAGE = ["span-parent-missing:2%", "proto-undecodable:2%", "span-blank:1%"]
VARIABLES = {"$__rate_interval": "10s", "$job": ".*", "$instance": ".*"}


def dashboard():
    return json.loads(DASHBOARD.read_text())


def panels():
    return [p for p in dashboard()["panels"] if p["type"] != "row"]


def expressions():
    return [pytest.param(target["expr"], id=f"{panel['title']}-{target['refId']}".replace(" ", "-"))
            for panel in panels() for target in panel["targets"]]


def filled(expression):
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


def test_form_of_the_dashboard():
    board = dashboard()
    assert board["uid"] == "spangate" and board["title"] and board["schemaVersion"] >= 37
    assert board["id"] is None, "an id belongs to one Grafana"
    names = [v["name"] for v in board["templating"]["list"]]
    assert names == ["datasource", "job", "instance"]
    ids = [p["id"] for p in board["panels"]]
    assert len(ids) == len(set(ids))
    for panel in panels():
        assert panel["title"] and panel["description"], panel["id"]
        assert panel["type"] in {"stat", "timeseries", "table"}
        assert panel["fieldConfig"]["defaults"] and panel["options"] and panel["targets"]
        refs = [t["refId"] for t in panel["targets"]]
        assert len(refs) == len(set(refs))
        for target in panel["targets"]:
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert 'job=~"$job",instance=~"$instance"' in target["expr"]


def test_no_panel_covers_another():
    taken = {}
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                other = taken.setdefault((x, y), panel["title"])
                assert other == panel["title"], f"{panel['title']} covers {other}"


def test_no_addresses_of_others():
    assert not re.search(r"https?://", DASHBOARD.read_text())


class Prometheus:
    """The Debian package on a loopback port, scraping one address."""

    def __init__(self, directory, target):
        settings = directory / "prometheus.yml"
        settings.write_text("global: {scrape_interval: 500ms, scrape_timeout: 500ms}\n"
                            "scrape_configs:\n- job_name: spangate\n"
                            f"  static_configs: [{{targets: ['{target}']}}]\n")
        # Port 0: the system picks one; it stands in the log.
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={settings}", f"--storage.tsdb.path={directory}/data",
             "--web.listen-address=127.0.0.1:0", "--log.level=info",
             "--enable-feature=exemplar-storage"],
            stderr=subprocess.PIPE, text=True)
        self.address = None
        for line in self.process.stderr:
            found = re.search(r'msg="Listening on" address=(\S+)', line)
            if found:
                self.address = found.group(1)
                break
        assert self.address, "prometheus told no address"
        # The rest of the log must not fill the pipe.
        self.rest = subprocess.Popen(["cat"], stdin=self.process.stderr, stdout=subprocess.DEVNULL)

    def is_ready(self):
        """It listens before it can answer."""
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=20) as answer:
                return answer.status == 200
        except urllib.error.HTTPError:
            return False

    def query(self, expression):
        url = f"http://{self.address}/api/v1/query?query={urllib.parse.quote(expression)}"
        with urllib.request.urlopen(url, timeout=20) as answer:
            return json.load(answer)["data"]["result"]

    def exemplars(self, expression, seconds):
        now = time.time()
        query = urllib.parse.urlencode({"query": expression, "start": now - seconds, "end": now})
        with urllib.request.urlopen(f"http://{self.address}/api/v1/query_exemplars?{query}", timeout=20) as answer:
            return json.load(answer)["data"]

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.rest.wait(20)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """One run with load and damage, over TLS too, watched from its begin."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed (package prometheus)")
    directory = tmp_path_factory.mktemp("prometheus")
    pair = Authority(directory).issue("gate")
    gate = Spangate("listen.grpc_tls.address=127.0.0.1:0", f"listen.grpc_tls.cert_file={pair.cert}",
                    f"listen.grpc_tls.key_file={pair.key}", flags=["--sink"])
    watcher = Prometheus(directory, gate.telemetry)
    try:
        wait_until(watcher.is_ready, "prometheus is ready")
        wait_until(lambda: watcher.query("spangate_ready"), "the first scrape")
        command = [BINARY, "load", "--addr", gate.address, "--rate", "400",
                   "--duration", f"{LOAD_S}s", "--seed", "7"]
        for one in DAMAGE:
            command += ["--corrupt", one]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LOAD_S + 60)
        assert done.returncode == 0, done.stderr
        # The load is over: the window of a rate must still see it.
        yield watcher
    finally:
        watcher.stop()
        assert gate.end() == 0


@pytest.fixture(scope="module")
def answers(prometheus):
    """All expressions at once, while the load is within every rate's window."""
    return {p.values[0]: prometheus.query(filled(p.values[0])) for p in expressions()}


@pytest.mark.parametrize("expression", expressions())
def test_panel_has_data(answers, expression):
    result = answers[expression]
    assert result, f"no data: {expression}"
    values = [float(sample["value"][1]) for sample in result]
    assert any(not math.isnan(v) for v in values), f"no number: {expression}"


def test_figures_are_those_of_the_run(prometheus):
    """Not merely some number: the damage of the load is what the dashboard reads."""
    def one(expression):
        return float(prometheus.query(expression)[0]["value"][1])

    total = 400 * LOAD_S
    wait_until(lambda: one("sum(spangate_segments_total)") == total, "a scrape after the load")
    damaged = one('sum(spangate_segments_total{verdict!="clean"})')
    assert 0.02 < damaged / total < 0.10
    assert one("sum(abs(spangate_ledger_imbalance_items))") == 0


def test_findings_lead_to_a_trace(prometheus):
    """Scraped as OpenMetrics, a finding's series has the id of a trace to look at."""
    found = prometheus.exemplars('spangate_integrity_findings_total{rule="span-parent-missing"}', 600)
    assert found and found[0]["exemplars"], "no exemplar"
    assert all(len(one["labels"]["trace_id"]) > 16 for one in found[0]["exemplars"])
