"""The real browser agent in real Chromium, on a page of another origin, reports through spangate's 12800."""
# SPDX-License-Identifier: Apache-2.0
import base64
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import threading

import pytest

import described
import wire
from system_conftest import ROOT, Spangate, wait_until

HERE = pathlib.Path(__file__).resolve().parent
PARTS = ROOT / "build" / "agents" / "browser"
HTTP = "listen.http.address=127.0.0.1:0"
SERVICE, VERSION, PAGE = "shop-browser", "v7", "/shop"
PATIENCE_S = float(os.environ.get("SPANGATE_TEST_PATIENCE", "60"))


class Shop(http.server.BaseHTTPRequestHandler):
    """The page, the agent's own script, and what the page calls; remembers the header sw8."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.partition("?")[0]
        length = int(self.headers.get("Content-Length", 0))
        self.rfile.read(length)
        if self.headers.get("sw8"):
            self.server.propagated.append(self.headers["sw8"])
        agent = PARTS / "node_modules" / "skywalking-client-js" / "lib" / "index.js"
        pages = {
            "/": (200, "text/html", (HERE / "page.html").read_bytes),
            "/agent.js": (200, "text/javascript", agent.read_bytes),
            "/settings.js": (200, "text/javascript",
                             lambda: f'const GATE = "http://{self.server.gate.http}";'.encode()),
            "/orders": (200, "text/plain", lambda: f"ordered {self.path.partition('=')[2]}".encode()),
            "/broken": (500, "text/plain", lambda: b"out of tea"),
        }
        status, kind, body = pages.get(path, (404, "text/plain", lambda: b"nothing here"))
        body = body()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


class Visit:
    """Chromium on the page, step by step."""

    def __init__(self, url, directory):
        self.process = subprocess.Popen(
            ["node", str(HERE / "visit.js"), shutil.which("chromium"), url, str(directory)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "NODE_PATH": str(PARTS / "node_modules")})
        self.wait()

    def wait(self):
        line = self.process.stdout.readline()
        assert line == "done\n", line + self.process.stderr.read()

    def step(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        self.wait()

    def end(self):
        """What the browser saw."""
        out, errors = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0, errors
        return json.loads(out)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Scene:
    def __init__(self, directory, *sets):
        self.sink = directory / "sink"
        self.directory = directory
        self.gate = Spangate(HTTP, *sets, flags=[f"--sink={self.sink}"])
        self.shop = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
        self.shop.gate, self.shop.propagated = self.gate, []
        threading.Thread(target=self.shop.serve_forever, daemon=True).start()
        self.origin = f"http://127.0.0.1:{self.shop.server_address[1]}"
        self.classes = described.message_classes(directory)
        self.visit = None

    def open(self):
        self.visit = Visit(self.origin + "/", self.directory)
        return self.visit

    def messages(self, kind, method):
        return [self.classes[kind].FromString(m) for m in described.sink_messages(self.sink, method)]

    def segments(self):
        found = described.sink_messages(self.sink, "TraceSegmentReportService.collect")
        for one in described.sink_messages(self.sink, "TraceSegmentReportService.collectInSync"):
            found += wire.every(one, 1)
        return [self.classes["SegmentObject"].FromString(m) for m in found]

    def errors(self):
        return self.messages("BrowserErrorLog", "BrowserPerfService.collectErrorLogs")

    def end(self):
        if self.visit:
            self.visit.kill()
        self.shop.shutdown()
        self.shop.server_close()
        code = self.gate.end()
        assert code == 0 and self.gate.find(r"^ledger .*imbalance (-?\d+)") == "0", self.gate.lines


def skip_without_parts():
    for program in ("chromium", "node"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if not (PARTS / "ready").exists():
        pytest.skip("the browser agent is not there: make check-browser fetches it")


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """One whole visit; what the browser saw of it is kept in seen."""
    skip_without_parts()
    one = Scene(tmp_path_factory.mktemp("browser"))
    try:
        visit = one.open()
        visit.step("click", "fetch", "ordered fetch")
        visit.step("click", "xhr", "ordered xhr")
        visit.step("click", "fails", "broken: 500")
        visit.step("click", "throws", "throws")
        visit.step("click", "rejects", "rejects")
        wait_until(lambda: len(one.segments()) >= 2, "segments sent while the page is open", PATIENCE_S)
        wait_until(lambda: one.messages("BrowserWebVitalsPerfData",
                                        "BrowserPerfService.collectWebVitalsPerfData"), "web vitals", PATIENCE_S)
        # The agent's own segment of that report is made when its answer has come.
        wait_until(lambda: len(one.segments()) >= 4, "a segment of each call", PATIENCE_S)
        visit.step("leave")
        one.seen = visit.end()
        yield one
    finally:
        one.end()


def is_ours(message):
    return (message.service, message.serviceVersion, message.pagePath) == (SERVICE, VERSION, PAGE)


def test_load_times_arrive(scene):
    """Of the page, its vitals, its resources and what was done with it."""
    for kind, method in (("BrowserPerfData", "collectPerfData"),
                         ("BrowserWebVitalsPerfData", "collectWebVitalsPerfData"),
                         ("BrowserResourcePerfData", "collectResourcePerfData"),
                         ("BrowserWebInteractionsPerfData", "collectWebInteractionsPerfData")):
        found = wait_until(lambda: scene.messages(kind, f"BrowserPerfService.{method}"), kind)
        assert all(map(is_ours, found)), found
    perf = scene.messages("BrowserPerfData", "BrowserPerfService.collectPerfData")
    assert len(perf) == 1 and perf[0].loadPageTime > 0
    resources = scene.messages("BrowserResourcePerfData", "BrowserPerfService.collectResourcePerfData")
    assert any(r.name.endswith("/agent.js") and r.size > 10000 for r in resources), resources


def test_errors_arrive(scene):
    expected = {("js", "the till is ünlocked"), ("promise", "no tea left"), ("ajax", "500"),
                ("resource", "missing.png")}

    def found():
        names = scene.classes["BrowserErrorLog"].DESCRIPTOR.fields_by_name["category"].enum_type
        return {pair for e in scene.errors() for pair in expected
                if names.values_by_number[e.category].name == pair[0]
                and pair[1] in e.message + e.stack + e.errorUrl}
    wait_until(lambda: found() == expected, "four errors")
    assert all(map(is_ours, scene.errors()))


def url_of(segment):
    return {t.key: t.value for t in segment.spans[0].tags}["url"]


def test_segments_arrive_and_join_what_the_shop_was_told(scene):
    """Each call of the page is a segment with one exit span; the shop got its ids in the header sw8.

    The agent traces its own report of web vitals too: a header that the preflight has to allow."""
    urls = {f"{scene.origin}/orders?by=fetch": False, f"{scene.origin}/orders?by=xhr": False,
            f"{scene.origin}/broken": True, f"http://{scene.gate.http}/browser/perfData/webVitals": False}
    segments = scene.segments()
    assert {(s.service, s.serviceInstance) for s in segments} == {(SERVICE, VERSION)}
    assert all(len(s.spans) == 1 and s.spans[0].spanType == 1 for s in segments)
    assert {url_of(s): s.spans[0].isError for s in segments} == urls
    told = {tuple(base64.b64decode(part).decode() for part in header.split("-")[1:3])
            for header in scene.shop.propagated}
    assert told == {(s.traceId, s.traceSegmentId) for s in segments
                    if url_of(s).startswith(scene.origin)}


def test_the_browser_let_every_report_through(scene):
    """Every one was cross-origin and had a preflight; a refusal would show in the console."""
    posts = [(url, status) for method, url, status in scene.seen["requests"]
             if method == "POST" and scene.gate.http in url]
    assert len(posts) >= 3 and {status for _, status in posts} == {200}, scene.seen
    assert not [text for _, text in scene.seen["console"] if "CORS" in text], scene.seen
    assert not [one for one in scene.seen["failed"] if scene.gate.http in one[1]], scene.seen
    assert scene.gate.metric("http_requests_total", code="204") >= 3
    assert scene.gate.metric("http_requests_total") == \
        scene.gate.metric("http_requests_total", code="200") + \
        scene.gate.metric("http_requests_total", code="204")


def test_nothing_above_a_hint_was_found(scene):
    found = {sample: value for sample, value in scene.gate.metrics().items()
             if sample.startswith("spangate_integrity_findings_total") and value
             and 'class="hint"' not in sample}
    assert found == {}
    assert scene.gate.metric("items_quarantined_total") == 0
    assert scene.gate.metric("segments_total", verdict="tagged") == 0
    scene.gate.wait_settled()


def test_a_page_that_is_not_listed_reports_nothing(tmp_path):
    """Chromium is refused the preflight and says so; the page itself works on."""
    skip_without_parts()
    scene = Scene(tmp_path, "listen.http.cors_origins=https://another.example")
    try:
        visit = scene.open()
        visit.step("click", "fetch", "ordered fetch")
        wait_until(lambda: scene.gate.metric("http_requests_total", code="403") >= 1, "a refusal")
        visit.step("leave")
        seen = visit.end()
        assert any("CORS" in text for _, text in seen["console"]), seen
        assert scene.gate.metric("items_accepted_total") == 0
    finally:
        scene.end()
