"""Checks the reports that lint and ci write for other programs: SARIF 2.1.0 and JUnit."""
# SPDX-License-Identifier: Apache-2.0
# What SARIF demands is taken from the standard (OASIS, version 2.1.0), section by section; GitHub's
# and GitLab's readers ask for no more.
import json
import urllib.parse
import xml.etree.ElementTree as tree

LEVELS = {"none", "note", "warning", "error"}


def check_message(message):
    assert isinstance(message["text"], str) and message["text"]  # 3.11


def check_location(location):
    for logical in location.get("logicalLocations", []):  # 3.33
        assert logical["fullyQualifiedName"]
    physical = location.get("physicalLocation")  # 3.29
    if physical is not None:
        uri = physical["artifactLocation"]["uri"]
        assert urllib.parse.quote(uri, safe=":/%-._~") == uri, "no URI reference"
        region = physical.get("region", {})  # 3.30
        assert region.get("startLine", 1) >= 1
        assert ("byteLength" in region) == ("byteOffset" in region)


def check_result(result, rules):
    rule = rules[result["ruleIndex"]]  # 3.27.6
    assert rule["id"] == result["ruleId"]
    assert result["level"] in LEVELS and result["kind"] == "fail"  # 3.27.10: a level means kind fail
    check_message(result["message"])
    for location in result.get("locations", []):
        check_location(location)
    for name, value in result.get("partialFingerprints", {}).items():
        assert name and isinstance(value, str)


def check_invocation(invocation):
    assert isinstance(invocation["executionSuccessful"], bool)  # 3.20.14: required
    assert not ("exitCode" in invocation and "exitSignalNumber" in invocation)
    for note in invocation.get("toolExecutionNotifications", []):  # 3.58
        check_message(note["message"])
        assert note["level"] in LEVELS
        for location in note.get("locations", []):
            check_location(location)


def sarif(text):
    """The one run of the log."""
    def no_repeats(pairs):
        keys = [key for key, _ in pairs]
        assert len(keys) == len(set(keys)), f"a key twice: {keys}"
        return dict(pairs)

    log = json.loads(text, object_pairs_hook=no_repeats)
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-2.1.0.json")  # 3.13
    assert set(log) <= {"$schema", "version", "runs"}
    (run,) = log["runs"]
    assert set(run) <= {"tool", "results", "invocations", "columnKind"}
    driver = run["tool"]["driver"]  # 3.18, 3.19
    assert driver["name"] == "spangate" and driver["version"]
    rules = driver["rules"]
    ids = [rule["id"] for rule in rules]
    assert len(ids) == len(set(ids))  # 3.49.3
    for rule in rules:
        check_message(rule["shortDescription"])
        assert rule["defaultConfiguration"]["level"] in LEVELS
    for result in run["results"]:
        check_result(result, rules)
    for invocation in run["invocations"]:
        check_invocation(invocation)
    return run


def count(suite, name):
    return sum(len(case.findall(name)) for case in suite.iter("testcase"))


def junit(text):
    """{(suite, case): (outcome, message, text)}; the sums are what was counted."""
    root = tree.fromstring(text)
    assert root.tag == "testsuites"
    found = {}
    for suite in [root, *root]:
        assert int(suite.get("tests")) == len(list(suite.iter("testcase")))
        for attribute, element in (("failures", "failure"), ("errors", "error"),
                                   ("skipped", "skipped")):
            assert int(suite.get(attribute)) == count(suite, element)
    for suite in root:
        assert suite.tag == "testsuite" and suite.get("name")
        for case in suite:
            assert case.get("classname") == suite.get("name")
            outcome, message, inside = "passed", None, case.findtext("system-out")
            for child in case:
                if child.tag != "system-out":
                    outcome, message, inside = child.tag, child.get("message"), child.text
            key = (suite.get("name"), case.get("name"))
            assert key not in found
            found[key] = (outcome, message, inside)
    return found
