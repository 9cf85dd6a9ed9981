"""The pages as a whole: no block of commands is left out, links and codes lead somewhere."""
# SPDX-License-Identifier: Apache-2.0
import re
import subprocess

import pytest

import pages
import test_commands

COMMANDS = ("apt", "cat", "cp", "curl", "docker", "go", "helm", "kubectl", "make", "mkdir", "openssl", "podman",
            "skopeo", "spangate", "sudo", "systemctl", "./quickstart")
BLOCKS = [block for page in pages.pages() for block in pages.blocks(page)]


def name(block):
    return f"{block.page}:{block.line}"


def test_commands_say_that_they_are():
    """Else no test would see them."""
    silent = [name(b) for b in BLOCKS if not pages.is_shell(b) and pages.why_not_run(b) is None
              and not b.mark.startswith("output") and b.text.split()[:1] and b.text.split()[0] in COMMANDS]
    assert silent == []


def test_no_block_is_left_out():
    """Each is run by this folder or by the test that is named for its page, or says why not."""
    left = [name(b) for b in BLOCKS if pages.is_shell(b) and pages.why_not_run(b) is None
            and b.page not in pages.ELSEWHERE and b.page not in test_commands.PAGES
            and not test_commands.of_the_tree(b)]
    assert left == []
    for page, test in pages.ELSEWHERE.items():
        assert re.search(r"pages_of\(", (pages.ROOT / test).read_text()), f"{test} does not ask which pages are its own"
        assert any(b.page == page for b in BLOCKS), f"{page} has no block for {test}"


def test_what_is_not_run_says_why(capsys):
    marked = [(name(b), pages.why_not_run(b)) for b in BLOCKS if pages.why_not_run(b) is not None]
    with capsys.disabled():
        print("\n" + "\n".join(f"not run: {where}: {reason}" for where, reason in marked))
    assert all(len(reason.split()) >= 3 for _, reason in marked)
    assert all(re.fullmatch(r"(output( of \S+)?|not run: .*|exit \d+: .*)?", b.mark) for b in BLOCKS)


def test_targets_of_make_exist():
    targets = set(re.findall(r"^([a-z-]+):", (pages.ROOT / "Makefile").read_text(), re.M))
    asked = {(b.page, word) for b in BLOCKS for line in re.findall(r"^make (.*?)(?:#.*)?$", b.text, re.M)
             for word in line.split() if "=" not in word}
    assert {(page, word) for page, word in asked if word not in targets} == set()


def anchors(page):
    headings = re.findall(r"^#+ (.*)$", pages.read(page), re.M)
    return {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", pages.pages())
def test_links(page):
    text = re.sub(r"(?ms)^ *```.*?^ *```$", "", pages.read(page))
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = ((pages.ROOT / page).parent / path).resolve() if path else pages.ROOT / page
        assert file.exists(), f"{page} leads to {target}"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file.relative_to(pages.ROOT)), f"{page} leads to {target}"


def test_readme_lists_every_page():
    readme = pages.read("README.md")
    assert [p for p in pages.pages() if p != "README.md" and f"({p})" not in readme] == []


def test_codes_exist(binary):
    named = {(page, code) for page in pages.pages() for code in re.findall(r"\b([CE]\d{3})\b", pages.read(page))}
    assert named
    codes = {code for _, code in named}
    unknown = {code for code in codes if subprocess.run([binary, "explain", code], capture_output=True).returncode}
    assert {(page, code) for page, code in named if code in unknown} == set()


@pytest.mark.parametrize("page", [p for p in pages.pages() if p != "docs/metrics.md"])
def test_metrics_exist(page):
    """A name may be cut short, as in a pattern, or have the ending of a histogram's part."""
    known = set(re.findall(r"`((?:spangate|process)_\w+)`", pages.read("docs/metrics.md")))
    named = set(re.findall(r"\bspangate_[a-z_]+", pages.read(page)))
    assert {n for n in named if not any(k.startswith(re.sub(r"_(sum|count|bucket)?$", "", n)) for k in known)} == set()
