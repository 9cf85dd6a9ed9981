"""The verb lint: forms of input, formats, filters and exit codes."""
# SPDX-License-Identifier: Apache-2.0
import json
import subprocess

import pytest

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
    assert [segment["index"] for segment in told["segments"]] == [0, 1, 4]
    assert told["summary"]["segments"] == 7
    assert told["summary"]["findings"] == {"proto-undecodable": 3}


@pytest.mark.parametrize("text", [json.dumps(SEGMENT), json.dumps([SEGMENT]),
                                  json.dumps(SEGMENT) + "\n" + json.dumps(SEGMENT) + "\n"])
def test_json_input_on_standard_input(text):
    code, out, _ = lint("-", stdin=text.encode())
    assert code == 1
    assert "segment 5be1-7 of checkout i, 2 spans: tagged\n" in out
    assert ('span 7, parent 5, Exit "GET /stock": the parent is not in this segment '
            "[span-parent-missing, proof]\n") in out


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
