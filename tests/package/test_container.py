"""The image's recipe, as far as it can be told without a container runtime."""
# SPDX-License-Identifier: Apache-2.0
import re
import subprocess

from system_conftest import ROOT

DOCKERFILE = (ROOT / "config" / "container" / "Dockerfile").read_text()


def test_libraries_are_those_of_the_package(package):
    """The package's were read from the binary; libc6 is in every base image, users are made by systemd."""
    named = set(re.search(r"--no-install-recommends ([^&]*)&&", DOCKERFILE)[1].replace("\\", " ").split())
    depends = subprocess.run(["dpkg-deb", "-f", package, "Depends"], capture_output=True, text=True, check=True)
    needed = {one.split()[0] for one in depends.stdout.split(",") if "systemd" not in one}
    assert named == (needed - {"libc6"}) | {"ca-certificates"}


def test_runs_as_nobody_in_particular():
    """The chart's user, the service's ports, and the program itself as the first process."""
    assert "USER 65532:65532\n" in DOCKERFILE and "EXPOSE 11800 12800 1234\n" in DOCKERFILE
    assert 'ENTRYPOINT ["spangate"]\nCMD ["serve"]\n' in DOCKERFILE


def test_both_recipes_name_the_same_image():
    script = (ROOT / "config" / "container" / "image.sh").read_text()
    ports = re.findall(r"--config.exposedports (\d+)", script)
    assert ports == re.search(r"EXPOSE ([\d ]+)", DOCKERFILE)[1].split()
    assert "--config.user 65532:65532" in script and "--config.stopsignal SIGTERM" in script
