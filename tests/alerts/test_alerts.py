"""The alert rules: each fires when it must and is silent when it must be, as promtool works it out."""
# SPDX-License-Identifier: Apache-2.0
import json
import re
import shutil
import subprocess

import pytest
import yaml

from system_conftest import BINARY, ROOT

RULES = ROOT / "config" / "alerts" / "spangate.rules.yaml"
RUNBOOKS = ROOT / "docs" / "runbooks.md"
WHERE = {"job": "spangate", "instance": "g:1234"}


def rules():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def series(name, values, **labels):
    """One input series of promtool; values in its notation, one a minute."""
    text = ",".join(f'{k}="{v}"' for k, v in {**WHERE, **labels}.items())
    return {"series": f"{name}{{{text}}}", "values": values}


class Case:
    """Fires with the sick series at the time, with these labels on it; is silent with the well ones.
    value: how the annotations write the value."""

    def __init__(self, sick, well, at="20m", value=None, without=(), **labels):
        self.sick, self.well, self.at, self.value = sick, well, at, value
        self.labels = {k: v for k, v in {**WHERE, **labels}.items() if k not in without}


def ratio(name, other, sick, well, **labels):
    return ([series(name, f"{sick}x60", **labels), series(other, "100x60", **labels)],
            [series(name, f"{well}x60", **labels), series(other, "100x60", **labels)])


def slow(name, **labels):
    """A histogram with all observations in the bucket of 30 s, and one with all below 5 ms."""
    bounds = ["0.005", "0.5", "1", "5", "10", "30", "+Inf"]
    return ([series(name + "_bucket", "0+60x60" if b in ("30", "+Inf") else "0x60", le=b, **labels)
             for b in bounds], [series(name + "_bucket", "0+60x60", le=b, **labels) for b in bounds])


def capacity(disk):
    return [series("spangate_buffer_capacity_bytes", "100x60", tier="memory"),
            series("spangate_buffer_capacity_bytes", f"{disk}x60", tier="disk")]


def used(memory, disk):
    return [series("spangate_buffer_bytes", f"{memory}x60", tier="memory"),
            series("spangate_buffer_bytes", f"{disk}x60", tier="disk")]


def backends(first, second):
    return [series("spangate_backend_up", f"{first}x60", backend="a:11800"),
            series("spangate_backend_up", f"{second}x60", backend="b:11800")]


