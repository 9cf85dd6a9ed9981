"""The image's recipe, as far as it can be told without a container runtime."""
# SPDX-License-Identifier: Apache-2.0
import re
import shutil
import subprocess

import pytest

from made import make
from system_conftest import ROOT

DOCKERFILE = (ROOT / "config" / "container" / "Dockerfile").read_text()


def test_libraries_are_those_of_the_package(package):
    """The package's were read from the binary; libc6 is in every base image, users are made by systemd."""
    named = set(re.search(r"--no-install-recommends ([^&]*)&&", DOCKERFILE)[1].replace("\\", " ").split())
    depends = subprocess.run(["dpkg-deb", "-f", package, "Depends"], capture_output=True, text=True, check=True)
    needed = {one.split()[0] for one in depends.stdout.split(",") if "systemd" not in one}
    assert named == (needed - {"libc6"}) | {"ca-certificates"}


def test_packages_exist():
    if shutil.which("apt-cache") is None:
        pytest.skip("no apt here")
    named = re.search(r"--no-install-recommends ([^&]*)&&", DOCKERFILE)[1].replace("\\", " ").split()
    known = subprocess.run(["apt-cache", "policy", *named], capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^(\S+):$", known, re.M)) == set(named)


def test_what_the_steps_name_is_there(tmp_path):
    """The first stage's last two commands work on what make install leaves."""
    assert re.search(r"^RUN ./quickstart build && make install DESTDIR=/image PREFIX=/usr ", DOCKERFILE, re.M)
    make("install", f"DESTDIR={tmp_path}", "PREFIX=/usr")
    named = re.findall(r"(?<=[ \n])/image(/[\w/.-]+)", DOCKERFILE)
    assert len(named) >= 5
    assert not [path for path in named if not (tmp_path / path[1:]).exists()]


def test_runs_as_nobody_in_particular():
    """The chart's user, the service's ports, and the program itself as the first process."""
    assert "USER 65532:65532\n" in DOCKERFILE and "EXPOSE 11800 12800 1234\n" in DOCKERFILE
    assert 'ENTRYPOINT ["spangate"]\nCMD ["serve"]\n' in DOCKERFILE


def test_both_recipes_name_the_same_image():
    script = (ROOT / "config" / "container" / "image.sh").read_text()
    ports = re.findall(r"--config.exposedports (\d+)", script)
    assert ports == re.search(r"EXPOSE ([\d ]+)", DOCKERFILE)[1].split()
    assert "--config.user 65532:65532" in script and "--config.stopsignal SIGTERM" in script
