"""Holds README's table of agents to the tests that it names."""
# SPDX-License-Identifier: Apache-2.0
# A link to a test in Python names a test function of that file, one to a test in C names the file.
import re

from tree import ROOT, Report

HEADING = "## What works with what"
AGENTS = ("Java", "Go", "Python", "Node", "PHP, Rust", ".NET", "Envoy", "Rover", "nginx-lua", "browser", "CLI",
          "OTLP")


def rows_of(readme):
    """[(line, cells)] of the table below the heading, without its head."""
    lines = readme.split("\n")
    begin = lines.index(HEADING) + 1
    end = next(i for i in range(begin, len(lines)) if lines[i].startswith("## "))
    rows = [(i + 1, [c.strip() for c in lines[i].strip("|").split("|")])
            for i in range(begin, end) if lines[i].startswith("|")]
    return rows[2:]


def check_link(report, where, words, path):
    file = ROOT / path
    if report.check(path.startswith("tests/") and file.is_file(), where, f"no test {path}"):
        found = re.search(rf"^def {re.escape(words)}\(", file.read_text(), re.M) \
            if file.suffix == ".py" else file.stem == words
        report.check(found, where, f"{path} has no {words}")


def main():
    report = Report()
    rows = rows_of((ROOT / "README.md").read_text())
    for line, cells in rows:
        where = f"README.md:{line}"
        if report.check(len(cells) == 4 and all(cells), where, "not four cells with something in each"):
            links = re.findall(r"\[(\w+)\]\(([^)]+)\)", cells[2])
            report.check(links, where, "no test is named")
            for words, path in links:
                check_link(report, where, words, path)
    for agent in AGENTS:
        report.check(any(cells[0].startswith(agent) for _, cells in rows), "README.md", f"no row for {agent}")
    report.end()


main()
