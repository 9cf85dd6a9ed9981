"""What the lint programs share: the files of the tree, findings and the last line."""
# SPDX-License-Identifier: Apache-2.0
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Report:
    """Counts checks; a finding names file, line and what is wrong."""

    def __init__(self):
        self.passed = 0
        self.findings = []

    def check(self, ok, where, what):
        if ok:
            self.passed += 1
        else:
            self.findings.append(f"{where}: {what}")
        return ok

    def end(self):
        for finding in self.findings:
            print(finding)
        print(f"{self.passed} passed, {len(self.findings)} failed")
        sys.exit(1 if self.findings else 0)


def files(*patterns):
    found = set()
    for pattern in patterns:
        found.update(p for p in ROOT.glob(pattern) if p.is_file())
    return sorted(found)


def name(path):
    return str(path.relative_to(ROOT))


def code_of(text):
    """The text without comments and the insides of strings, line for line."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def blank(match):
        piece = match.group()
        lines = "\n" * piece.count("\n")
        return (piece[0] + piece[0] if piece[0] in "\"'" else " ") + lines

    return pattern.sub(blank, text)


def table(path, macro):
    """The argument lists of MACRO(...) rows of an X-macro table, split at top-level commas."""
    text = (ROOT / path).read_text()
    rows = []
    for match in re.finditer(rf"^\s*{macro}\(|(?<=\) ){macro}\(", text, re.M):
        rows.append((text.count("\n", 0, match.start()) + 1, split_arguments(text, match.end())))
    return rows


def split_arguments(text, at):
    depth, start, arguments, quoted = 0, at, [], False
    while True:
        c = text[at]
        if quoted:
            if c == "\\":
                at += 1
            elif c == '"':
                quoted = False
        elif c == '"':
            quoted = True
        elif c == "(":
            depth += 1
        elif c in "),":
            if depth == 0:
                arguments.append(text[start:at].strip())
                start = at + 1
                if c == ")":
                    return arguments
            elif c == ")":
                depth -= 1
        at += 1