SICK = {"service": "shop", "service_instance": "i-1"}
GIB = 1 << 30
CASES = {
    "SpangateItemsLost": [
        Case([series("spangate_items_dropped_total", "0+60x60", signal="tracing", reason="expired"),
              series("spangate_items_dropped_total", "0+60x60", signal="log", reason="expired")],
             [series("spangate_items_dropped_total", "0+60x60", signal="tracing", reason="copy")],
             value="2", reason="expired")],
    "SpangateLedgerImbalance": [
        Case([series("spangate_ledger_imbalance_items", "-3x60")],
             [series("spangate_ledger_imbalance_items", "0 5 0x58")], value="-3")],
    "SpangateDataCorrupt": [
        Case([series("spangate_integrity_findings_total", "0+60x60", rule="span-blank", **{"class": "proof"})],
             [series("spangate_integrity_findings_total", "0+60x60", rule="root-not-last", **{"class": "hint"})],
             value="1", rule="span-blank")],
    "SpangateInstanceSick": [
        Case([series("spangate_instance_bad_ratio", "0.25x60", **SICK),
              series("spangate_instance_findings_total", "0+6x60", **SICK)],
             [series("spangate_instance_bad_ratio", "0.25x60", **SICK),  # it was, long ago
              series("spangate_instance_findings_total", "9x60", **SICK)],
             at="30m", value="25%", **SICK)],
    "SpangateDeliverySlow": [Case(*slow("spangate_delivery_duration_seconds", signal="tracing"))],
    "SpangateOldestItem": [
        Case([series("spangate_buffer_oldest_item_age_seconds", "700x60", signal="log")],
             [series("spangate_buffer_oldest_item_age_seconds", "60x60", signal="log")],
             value="11m 40s")],
    "SpangateQuarantineEvicts": [
        Case([series("spangate_quarantine_evicted_total", "0+1x60", reason="full")],
             [series("spangate_quarantine_evicted_total", "0+1x60", reason="expired")], reason="full")],
    "SpangateNoBackend": [Case(backends(0, 0), backends(0, 1))],
    "SpangateBackendDown": [Case(backends(0, 1), backends(0, 0), backend="a:11800")],
    "SpangateBackendErrors": [
        Case([series("spangate_backend_requests_total", "0+30x60", backend="a:11800", code="UNAVAILABLE"),
              series("spangate_backend_requests_total", "0+90x60", backend="a:11800", code="OK")],
             [series("spangate_backend_requests_total", "0x60", backend="a:11800", code="UNAVAILABLE"),
              series("spangate_backend_requests_total", "0x60", backend="a:11800", code="OK")],
             value="25%", backend="a:11800")],
    "SpangateBufferFilling": [
        Case(used(99, 80) + capacity(100), used(99, 20) + capacity(100), value="80%", tier="disk"),
        Case(used(90, 0) + capacity(0), used(10, 0) + capacity(0), value="90%", tier="memory")],
    "SpangateBufferFullSoon": [
        Case([series("spangate_buffer_bytes", "0+1x60", tier="disk")] + capacity(60),
             [series("spangate_buffer_bytes", "0+1x60", tier="disk")] + capacity(6000), tier="disk")],
    "SpangateBackpressure": [
        Case([series("spangate_flow_control_paused_connections", "2x60")],
             [series("spangate_flow_control_paused_connections", "0 2 0 2 0x56")], value="2")],
    "SpangateMemoryNearLimit": [
        Case(*ratio("spangate_memory_used_bytes", "spangate_memory_limit_bytes", 90, 50), value="90%")],
    "SpangateSpoolErrors": [
        Case([series("spangate_spool_errors_total", "0x15 1x45")],
             [series("spangate_spool_errors_total", "4x60")]),
        Case([series("spangate_spool_errors_total", "1x60")],  # in the first scrape already
             [series("spangate_spool_errors_total", "0x60")], at="5m")],
    "SpangateSpoolCorrupt": [
        Case([series("spangate_spool_corrupt_records_total", "0x15 2x45")],
             [series("spangate_spool_corrupt_records_total", "0x60")]),
        Case([series("spangate_spool_corrupt_records_total", "7x60")],
             [series("spangate_spool_corrupt_records_total", "0x60")], at="0m")],
    "SpangateSpoolSlow": [Case(*slow("spangate_spool_sync_duration_seconds"))],
    "SpangateDiskSpace": [
        Case([series("spangate_spool_free_bytes", f"{GIB // 2}x60")] + capacity(100),
             [series("spangate_spool_free_bytes", "0x60")] + capacity(0), value="512Mi")],
    "SpangateDown": [Case([series("up", "0x60")], [series("up", "1x60")]),
                     Case([series("up", "0x60", job="prod/spangate")],
                          [series("up", "0x60", job="other")], job="prod/spangate")],
    "SpangateNotReady": [
        Case([series("spangate_not_ready_reason", "1x60", reason="spool")],
             [series("spangate_not_ready_reason", "0x60", reason="spool")], reason="spool")],
    "SpangateRestarts": [
        Case([series("process_start_time_seconds", "1 1 2 2 3 3 4x54")],
             [series("process_start_time_seconds", "1x60")], value="3")],
    "SpangateLoopStalls": [
        Case(*slow("spangate_event_loop_lag_seconds", loop="w0"), loop="w0")],
    "SpangateConnectionsRefused": [
        Case([series("spangate_connections_refused_total", "0+6x60", reason="auth")],
             [series("spangate_connections_refused_total", "0+6x60", reason="draining")], reason="auth")],
    "SpangateFileDescriptors": [
        Case(*ratio("process_open_fds", "process_max_fds", 90, 50), value="90%")],
    "SpangateReloadFailed": [
        Case([series("spangate_config_last_reload_successful", "0x60")],
             [series("spangate_config_last_reload_successful", "1x60")])],
    "SpangateConfigsDiffer": [
        Case([series("spangate_config_info", "1x120", hash="aa"),
              series("spangate_config_info", "1x120", hash="bb", instance="h:1234")],
             [series("spangate_config_info", "1x120", hash="aa"),
              series("spangate_config_info", "1x120", hash="aa", instance="h:1234")],
             at="90m", value="2", without=("instance",))],
    "SpangateCertificateEnds": [
        Case([series("spangate_tls_certificate_expiry_timestamp_seconds", "177000x120", file="/c.pem")],
             [series("spangate_tls_certificate_expiry_timestamp_seconds", "9000000x120", file="/c.pem")],
             at="70m", value="2d 0h 0m 0s", file="/c.pem")],
    "SpangateCertificateRefused": [
        Case([series("spangate_tls_last_reload_successful", "0x60", file="/c.pem")],
             [series("spangate_tls_last_reload_successful", "1x60", file="/c.pem")], file="/c.pem")],
    "SpangateLogErrors": [
        Case([series("spangate_log_messages_total", "0+6x60", level="error")],
             [series("spangate_log_messages_total", "0+6x60", level="warn")], level="error")],
    "SpangateInstancesFolded": [
        Case([series("spangate_series_overflow_total", "0x15 3x45", family="instance_segments_total")],
             [series("spangate_series_overflow_total", "3x60", family="instance_segments_total")],
             family="instance_segments_total")],
}


