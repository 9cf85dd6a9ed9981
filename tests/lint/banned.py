"""Finds banned calls, paths of one machine, open ends, and files without their first comment."""
# SPDX-License-Identifier: Apache-2.0
import re

from tree import Report, code_of, files, name

# Unsafe everywhere.
CALLS = ("sprintf vsprintf strcpy strcat strncpy strtok atoi atol atof gets alloca "
         "system popen tmpnam mktemp").split()
# server/base/ alone: mem_*, arena and block stand for allocation, clock for the time.
BASE_ONLY = ("malloc calloc realloc reallocarray strdup strndup asprintf vasprintf time "
             "gettimeofday clock_gettime").split()
TEXTS = ("server/**/*", "tests/**/*.c", "tests/**/*.h", "tests/**/*.py", "tests/**/*.sh",
         "tests/**/*.js", "docs/**/*.md", "proto/*.proto", "config/**/*", ".ci/*", "*.md",
         "Makefile", "quickstart")
# Spelled in pieces so that this file does not find itself.
OPEN_ENDS = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:wo" + r"rk|ro" + r"ot|ho" + r"me)/\w")
SPDX = "SPDX-License-Identifier: Apache-2.0"


def lines_with(text, pattern):
    for match in pattern.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group()


def check_calls(report, path):
    code = code_of(path.read_text())
    words = list(CALLS)
    if name(path).startswith("server/") and not name(path).startswith("server/base/"):
        words += BASE_ONLY
    pattern = re.compile(r"(?<![\w.>])(?:" + "|".join(words) + r")\s*\(")
    found = list(lines_with(code, pattern))
    for line, call in found:
        report.check(False, f"{name(path)}:{line}", f"banned: {call})")
    if not found:
        report.passed += 1


def check_text(report, path):
    try:
        text = path.read_text()
    except UnicodeDecodeError:
        return
    for line, word in lines_with(text, OPEN_ENDS):
        report.check(False, f"{name(path)}:{line}", f"an open end: {word}")
    for line, word in lines_with(text, MACHINE_PATHS):
        report.check(False, f"{name(path)}:{line}", f"a path of one machine: {word}")
    report.passed += 1


def check_first_comment(report, path):
    head = path.read_text().split("\n")[:6]
    if path.suffix in (".c", ".h"):
        report.check(head[0].startswith("/* "), name(path), "does not begin with a sentence on what it is")
    report.check(any(SPDX in line for line in head), name(path), "no SPDX line at its top")


def main():
    report = Report()
    sources = files("server/**/*.c", "server/**/*.h", "tests/**/*.c", "tests/**/*.h")
    for path in sources:
        check_calls(report, path)
    for path in sources + files("tests/**/*.py", "tests/**/*.sh", "tests/**/*.js", "Makefile", "quickstart"):
        if "node_modules" not in path.parts:
            check_first_comment(report, path)
    for path in files(*TEXTS):
        if "node_modules" not in path.parts and "__pycache__" not in path.parts:
            check_text(report, path)
    report.end()


main()
