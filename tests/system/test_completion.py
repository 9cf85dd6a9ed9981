"""The verb completion, in the shells themselves."""
# SPDX-License-Identifier: Apache-2.0
import re
import shutil
import subprocess

import pytest

from conftest import BINARY, PATIENCE

BASH = r"""
. <("$1" completion bash)
shift
COMP_WORDS=("$@")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
compopt() { :; }
_spangate
printf '%s\n' "${COMPREPLY[@]}"
"""

# Keys typed into a real line editor, and the list it shows.
ZSH = r"""
zmodload zsh/zpty
zpty shell zsh -f
zpty -w shell "PS1= ; autoload -Uz compinit; compinit -u -D; source <($1 completion zsh); print re''ady"
while zpty -r shell line; do [[ $line == *ready* ]] && break; done
zpty -n -w shell "spangate $2"$'\t'
zpty -n -w shell $'\n'
zpty -w shell "print do''ne"
while zpty -r shell line; do print -r -- "$line"; [[ $line == *done* ]] && break; done
"""


def bash(*words):
    done = subprocess.run(["bash", "--norc", "-c", BASH, "bash", BINARY, "spangate", *words],
                          capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.split("\n")[:-1]


def spangate(*arguments):
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


def test_bash_completes_verbs():
    assert bash("che") == ["check-config"]
    assert {"serve", "explain", "top"} >= set(bash("serv")) == {"serve"}
    everything = bash("")
    for verb in ("serve", "config", "quarantine", "completion"):
        assert verb in everything
    assert "print" not in everything
    assert bash("help", "spo") == ["spool"]


def test_bash_completes_flags_of_the_verb_alone():
    assert bash("check-config", "--on") == ["--online"]
    assert bash("lint", "--on") == [""]
    assert "--config" in bash("-")
    assert bash("-c", "x.yaml", "check-config", "--str") == ["--strict"]
    assert bash("--set", "log.level", "=", "debug", "check-config", "--str") == ["--strict"]


def test_bash_completes_settings_rules_words_and_codes():
    assert bash("serve", "--set", "buffer.disk.m") == [
        "buffer.disk.max=", "buffer.disk.min_free=", "buffer.disk.max_age="]
    assert bash("explain", "span-par") == ["span-parent-missing", "span-parent-not-earlier"]
    assert bash("explain", "C01") == [f"C01{i}" for i in range(1, 10)]
    assert bash("lint", "--rule", "root") == ["root-not-last"]
    assert bash("config", "di") == ["diff"]
    assert bash("config", "convert", "--from", "") == ["satellite"]
    assert bash("completion", "") == ["bash", "zsh", "fish"]
    assert bash("config", "show", "--format", "=", "j") == ["json"]
    assert bash("lint", "--format", "s") == ["sarif"]


def test_bash_completes_what_follows_a_word():
    assert bash("ctl", "backend", "") == ["list", "disable", "enable"]
    assert bash("ctl", "-c", "x.yaml", "backend", "d") == ["disable"]
    assert bash("ctl", "log-level", "in") == ["info"]
    assert bash("ctl", "--format", "=", "json", "log-level", "") == ["error", "warn", "info", "debug"]
    # Addresses are known to the service alone, and a word does not stand twice.
    assert bash("ctl", "drain", "") == bash("ctl", "backend", "disable", "") == [""]
    assert bash("explain", "C012", "") == [""]


def test_bash_completes_files(tmp_path):
    (tmp_path / "one.yaml").write_text("")
    assert bash("-c", f"{tmp_path}/o") == [f"{tmp_path}/one.yaml"]
    assert bash("config", "diff", f"{tmp_path}/o") == [f"{tmp_path}/one.yaml"]
    assert bash("serve", f"{tmp_path}/o") == [""]


@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh here")
@pytest.mark.parametrize("typed, shown", [("check", "check-config"), ("lint --rule root", "root-not-last"),
                                          ("serve --set buffer.disk.pa", "buffer.disk.path="),
                                          ("ctl backend dis", "disable"), ("ctl -c x log-level de", "debug")])
def test_zsh_completes_in_its_line_editor(tmp_path, typed, shown):
    done = subprocess.run(["zsh", "-f", "-c", ZSH, "zsh", BINARY, typed], capture_output=True,
                          text=True, timeout=PATIENCE, cwd=tmp_path)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\x07|.\x08", "", done.stdout)
    assert shown in plain, plain


@pytest.mark.skipif(not shutil.which("fish"), reason="no fish here")
def test_fish_completes(tmp_path):
    script = tmp_path / "spangate.fish"
    script.write_text(spangate("completion", "fish")[1])

    def fish(line):
        done = subprocess.run(["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"],
                              capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0 and not done.stderr, done.stderr
        return [one.split("\t")[0] for one in done.stdout.splitlines()]

    assert fish("spangate che") == ["check-config"]
    assert fish("spangate check-config --onl") == ["--online"]
    assert fish("spangate explain span-par") == ["span-parent-missing", "span-parent-not-earlier"]
    assert fish("spangate serve --set buffer.disk.pa") == ["buffer.disk.path="]
    assert fish("spangate lint --format sar") == ["sarif"]
    assert fish("spangate ctl back") == ["backend"]
    assert fish("spangate ctl backend ") == ["disable", "enable", "list"]
    assert fish("spangate ctl log-level w") == ["warn"]


def test_what_is_no_shell_is_told():
    code, out, told = spangate("completion", "bsh")
    assert code == 64 and out == "" and 'did you mean "bash"?' in told