def written(annotation, case):
    text = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda m: case.labels[m[1]], annotation)
    return re.sub(r"\{\{ \$value(?: \| \w+)? \}\}", lambda m: case.value, text)


def expected(rule, case):
    annotations = {k: written(v, case) for k, v in rule["annotations"].items()}
    return [{"exp_labels": {**case.labels, **rule["labels"]}, "exp_annotations": annotations}]


def promtool_tests(rule, case):
    at = {"alertname": rule["alert"], "eval_time": case.at}
    return [{"interval": "1m", "input_series": case.sick,
             "alert_rule_test": [{**at, "exp_alerts": expected(rule, case)}]},
            {"interval": "1m", "input_series": case.well,
             "alert_rule_test": [{**at, "exp_alerts": []}]}]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_fires_and_is_silent(rule, tmp_path):
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (package prometheus)")
    tests = [test for case in CASES[rule["alert"]] for test in promtool_tests(rule, case)]
    file = tmp_path / "test.yaml"  # JSON is YAML
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_case_without_its_rule():
    assert set(CASES) == {rule["alert"] for rule in rules()}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_says_what_to_do(rule):
    notes = rule["annotations"]
    assert set(notes) == {"summary", "description", "runbook"}
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert len(notes["summary"]) < 100 and len(notes["description"]) > 60
    assert notes["runbook"] == f"/usr/share/doc/spangate/{RUNBOOKS.name}, {rule['alert']}"
    assert rule["alert"] in re.findall(r"^## (.+)$", RUNBOOKS.read_text(), re.M)


def test_no_runbook_without_its_alert():
    headings = re.findall(r"^## (Spangate\w+)$", RUNBOOKS.read_text(), re.M)
    assert headings == [rule["alert"] for rule in rules()], "in the order of the rules"


def test_only_metrics_that_exist():
    shown = subprocess.run([BINARY, "print", "metrics"], capture_output=True, text=True, check=True)
    families = set(re.findall(r"^\| `(\w+)` ", shown.stdout, re.M)) | {"up"}
    for rule in rules():
        for name in re.findall(r"\b(?:spangate|process)_\w+|\bup\b", rule["expr"]):
            plain = re.sub(r"_(bucket|sum|count)$", "", name)
            assert name in families or plain in families, f"{rule['alert']}: {name}"
