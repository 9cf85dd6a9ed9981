"""A rendered pod as a real process, by what the manifest says: arguments, environment, files, user."""
# SPDX-License-Identifier: Apache-2.0
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from conftest import BINARY, PATIENCE, container, of_kind, workload

HERE = pathlib.Path(__file__).parent


def wait_until(condition, what, patience=PATIENCE):
    deadline = time.monotonic() + patience
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"never came true: {what}"
        time.sleep(0.05)


def need_namespaces():
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "--net", "true"], capture_output=True).returncode != 0:
        pytest.skip("no right to make namespaces: run as root")


def fill_projected(directory, items, group):
    """As the kubelet does: the files behind a link that it can turn at once, readable for the group."""
    hidden = directory / "..2026_11_23"
    hidden.mkdir(parents=True)
    for name, content in items.items():
        file = hidden / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        os.chown(file, 0, group)
        file.chmod(0o440)
        (directory / name).symlink_to(f"..data/{name}")
    (directory / "..data").symlink_to(hidden.name)


class Pod:
    """secrets: {secret: {key: content}}; data: the directory of its volume, kept over restarts."""

    def __init__(self, directory, objects, secrets=None, config_maps=None, data=None, own_network=True, hosts="",
                 honours_fs_group=True):
        self.directory = directory
        self.spec = workload(objects)["spec"]["template"]["spec"]
        self.container = container(objects)
        self.group = self.spec["securityContext"]["fsGroup"]
        self.secrets = secrets or {}
        self.config_maps = {o["metadata"]["name"]: o["data"] for o in of_kind(objects, "ConfigMap")}
        self.config_maps.update(config_maps or {})
        self.data = data or directory / "data"
        self.own_network = own_network
        self.hosts = hosts
        self.honours_fs_group = honours_fs_group
        self.lines = []
        self.sink = None
        self.start()

    def volume(self, volume):
        """The directory that is mounted for a volume of the pod."""
        directory = self.directory / "volumes" / volume["name"]
        if "configMap" in volume:
            fill_projected(directory, self.config_maps[volume["configMap"]["name"]], self.group)
        elif "secret" in volume:
            content = self.secrets[volume["secret"]["secretName"]]
            items = volume["secret"].get("items")
            if items:
                content = {item["path"]: content[item["key"]] for item in items}
            fill_projected(directory, content, self.group)
        else:
            raise AssertionError(f"what is {volume}?")
        return directory

    def data_volume(self):
        self.data.mkdir(parents=True, exist_ok=True)
        if self.honours_fs_group:
            os.chown(self.data, 0, self.group)
            self.data.chmod(0o2775)
        return self.data

    def mounts(self):
        volumes = {v["name"]: v for v in self.spec["volumes"]}
        for mount in self.container["volumeMounts"]:
            is_data = mount["name"] == "data"
            source = self.data_volume() if is_data else self.volume(volumes[mount["name"]])
            yield str(source), mount["mountPath"], mount.get("readOnly", False)

    def start(self):
        security = self.spec["securityContext"]
        root = self.directory / "root"
        root.mkdir(parents=True)
        plain = {e["name"]: e["value"] for e in self.container.get("env", []) if "value" in e}
        spec = {"root": str(root), "binary": os.path.realpath(BINARY), "volumes": list(self.mounts()),
                "files": {"/etc/hosts": f"127.0.0.1 localhost\n::1 localhost\n{self.hosts}"},
                "user": security["runAsUser"], "group": security["runAsGroup"], "arguments": self.container["args"],
                "environment": {"PATH": "/usr/bin:/bin", "HOSTNAME": "r-spangate-0", **plain},
                "own_network": self.own_network}
        file = self.directory / "spec.json"
        file.write_text(json.dumps(spec))
        flags = ["--mount", "--propagation", "private"] + (["--net"] if self.own_network else [])
        self.process = subprocess.Popen(["unshare", *flags, "--", sys.executable, HERE / "podrun.py", file],
                                        stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def words(self):
        return "\n".join(self.lines)

    def inside(self, *command, **more):
        """A command beside the pod: in its network."""
        enter = ["nsenter", f"--net=/proc/{self.process.pid}/ns/net"] if self.own_network else []
        return subprocess.Popen([*enter, *map(str, command)], **more)

    def run_inside(self, *command):
        with self.inside(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            out, error = process.communicate(timeout=2 * PATIENCE)
        return process.returncode, out + error

    def begin_sink(self, address):
        """A stand-in for OAP beside the pod, which must have its network already."""
        self.sink = self.inside(BINARY, "sink", "--listen", address, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def port(self, name):
        [found] = [p["containerPort"] for p in self.container["ports"] if p["name"] == name]
        return found

    def probe(self, name, host="127.0.0.1"):
        """The status of a probe as the kubelet asks; 0: no answer."""
        get = self.container[name]["httpGet"]
        url = f"http://{host}:{self.port(get['port'])}{get['path']}"
        ask = ("import sys, urllib.request, urllib.error\n"
               "try: print(urllib.request.urlopen(sys.argv[1], timeout=3).status)\n"
               "except urllib.error.HTTPError as e: print(e.code)\n"
               "except OSError: print(0)")
        return int(self.run_inside(sys.executable, "-c", ask, url)[1])

    def wait_ready(self, host="127.0.0.1"):
        def is_ready():
            assert self.process.poll() is None, self.words()
            return self.probe("readinessProbe", host) == 200
        wait_until(is_ready, "readiness")

    def ask_to_stop(self):
        self.process.send_signal(signal.SIGTERM)

    def wait_stopped(self):
        """The exit code; where the grace period is over, SIGKILL and a failure, as from the kubelet."""
        try:
            return self.process.wait(self.spec["terminationGracePeriodSeconds"])
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def terminate(self):
        self.ask_to_stop()
        return self.wait_stopped()

    def end(self):
        for process in filter(None, (self.process, self.sink)):
            if process.poll() is None:
                process.kill()
            process.wait()
