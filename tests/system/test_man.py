"""The man pages: what they hold, and that the formatters find nothing to mend."""
# SPDX-License-Identifier: Apache-2.0
import re
import shutil
import subprocess

import pytest

from conftest import BINARY, PATIENCE, ROOT

PAGES = {"man1": "spangate.1", "man5": "spangate.yaml.5"}


def output(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("document", PAGES)
def test_the_stored_page_is_what_the_program_prints(document):
    assert output(BINARY, "print", document)[1] == (ROOT / "docs/man" / PAGES[document]).read_text()


@pytest.mark.parametrize("page", PAGES.values())
def test_the_formatters_have_nothing_to_say(page):
    path = ROOT / "docs/man" / page
    if not shutil.which("mandoc"):
        pytest.skip("no mandoc here")
    code, out, told = output("mandoc", "-Tlint", path)
    assert code == 0 and out + told == ""


def test_they_hold_every_verb_setting_and_exit_code():
    shown = output("mandoc", "-Tascii", "-O", "width=200", ROOT / "docs/man/spangate.1") \
        if shutil.which("mandoc") else pytest.skip("no mandoc here")
    plain = re.sub(".\x08", "", shown[1])
    for verb in ("serve", "check-config", "explain", "completion"):
        assert f"spangate {verb} [flags]" in plain
    for number in (0, 1, 64, 65, 66, 69, 70, 71, 74, 75, 77, 78):
        assert re.search(rf"^ +{number} ", plain, re.M)
    settings = (ROOT / "docs/man/spangate.yaml.5").read_text()
    for line in output(BINARY, "config", "show", "--set", "upstream.kind=discard")[1].splitlines():
        assert f"\n.B {line.split()[0]}\n" in settings
