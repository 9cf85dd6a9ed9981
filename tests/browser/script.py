"""A script that looks at the dashboard in Chromium, and what it says."""
# SPDX-License-Identifier: Apache-2.0
import json
import pathlib
import subprocess


class Browser:
    """The script, and what it has said."""

    def __init__(self, node, name, *arguments):
        script = pathlib.Path(__file__).with_name(name)
        self.process = subprocess.Popen(["node", script, *arguments], env=node, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.said = []

    def read_until(self, key):
        for line in self.process.stdout:
            value = json.loads(line)
            assert "failed" not in value, (value["failed"], self.said[-3:])
            self.said.append(value)
            if key in value:
                return value
        raise AssertionError(f"it ended before {key}: {self.said[-3:]}")

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def all(self, key):
        return [one for one in self.said if key in one]
