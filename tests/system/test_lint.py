"""The verb lint: forms of input, formats, filters and exit codes."""
# SPDX-License-Identifier: Apache-2.0
import json
import re
import subprocess

import pytest

import reports
import wire
from conftest import BINARY, ROOT

CORPUS = ROOT / "tests" / "corpus"
SEGMENT = {"traceId": "t", "traceSegmentId": "5be1-7", "service": "checkout", "serviceInstance": "i",
           "spans": [{"spanId": 0, "parentSpanId": -1, "operationName": "/in"},
                     {"spanId": 7, "parentSpanId": 5, "operationName": "GET /stock",
                      "spanType": "Exit"}]}


def lint(*arguments, stdin=b""):
    done = subprocess.run([BINARY, "lint", *map(str, arguments)], input=stdin,
                          capture_output=True, timeout=30)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("name", ["go", "java", "node", "python", "go-race-clean"])
def test_healthy_captures_pass(name):
    code, out, err = lint("--fail-on", "any", CORPUS / f"{name}.bin")
    assert (code, err) == (0, "")
    assert out.endswith("no findings\n")


def test_a_damaged_capture_fails_with_place_and_rule():
    code, out, err = lint(CORPUS / "go-race-corrupt.bin")
    assert (code, err) == (1, "")
    assert out.count("[proto-undecodable, proof]") == 3
    assert "go-race-corrupt.bin: byte 628: 667 bytes: quarantined\n" in out


def test_json_tells_the_same_to_programs():
    code, out, _ = lint("--format", "json", CORPUS / "go-race-corrupt.bin")
    told = json.loads(out)
    assert code == 1
    verdicts = [segment["verdict"] for segment in told["segments"]]
    assert verdicts == ["quarantined" if i in (0, 1, 4) else "repaired" for i in range(7)]
    assert told["summary"]["findings"] == {"proto-undecodable": 3, "tag-blank": 4,
                                           "tag-key-repeated-go": 2}


@pytest.mark.parametrize("text", [json.dumps(SEGMENT), json.dumps([SEGMENT]),
                                  json.dumps(SEGMENT) + "\n" + json.dumps(SEGMENT) + "\n"])
def test_json_input_on_standard_input(text):
    code, out, _ = lint("-", stdin=text.encode())
    assert code == 1
    assert "segment 5be1-7 of checkout i, 2 spans: tagged\n" in out
    assert ('span 7, parent 5, Exit "GET /stock": the parent is not in this segment '
            "[span-parent-missing, proof]\n") in out


def test_verbose_draws_the_tree():
    code, out, _ = lint("-v", "-", stdin=json.dumps(SEGMENT).encode())
    assert code == 1
    assert re.search(r"\n    0 Entry /in +no end\n    \?\? 5 is not in this segment\n"
                     r"       !! 7 Exit GET /stock +no end   parent 5 is not in this segment"
                     r"  \[span-parent-missing", out)


def test_rules_can_be_chosen():
    text = json.dumps(SEGMENT).encode()
    assert lint("--rule", "-span-parent-missing", stdin=text)[0] == 0
    assert lint("--rule", "+span-parent-missing", stdin=text)[0] == 1
    assert lint("--rule", "span-blank,span-id-negative", stdin=text)[0] == 0


def test_a_hint_fails_only_when_anything_shall():
    text = json.dumps(dict(SEGMENT, spans=SEGMENT["spans"][:1], service="")).encode()
    assert lint(stdin=text)[0] == 0
    assert lint("--fail-on", "any", stdin=text)[0] == 1


def test_the_agent_decides_about_strong_rules():
    spans = [dict(SEGMENT["spans"][0], spanId=number) for number in (0, 1)]
    text = json.dumps(dict(SEGMENT, spans=spans)).encode()
    assert lint(stdin=text)[0] == 0
    assert lint("--agent", "go", stdin=text)[0] == 1
    assert "[segment-multi-root, hint]" in lint(stdin=text)[1]


@pytest.mark.parametrize("arguments, code, words", [
    (["--rule", "span-parent-mising"], 64, 'did you mean "span-parent-missing"?'),
    (["--agent", "cobol"], 64, "--agent cobol"),
    (["--fail-on", "all"], 64, "--fail-on all"),
    (["/no/such/file"], 66, "/no/such/file: No such file or directory"),
])
def test_what_is_wrong_is_said(arguments, code, words):
    got, _, err = lint(*arguments)
    assert got == code
    assert words in err


@pytest.mark.parametrize("text, words", [
    (b"hello world", "not a known file of captured messages"),
    (b'{"spans": 5}', "spans"),
    (b"\x00\x00\x00\x04\x0a\x02ab\x00\x00\x00\x09\x0a\x07abc", "the file ends within message 2"),
])
def test_bad_input_is_exit_65(text, words):
    code, _, err = lint("-", stdin=text)
    assert code == 65
    assert words in err


