"""Who reports: what an instance says of itself with the shape of its ids, and its service."""
# SPDX-License-Identifier: Apache-2.0
import pytest

import wire
from conftest import stream, unary, wait_until

COLLECT = "/skywalking.v3.TraceSegmentReportService/collect"
REPORT = "/skywalking.v3.ManagementService/reportInstanceProperties"
GO_ID = "0123456789ab1def0123456789abcdef.42.400175359998%05d"


def properties(language):
    return (wire.text(1, "shop") + wire.text(2, "shop-1") +
            wire.text(3, wire.pair("language", language)))


def two_roots(number):
    one = GO_ID % number
    return wire.segment([wire.span(1, -1), wire.span(0, -1)], segment_id=one, trace_id=one)


@pytest.mark.parametrize("language, label", [("go", "strong"), ("python", "hint"), (None, "hint")])
def test_a_strong_rule_needs_both_witnesses(start, backend, language, label):
    gate = start()
    channel = gate.channel()
    if language:
        unary(channel, REPORT, properties(language))
    stream(channel, COLLECT, [two_roots(1)])
    wait_until(lambda: len(backend.segments()) == 1, "the segment")
    findings = {name: value for name, value in gate.metrics().items()
                if 'rule="segment-multi-root"' in name and value}
    assert list(findings.values()) == [1] and f'class="{label}"' in list(findings)[0]
    is_tagged = b"sw.proxy.integrity" in backend.segments()[0]
    assert is_tagged == (label == "strong")
    gate.wait_settled()


def test_a_service_may_have_a_mode_of_its_own(start, backend):
    gate = start('integrity.services=[{"match": "legacy-*", "mode": "observe"}]')
    sick = [wire.span(0, -1), wire.span(2, 1)]
    stream(gate.channel(), COLLECT, [wire.segment(sick, service="shop"),
                                     wire.segment(sick, service="legacy-shop")])
    wait_until(lambda: len(backend.segments()) == 2, "both segments")
    tagged = {wire.last(s, 4): b"sw.proxy.integrity" in s for s in backend.segments()}
    assert tagged == {b"shop": True, b"legacy-shop": False}
    assert gate.metric("integrity_findings_total", rule="span-parent-missing") == 2
