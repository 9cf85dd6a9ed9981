"""The dashboard's live view in a real browser, while segments come."""
# SPDX-License-Identifier: Apache-2.0
import os
import subprocess

import pytest

from script import Browser
from system_conftest import BINARY


@pytest.fixture
def load(gate):
    """Healthy and torn segments until the test is over."""
    process = subprocess.Popen([BINARY, "load", "--addr", gate.address, "--rate", "100", "--duration", "10m", "--instances", "4",
                                "--corrupt", "span-parent-missing:20%"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield
    process.kill()
    process.wait()


def test_an_sre_looks_on(gate, load, node):
    arguments = [f"http://{gate.admin}"]
    if "SPANGATE_SCREENSHOTS" in os.environ:
        arguments.append(os.environ["SPANGATE_SCREENSHOTS"])
    browser = Browser(node, "live.js", *arguments)
    try:
        for _ in ("an open segment", "a hidden page", "another page"):
            browser.read_until("wait")
            gate.wait_metric("tap_clients", 0)
            browser.go_on()
        browser.read_until("end")
        check_pages(browser)
        check_use(browser)
    finally:
        browser.process.kill()
        browser.process.wait()


def check_pages(browser):
    pages = browser.all("page")
    assert len(pages) == 8 and all(one["checks"] > 10 for one in pages)
    for one in pages:
        assert one["violations"] == [] and not one["overflow"], (one["page"], one["width"], one["violations"])
        assert "span-parent-missing" in one["text"]
    # Chromium's own words about the filter that is refused.
    assert all("status of 400" in one["console"] for one in browser.all("console"))
    assert browser.all("foreign") == []


def check_use(browser):
    assert browser.all("filtered")[0]["filtered"] == ["tagged"]
    assert browser.all("held")[0]["held"]
    opened = browser.all("opened")[0]
    assert opened["opened"].endswith(opened["wanted"]) and "its parent is missing" in opened["text"]
    assert browser.all("row")[0]["row"] == 1
    back = browser.all("paused")[0]
    assert back["paused"].startswith("Paused. ") and back["kept"]
    assert "filter, column" in browser.all("refused")[0]["refused"]
