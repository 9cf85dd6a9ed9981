"""The dashboard in a real browser: what an SRE sees, finds and does."""
# SPDX-License-Identifier: Apache-2.0
import json
import os
import subprocess
import urllib.request

from script import Browser
from system_conftest import BINARY, PATIENCE, stream, wait_until
import wire

COLLECT = "/skywalking.v3.TraceSegmentReportService/collect"
TOKEN = "correct-horse"
MARKUP = "<img src=x onerror=alert(1)>"
RULES = {"span-parent-missing": "quarantine"}


def api(admin, path):
    with urllib.request.urlopen(f"http://{admin}{path}", timeout=PATIENCE) as answer:
        return json.load(answer)


def load(gate):
    """Three languages; the Go service is ill."""
    subprocess.run([BINARY, "load", "--addr", gate.address, "--rate", "300", "--duration", "4s",
                    "--instances", "8", "--corrupt", "span-parent-missing:5%", "--corrupt",
                    "proto-undecodable:2%", "--corrupt", "span-blank:5%"], check=True, capture_output=True)
    stream(gate.channel(), COLLECT, [wire.segment(service=MARKUP)])


def test_an_sre_finds_the_sick_service_and_acts(start, backend, node, tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    os.chmod(tmp_path / "token", 0o600)
    gate = start("admin.address=127.0.0.1:0", f"admin.token_file={tmp_path / 'token'}",
                 f"integrity.actions={json.dumps(RULES)}")
    admin = gate.find(r"admin http://([^/\s]+)/")
    load(gate)
    wait_until(lambda: any(one["diagnoses"] for one in api(admin, "/api/v1/instances")["instances"]),
               "a diagnosis")
    item = api(admin, "/api/v1/quarantine?limit=1&rule=span-parent-missing")["items"][0]["id"]
    arguments = [f"http://{admin}", item, TOKEN]
    if "SPANGATE_SCREENSHOTS" in os.environ:
        arguments.append(os.environ["SPANGATE_SCREENSHOTS"])
    browser = Browser(node, "dashboard.js", *arguments)
    try:
        browser.read_until("wait")
        check_pages(browser, item)
        check_acts(browser, admin, item)
        check_orders(browser, admin, backend)
        gate_goes_down(browser, gate, backend)
    finally:
        browser.process.kill()
        browser.process.wait()


def check_pages(browser, item):
    pages = browser.all("page")
    assert len(pages) == 24 and all(one["checks"] > 10 for one in pages)
    for one in pages:
        assert one["violations"] == [] and not one["overflow"], (one["page"], one["width"], one["violations"])
    texts = {one["page"]: one["text"] for one in pages}
    assert "checkout-go" in texts["overview"] and "D1 memory race" in texts["overview"]
    assert "Next:" in texts["overview"] and "0, balanced" in texts["overview"]
    assert "1 of 1 up" in texts["overview"] and MARKUP in texts["instances"]
    tree = texts[f"quarantine/{item}"]
    assert "is not in this segment" in tree and "its parent is missing" in tree
    assert "integrity.actions" in texts["config"] and TOKEN not in texts["config"]


def check_acts(browser, admin, item):
    removed = browser.all("removed")[0]
    assert removed["told"] == "removed"
    left = {one["id"] for one in api(admin, "/api/v1/quarantine?limit=1000")["items"]}
    assert removed["removed"] not in left and item not in left
    assert browser.all("replayed")[0]["told"] == "replayed"
    assert browser.all("refused")[0]["told"].startswith("refused: ")
    assert browser.all("row")[0]["row"] == 2


def order(admin, *paths):
    for path in paths:
        asked = urllib.request.Request(f"http://{admin}/api/v1/{path}", method="POST", headers={"Authorization": f"Bearer {TOKEN}"})
        urllib.request.urlopen(asked, timeout=PATIENCE).close()


def check_orders(browser, admin, backend):
    """What operators have ordered stands where an SRE looks first."""
    assert browser.all("wait")[-1]["wait"] == "pause, disable"
    order(admin, "pause", f"backends/{backend.address}/disable")
    browser.go_on()
    assert browser.read_until("wait")["wait"] == "resume, enable"
    assert browser.all("paused")[0]["paused"].endswith("ready, paused")
    assert "1 disabled" in browser.all("paused")[0]["flow"]
    assert "disabled: no new calls" in browser.all("disabled")[0]["disabled"]
    order(admin, "resume", f"backends/{backend.address}/enable")
    browser.go_on()
    assert browser.read_until("wait")["wait"] == "drain"
    order(admin, "drain")
    browser.go_on()
    assert browser.read_until("wait")["wait"] == "undrain, backend down"
    assert "draining" in browser.all("draining")[0]["draining"]
    order(admin, "undrain")


def gate_goes_down(browser, gate, backend):
    backend.stop()
    browser.go_on()
    assert browser.read_until("wait")["wait"] == "gate down"
    backend.start()
    assert gate.end() == 0
    browser.go_on()
    assert "connection lost" in browser.read_until("link")["link"]
    browser.read_until("end")
    assert browser.all("console") == [] and browser.all("foreign") == []
