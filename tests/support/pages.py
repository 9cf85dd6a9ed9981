"""The documents, their blocks of commands, and which tests run them."""
# SPDX-License-Identifier: Apache-2.0
# A block of commands says ```sh. A comment on the line above a block can mean something:
#   <!-- not run: REASON -->   no test can run it here
#   <!-- exit N: REASON -->    its last command ends so, and the ones before it with 0
#   <!-- output -->            lines that the commands just above print, in this shape
#   <!-- output of WORD -->    the same of the block that begins with WORD
import collections
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Blocks that need more than a host with the program have a test of their own.
ELSEWHERE = {
    "docs/kubernetes.md": "tests/chart/test_docs.py",
    "docs/kubernetes-from-satellite.md": "tests/chart/test_docs.py",
    "docs/runbooks.md": "tests/package/test_runbooks.py",
    "docs/security.md": "tests/package/test_runbooks.py",
}
LANGUAGES = ("sh", "bash", "console")

Block = collections.namedtuple("Block", "page line language mark text")


def pages():
    """Names of all pages that people read, as seen from the root."""
    return ["README.md"] + sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md"))


def read(page):
    return (ROOT / page).read_text()


def pages_of(test):
    """The names, without folder, of the pages that a test elsewhere runs."""
    return [pathlib.Path(page).name for page, by in ELSEWHERE.items() if by == test]


def blocks(page):
    """Each block of a page, without the indentation it has in a list."""
    found, begin, above = [], None, ""
    for number, line in enumerate(read(page).split("\n"), 1):
        fence = re.match(r"( *)```(\w*)$", line)
        if begin is None and fence:
            mark = re.match(r" *<!-- (.*) -->$", above)
            begin, indent, language, lines = number, len(fence[1]), fence[2], []
            mark = mark[1] if mark else ""
        elif fence:
            found.append(Block(page, begin, language, mark, "\n".join(lines) + "\n"))
            begin = None
        elif begin is not None:
            lines.append(line[indent:])
        if line.strip():
            above = line
    return found


def is_shell(block):
    return block.language in LANGUAGES


def exit_code(block):
    code = re.match(r"exit (\d+): ", block.mark)
    return int(code[1]) if code else 0


def why_not_run(block):
    """The reason that the page gives, or None."""
    return block.mark[len("not run: "):] if block.mark.startswith("not run: ") else None