def test_sarif_names_the_place_in_the_file():
    code, out, _ = lint("--format", "sarif", CORPUS / "go-race-corrupt.bin")
    assert code == 1
    run = reports.sarif(out)
    found = [result for result in run["results"] if result["ruleId"] == "proto-undecodable"]
    assert [result["level"] for result in found] == ["error"] * 3
    place = found[1]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == (CORPUS / "go-race-corrupt.bin").as_uri()
    assert place["region"] == {"byteOffset": 628, "byteLength": 667}
    assert run["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]


def test_sarif_names_the_span_and_the_line():
    text = json.dumps(SEGMENT) + "\n" + json.dumps(dict(SEGMENT, service="pay")) + "\n"
    run = reports.sarif(lint("--format", "sarif", "-", stdin=text.encode())[1])
    first, second = [r for r in run["results"] if r["ruleId"] == "span-parent-missing"]
    assert first["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "checkout/i/5be1-7/7"
    assert second["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "pay/i/5be1-7/7"
    assert second["locations"][0]["physicalLocation"]["region"] == {"startLine": 2}
    assert first["message"]["text"] == ('span 7, parent 5, Exit "GET /stock": the parent is not in this '
                                        "segment [span-parent-missing, proof]")
    assert first["partialFingerprints"] != second["partialFingerprints"]


def test_sarif_tells_what_could_not_be_read(tmp_path):
    bad = tmp_path / "b\u00e4d file.bin"
    bad.write_bytes(b"hello world")
    code, out, _ = lint("--format", "sarif", bad, CORPUS / "go.bin")
    assert code == 65
    (invocation,) = reports.sarif(out)["invocations"]
    assert not invocation["executionSuccessful"]
    (note,) = invocation["toolExecutionNotifications"]
    assert "not a known file of captured messages" in note["message"]["text"]
    assert note["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == bad.as_uri()


def test_junit_has_one_case_a_rule_and_file():
    code, out, _ = lint("--format", "junit", CORPUS / "go-race-corrupt.bin", CORPUS / "go.bin")
    assert code == 1
    cases = reports.junit(out)
    sick, well = str(CORPUS / "go-race-corrupt.bin"), str(CORPUS / "go.bin")
    outcome, message, inside = cases[sick, "proto-undecodable"]
    assert outcome == "failure" and message.endswith("(3)")
    assert inside.count("[proto-undecodable, proof]") == 3
    assert {outcome for (suite, _), (outcome, _, _) in cases.items() if suite == well} == {"passed"}
    assert {name for suite, name in cases if suite == sick} == {name for suite, name in cases
                                                               if suite == well}


def test_junit_shows_ten_examples_and_counts_all():
    text = "\n".join(json.dumps(SEGMENT) for _ in range(12))
    cases = reports.junit(lint("--format", "junit", stdin=text.encode())[1])
    outcome, message, inside = cases["standard input", "span-parent-missing"]
    assert outcome == "failure" and message.endswith("(12)")
    assert inside.count('Exit "GET /stock"') == 10 and inside.endswith("and 2 more\n")


def test_junit_fails_by_a_hint_only_when_anything_shall():
    text = json.dumps(dict(SEGMENT, spans=SEGMENT["spans"][:1], service="")).encode()
    key = ("standard input", "service-empty")
    assert reports.junit(lint("--format", "junit", stdin=text)[1])[key][0] == "passed"
    told = reports.junit(lint("--format", "junit", "--fail-on", "any", stdin=text)[1])
    assert told[key][0] == "failure"


def test_junit_shows_what_could_not_be_read():
    code, out, _ = lint("--format", "junit", "/no/such/file", stdin=b"")
    assert code == 66
    assert reports.junit(out)["/no/such/file", "readable"] == (
        "error", "not all of it can be read", "/no/such/file: No such file or directory\n")


@pytest.mark.parametrize("form", ["json", "sarif", "junit"])
def test_strangers_bytes_break_no_report(form):
    """Control characters, markup, bad UTF-8 and noncharacters in every name."""
    name = b'<&">]]>\x00\x1b\xc3\x28\xef\xbf\xbe\xef\xbf\xbf\xed\xa0\x80\n{0}'
    spans = [wire.span(7, 5, name=name), wire.span(0, -1, name=name)]
    segment = wire.segment(spans=spans, service=name, instance=name, segment_id=b"5be1-7")
    code, out, _ = lint("--format", form, "--fail-on", "any", stdin=segment)
    assert code == 1
    if form == "junit":
        assert any(outcome == "failure" for outcome, _, _ in reports.junit(out).values())
    elif form == "sarif":
        assert reports.sarif(out)["results"]
    else:
        assert json.loads(out)["segments"][0]["findings"]


def test_a_directory_stands_for_its_files(tmp_path):
    inner = tmp_path / "b" / "c"
    inner.mkdir(parents=True)
    (inner / "sick.bin").write_bytes((CORPUS / "go-race-corrupt.bin").read_bytes())
    (tmp_path / "a.bin").write_bytes((CORPUS / "go.bin").read_bytes())
    (tmp_path / ".hidden").write_bytes(b"hello world")
    (tmp_path / "ManagementService.keepAlive.bin").write_bytes(b"\x00\x00\x00\x02\x0a\x00")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    code, out, err = lint("-v", "--format", "junit", tmp_path)
    assert code == 1
    suites = list(dict.fromkeys(suite for suite, _ in reports.junit(out)))
    assert suites == [f"{tmp_path}/a.bin", f"{tmp_path}/b/c/sick.bin"]
    assert "keepAlive.bin: holds no segments, passed over" in err
    assert lint(f"{tmp_path}/b/")[1].startswith(f"{tmp_path}/b/c/sick.bin: byte ")


def test_the_worst_of_many_files_decides(tmp_path):
    (tmp_path / "bad.bin").write_bytes(b"hello world")
    assert lint(CORPUS / "go.bin", CORPUS / "java.bin")[0] == 0
    assert lint(CORPUS / "go.bin", CORPUS / "go-race-corrupt.bin")[0] == 1
    assert lint(CORPUS / "go-race-corrupt.bin", tmp_path)[0] == 65
