"""Fails functions over 80 lines or complexity 12 (pmccabe, modified) and files over 600 lines."""
# SPDX-License-Identifier: Apache-2.0
# tests/lint/exceptions lists what may be larger: "path function reason" or "path - reason". An
# exception that is not needed any more fails too.
import shutil
import subprocess

from tree import ROOT, Report, files, name

MAX_LINES, MAX_COMPLEXITY, MAX_FILE_LINES = 80, 12, 600
SOURCES = ("server/**/*.c", "server/**/*.h", "tests/**/*.c", "tests/**/*.h")


def exceptions():
    known = {}
    for line in (ROOT / "tests/lint/exceptions").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            path, function, reason = line.split(None, 2)
            known[path, function] = reason
    return known


def functions(paths):
    """(path, function, complexity, lines) of each."""
    command = ["pmccabe"] + [name(p) for p in paths if p.suffix == ".c"]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for line in out.splitlines():
        complexity, _, _, _, n_lines, rest = line.split(None, 5)
        place, function = rest.rsplit(": ", 1)
        yield place.split("(")[0], function.strip(), int(complexity), int(n_lines)


def main():
    report = Report()
    if not report.check(shutil.which("pmccabe"), "size", "pmccabe is not installed"):
        report.end()
    known, needed = exceptions(), set()
    paths = files(*SOURCES)
    for path, function, complexity, n_lines in functions(paths):
        fits = complexity <= MAX_COMPLEXITY and n_lines <= MAX_LINES
        if not fits and (path, function) in known:
            needed.add((path, function))
            continue
        report.check(fits, path, f"{function}: complexity {complexity}, {n_lines} lines")
    for path in paths:
        n_lines = len(path.read_text().splitlines())
        if n_lines > MAX_FILE_LINES and (name(path), "-") in known:
            needed.add((name(path), "-"))
            continue
        report.check(n_lines <= MAX_FILE_LINES, name(path), f"{n_lines} lines")
    for path, function in set(known) - needed:
        report.check(False, "tests/lint/exceptions", f"{path} {function} needs no exception")
    report.end()


main()
