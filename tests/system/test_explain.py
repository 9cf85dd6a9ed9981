"""The verb explain: everything that has a name, from the tables."""
# SPDX-License-Identifier: Apache-2.0
import json
import pathlib
import re
import subprocess

import pytest

from conftest import BINARY, PATIENCE, ROOT


def explain(*arguments):
    done = subprocess.run([BINARY, "explain", *arguments], capture_output=True, text=True,
                          timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


def listed():
    code, out, _ = explain("--format", "json")
    assert code == 0
    return [json.loads(line) for line in out.splitlines()]


def test_every_row_of_every_table_is_there():
    names = {one["name"] for one in listed()}
    tables = ROOT / "server" / "tables"
    text = {p.name: p.read_text() for p in pathlib.Path(tables).glob("*.h")}
    wanted = [f"C{int(n):03d}" for n in re.findall(r"^ +CODE\((\d+),", text["options.h"], re.M)]
    wanted += [f"E{int(n):03d}" for n in re.findall(r"^ +E\(\w+, *(\d+),", text["errors.h"], re.M)]
    wanted += re.findall(r'^ +DIAGNOSIS\(\w+, "(D\d+)"', text["diagnoses.h"], re.M)
    wanted += re.findall(r'^ +RULE\(\w+, *"([\w-]+)"', text["rules.h"], re.M)
    wanted += ["spangate_" + n for n in re.findall(r'METRIC\(\w+, *"(\w+)"', text["metrics.h"])]
    wanted += re.findall(r"^ +EXIT\(\w+, *(\d+),", text["exits.h"], re.M)
    wanted += [a + b for a, b in re.findall(r"OPTION\(([\w.]*), (\w+), [A-Z]", text["options.h"])]
    assert len(wanted) > 250
    assert not [w for w in wanted if w not in names]
    assert len(names) == len(listed())


def test_each_says_what_it_is_and_what_can_go_wrong_says_what_to_do():
    for one in listed():
        assert one["what"], one
        if one["kind"] in ("configuration code", "error", "diagnosis", "rule"):
            assert one["next"], one


@pytest.mark.parametrize("word, name", [
    ("C012", "C012"), ("c12", "C012"), ("e101", "E101"), ("BUDGET", "E101"), ("budget", "E101"),
    ("d1", "D1"), ("span-parent-missing", "span-parent-missing"), ("69", "69"),
    ("ready", "spangate_ready"), ("spangate_ready", "spangate_ready"),
    ("buffer.disk.max", "buffer.disk.max"), ("process_open_fds", "process_open_fds")])
def test_names_are_found_as_people_write_them(word, name):
    code, out, _ = explain(word)
    assert code == 0 and out.startswith(name + " (")
    assert all(len(line) <= 96 for line in out.splitlines())


def test_what_is_not_there_is_told():
    code, out, told = explain("span-parent-mising")
    assert code == 66 and out == "" and 'did you mean "span-parent-missing"?' in told
    code, _, told = explain("elephant")
    assert code == 66 and "did you mean" not in told


def test_an_alert_has_a_runbook():
    code, out, told = explain("SpangateItemsLost")
    assert (code, out) == (66, "") and "runbooks.md" in told
