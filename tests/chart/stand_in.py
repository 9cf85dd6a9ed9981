"""Stands in for helm and kubectl where there is no cluster: renders for real, and knows what was rendered."""
# SPDX-License-Identifier: Apache-2.0
# usage: stand_in.py helm|kubectl ARGUMENTS, with REAL_HELM and STATE (a directory) in the environment. A command that
# names what no release has made, or is none of those a page may use, fails.
import json
import os
import pathlib
import subprocess
import sys

STATE = pathlib.Path(os.environ["STATE"])
NOT_FOR_TEMPLATE = {"--install", "--create-namespace", "--wait"}


def release_file(name):
    return STATE / f"{name}.json"


def helm(verb, name, *rest):
    import yaml
    if verb in ("install", "upgrade"):
        names = [a for a in (name, *rest) if a not in NOT_FOR_TEMPLATE]
        assert verb == "install" or "--install" in (name, *rest) or release_file(names[0]).exists(), "no such release"
        done = subprocess.run([os.environ["REAL_HELM"], "template", *names, "--kube-version", "1.30.0"],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        release_file(names[0]).write_text(json.dumps([o for o in yaml.safe_load_all(done.stdout) if o]))
    elif verb == "test":
        assert any(pod.endswith("-test") for pod in pods()), "no test"
    elif verb == "uninstall":
        release_file(name).unlink()
    else:
        raise AssertionError(f"helm {verb} is not known here")


def objects():
    for file in STATE.glob("*.json"):
        yield from json.loads(file.read_text())


def pods():
    for one in objects():
        if one["kind"] == "StatefulSet":
            yield from (f"{one['metadata']['name']}-{i}" for i in range(one["spec"]["replicas"]))
        elif one["kind"] == "Pod":
            yield one["metadata"]["name"]
    # The pod of a test that failed stays after its release.
    yield "gate-spangate-test"


def ports():
    for one in objects():
        if one["kind"] in ("StatefulSet", "Deployment"):
            for container in one["spec"]["template"]["spec"]["containers"]:
                yield from (str(port["containerPort"]) for port in container["ports"])
    yield "11880"  # on loopback


def kubectl(option, namespace, verb, *rest):
    assert (option, namespace) == ("--namespace", "tracing")
    if verb == "logs":
        assert rest[0] in pods(), rest
    elif verb == "port-forward":
        assert rest[0] in pods() and set(rest[1:]) <= set(ports()), rest
    elif verb == "rollout":
        kind, name = rest[1].split("/")
        assert any((o["kind"].lower(), o["metadata"]["name"]) == (kind, name) for o in objects()), rest
    elif verb == "create":
        files = [a.split("=", 1)[1] for a in rest if a.startswith(("--cert=", "--key=", "--from-file="))]
        assert rest[0] == "secret" and files and all(pathlib.Path(f).exists() for f in files), rest
    else:
        raise AssertionError(f"kubectl {verb} is not known here")


{"helm": helm, "kubectl": kubectl}[sys.argv[1]](*sys.argv[2:])
