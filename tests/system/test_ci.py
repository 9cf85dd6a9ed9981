"""The verb ci: a command behind a private gate, and what is said of it."""
# SPDX-License-Identifier: Apache-2.0
import os
import pathlib
import pty
import re
import select
import shlex
import signal
import subprocess
import sys

import pytest

import reports
from conftest import BINARY, PATIENCE, wait_until

AGENT = [sys.executable, str(pathlib.Path(__file__).with_name("ci_agent.py"))]
SHELL_AGENT = shlex.join(AGENT)
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("SPANGATE_", "SW_"))}


def ci(*arguments, stdin="", **variables):
    """In a process group of its own, so that nothing of a run that hangs is left behind."""
    process = subprocess.Popen([BINARY, "ci", *map(str, arguments)], stdin=subprocess.PIPE, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
                               env={**ENVIRONMENT, **variables})
    try:
        out, err = process.communicate(stdin, timeout=4 * PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return process.returncode, out, err


def shell(script):
    return ["--", "sh", "-c", script]


def test_a_healthy_program_is_clean():
    code, out, err = ci("--", *AGENT, "well", 3)
    assert (code, err) == (0, ""), out
    assert re.search(r"^shop  \w+@127\.0\.0\.1 \(go\)  3 segments, 6 spans, 1 other message$", out, re.M)
    assert out.endswith("RESULT    good: clean: 3 segments judged, nothing that counts found\n")
    assert "!!" not in out and "RESTARTS" not in out


def test_quiet_says_nothing_of_a_clean_run():
    assert ci("-q", "--", *AGENT, "well") == (0, "", "")
    assert "RESULT    NOT GOOD" in ci("-q", "--", *AGENT, "sick")[1]


def test_a_sick_program_fails_with_the_tree_of_one_example():
    code, out, _ = ci("--", *AGENT, "sick", 4)
    assert code == 1
    assert "  !!      4  span-parent-missing [proof]: the parent is not in this segment\n" in out
    assert re.search(r"segment \w{32}, trace \w{32}, 3 spans, tagged\n"
                     r" +0 Entry /checkout +40ms\n"
                     r" +\|- 1 Exit mysql/SELECT to mysql:3306 +40ms\n"
                     r" +\?\? 5 is not in this segment\n"
                     r" +!! 7 Exit GET /stock to stock:80 +40ms   parent 5 is not in this segment"
                     r"  \[span-parent-missing\]\n", out)
    assert out.count("GET /stock") == 1
    assert out.endswith("RESULT    NOT GOOD: 4 findings of corruption or backend poison\n")


def test_bytes_that_are_no_message_are_told_of_their_sender():
    code, out, _ = ci("--", *AGENT, "broken", SHOP_INSTANCE="shop-1")
    assert code == 1
    of_shop = out[out.index("shop  shop-1"):]
    assert "proto-undecodable [proof]" in of_shop
    assert "a message of 4 bytes to /skywalking.v3.TraceSegmentReportService/collect" in of_shop


@pytest.mark.parametrize("mode, flags, code", [
    ("poison", [], 1), ("poison", ["--fail-on", "corrupt"], 0), ("poison", ["--fail-on", "any"], 1),
    ("hint", [], 0), ("hint", ["--fail-on", "any"], 1),
    ("sick", ["--fail-on", "corrupt"], 1), ("sick", ["--rule", "-span-parent-missing"], 0),
])
def test_what_fails_a_run_can_be_chosen(mode, flags, code):
    got, out, _ = ci(*flags, "--", *AGENT, mode)
    assert got == code, out


def test_a_run_without_agents_is_not_clean():
    code, out, _ = ci("--", "true")
    assert code == 1
    assert "No agent reported a segment." in out
    assert "no verdict on the traces: 0 segments arrived, --min-segments is 1" in out
    assert "clean" not in out
    code, out, _ = ci("--min-segments", 0, "--", "true")
    assert code == 0 and "clean" not in out
    assert ci("--min-segments", 4, "--", *AGENT, "well", 3)[0] == 1
    assert ci("--min-segments", 3, "--", *AGENT, "well", 3)[0] == 0


@pytest.mark.parametrize("end", ["exit 0", "exit 7"])
def test_a_crash_loop_is_found_whatever_the_supervisor_says(end):
    script = f"for life in 1 2 3 4 5; do {SHELL_AGENT} die; done; {end}"
    code, out, _ = ci(*shell(script))
    assert code == 1
    assert re.search(r"^RESTARTS  shop on builder: 5 processes registered one strictly after "
                     r"another; the longest life was \d+\.\d s, the most that one reported 1 segment$",
                     out, re.M)
    words = " ".join(out.split())
    assert "D2 crash loop of a -race build: The program starts" in words
    assert "holds only for agents <= 0.5.0" in words and "Next: Build without -race" in words
    assert "not why they ended" in out
    assert "NOT GOOD: it looks like a crash loop" in out
    assert ("the command itself failed: exit 7" in out) == (end == "exit 7")


def test_a_loop_of_another_language_is_no_race_build():
    script = f"for life in 1 2 3 4; do {SHELL_AGENT} die 0; done"
    code, out, _ = ci("--min-segments", 0, *shell(script), SHOP_LANGUAGE="python")
    assert code == 1
    assert "D3 crash loop: " in out and "D2" not in out and "-race" not in out


def test_a_fixed_instance_name_hides_no_loop():
    script = f"for life in 1 2 3 4; do {SHELL_AGENT} die; done"
    code, out, _ = ci(*shell(script), SHOP_INSTANCE="shop-1")
    assert code == 1
    assert "4 processes registered" in out


def test_restarts_that_are_meant_can_be_allowed():
    script = f"for life in 1 2 3 4; do {SHELL_AGENT} die; done; true"
    for flags in (["--restarts", 0], ["--restarts", 4]):
        code, out, _ = ci(*flags, *shell(script))
        assert code == 0, out
        assert "RESTARTS  shop on builder: 4 processes registered" in out
    assert ci(*shell(f"for life in 1 2 3; do {SHELL_AGENT} die; done; true"))[0] == 0


def test_programs_that_report_one_after_another_are_no_loop():
    """As the packages of a test suite: each does its work."""
    code, out, _ = ci(*shell(f"for package in 1 2 3 4 5; do {SHELL_AGENT} well 4; done"))
    assert code == 0, out
    assert "RESTARTS  shop on builder: 5 processes registered" in out
    assert "D2" not in out and "D3" not in out


def test_workers_side_by_side_are_no_loop(tmp_path):
    """All live until the last has registered."""
    start = "".join(f"LINGER={tmp_path}/{i} {SHELL_AGENT} silent >/dev/null 2>&1 & " for i in range(5))
    ready = " && ".join(f"test -e {tmp_path}/{i}" for i in range(5))
    script = f"{start} until {ready}; do sleep 0.05; done; kill $(cat {tmp_path}/[0-4]); wait"
    code, out, _ = ci(*shell(script))
    assert code == 0, out
    assert "from 5 instances" in out and "RESTARTS" not in out


def test_the_commands_own_failure_is_its_exit_code():
    code, out, _ = ci(*shell(f"{SHELL_AGENT} well; exit 3"))
    assert code == 3
    assert "RESULT    NOT GOOD: the command itself failed: exit 3; 1 segment judged, nothing" in out
    code, out, _ = ci(*shell(f"{SHELL_AGENT} well; kill -SEGV $$"))
    assert code == 128 + signal.SIGSEGV
    assert "killed by signal 11 (Segmentation fault)" in out
    assert ci(*shell(f"{SHELL_AGENT} sick; exit 3"))[0] == 1


def test_the_standard_streams_are_the_commands():
    code, out, err = ci("--min-segments", 0, *shell("cat; echo aside >&2"), stdin="through\n")
    assert code == 0
    assert out.startswith("through\n") and err == "aside\n"


def test_the_command_runs_as_without_us():
    """No descriptor, limit, blocked or ignored signal of the gate is left to it."""
    script = ("import os, resource, sys; print(sorted(map(int, os.listdir('/proc/self/fd')))[:4], "
              "resource.getrlimit(resource.RLIMIT_NOFILE), "
              "[l for l in open('/proc/self/status') if l.startswith(('SigBlk', 'SigIgn'))])")
    command = [sys.executable, "-c", script]
    alone = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, input="",
                           env=ENVIRONMENT, check=True).stdout
    assert ci("--min-segments", 0, "-q", "--", *command)[1] == alone


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_are_passed_on(number):
    script = ("import signal, sys; signal.signal(int(sys.argv[1]), lambda n, f: sys.exit(40)); "
              "print('ready', flush=True); signal.pause()")
    process = subprocess.Popen([BINARY, "ci", "--", sys.executable, "-c", script, str(int(number))],
                               stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, _ = process.communicate(timeout=2 * PATIENCE)
    assert process.returncode == 40, out
    assert "the command itself failed: exit 40" in out


def test_a_key_of_the_terminal_reaches_the_command_once():
    """The terminal gives it to both; ours is passed on before the signal that follows it."""
    script = ("import os, signal\nn = 0\n"
              "def count(*_):\n    global n\n    n += 1\n    print('interrupted', flush=True)\n"
              "def end(*_):\n    print('in all', n, flush=True)\n    os._exit(41)\n"
              "signal.signal(signal.SIGINT, count)\nsignal.signal(signal.SIGUSR1, end)\n"
              "print('ready', flush=True)\nwhile True:\n    signal.pause()\n")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(BINARY, [BINARY, "ci", "--", sys.executable, "-c", script], ENVIRONMENT)
    seen = b""

    def read_until(word):
        nonlocal seen
        while word not in seen:
            assert select.select([terminal], [], [], PATIENCE)[0], seen
            seen += os.read(terminal, 4096)

    try:
        read_until(b"ready")
        os.write(terminal, b"\x03")
        read_until(b"interrupted")
        os.kill(pid, signal.SIGUSR1)
        read_until(b"--min-segments is 1\r\n")  # the last line
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(terminal)
    assert b"in all 1\r\n" in seen
    assert code == 41


@pytest.mark.parametrize("mode, flags, is_settled", [
    ("linger", ["--settle", "300ms"], False), ("silent", [], True)])
def test_agents_that_outlive_the_command_do_not_hold_it_up(tmp_path, mode, flags, is_settled):
    pid_file = tmp_path / "pid"
    script = f"{SHELL_AGENT} {mode} >/dev/null 2>&1 & until test -e {pid_file}; do sleep 0.05; done"
    try:
        code, out, _ = ci(*flags, *shell(script), LINGER=str(pid_file))
    finally:
        wait_until(pid_file.exists, "the agent's process number")
        os.kill(int(pid_file.read_text()), signal.SIGKILL)
    assert code == 0, out
    assert ("agents were still sending when --settle was over" in out) != is_settled


@pytest.mark.parametrize("arguments, code, words", [
    ([], 64, "needs -- COMMAND"),
    (["--fail-on", "all", "--", "true"], 64, "--fail-on all"),
    (["--rule", "span-blanc", "--", "true"], 64, 'did you mean "span-blank"?'),
    (["--settle", "5", "--", "true"], 64, "--settle"),
    (["--", "/no/such/command"], 66, "/no/such/command: No such file or directory"),
    (["--", "/etc/passwd"], 77, "/etc/passwd: Permission denied"),
    (["--junit", "/no/such/directory/x.xml", "--", "true"], 74, "/no/such/directory/x.xml"),
    (["--set", "limits.memory=5", "--", "true"], 78, "limits.memory"),
])
def test_what_is_wrong_is_said_before_anything_runs(arguments, code, words):
    got, out, err = ci(*arguments)
    assert (got, out) == (code, "")
    assert words in err


def test_a_failed_start_runs_no_command(tmp_path):
    assert ci("--set", "limits.memory=5", "--", "touch", tmp_path / "ran")[0] == 78
    assert not (tmp_path / "ran").exists()


def test_junit_tells_ci_systems(tmp_path):
    path = tmp_path / "traces.xml"
    code, out, _ = ci("--junit", path, "--", *AGENT, "sick", 2, SHOP_INSTANCE="<a&b>\x01")
    assert code == 1 and "RESULT" in out
    cases = reports.junit(path.read_text())
    suite = "shop <a&b>\\x01"
    outcome, message, inside = cases[suite, "span-parent-missing"]
    assert (outcome, message) == ("failure", "the parent is not in this segment (2)")
    assert "!! 7 Exit GET /stock" in inside
    assert cases[suite, "span-id-duplicate"] == ("passed", None, None)
    assert cases["run", "command"][0] == cases["run", "agents-reported"][0] == "passed"
    assert cases["run", "no-crash-loop"][0] == "passed"


def test_junit_tells_what_is_no_finding():
    script = f"for life in 1 2 3 4; do {SHELL_AGENT} die 0; done; exit 9"
    code, out, _ = ci("--format", "junit", *shell(script))
    assert code == 1
    cases = reports.junit(out)
    assert cases["run", "command"][:2] == ("error", "exit 9")
    assert cases["run", "agents-reported"][0] == "failure"
    assert cases["run", "no-crash-loop"][0] == "failure"
    assert "D2 crash loop" in cases["run", "no-crash-loop"][2]


def test_sarif_tells_code_scanners(tmp_path):
    path = tmp_path / "traces.sarif"
    code, _, _ = ci("--sarif", path, *shell(f"{SHELL_AGENT} sick 2; exit 5"), SHOP_INSTANCE="shop-1")
    assert code == 1
    run = reports.sarif(path.read_text())
    (result,) = [r for r in run["results"] if r["level"] == "error"]
    assert result["ruleId"] == "span-parent-missing"
    assert "2 in shop shop-1" in result["message"]["text"]
    (location,) = result["locations"]
    assert re.fullmatch(r"shop/shop-1/\w{32}/7", location["logicalLocations"][0]["fullyQualifiedName"])
    (invocation,) = run["invocations"]
    assert invocation["exitCode"] == 5 and not invocation["executionSuccessful"]
    assert [n["message"]["text"] for n in invocation["toolExecutionNotifications"]] == [
        "the command failed: exit 5"]


def test_sarif_of_a_clean_run_is_empty():
    code, out, _ = ci("--format", "sarif", "--", *AGENT, "well")
    assert code == 0
    run = reports.sarif(out)
    assert [r for r in run["results"] if r["level"] != "note"] == []
    assert run["invocations"][0]["executionSuccessful"]
