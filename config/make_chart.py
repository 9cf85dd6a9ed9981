"""Puts into the chart what is made elsewhere: the settings from the option table, alerts, dashboard."""
# SPDX-License-Identifier: Apache-2.0
# values.yaml keeps its head and gets the key config behind the marker; values.schema.json keeps all
# but properties.config; files/ holds copies, since Helm reads nothing outside of a chart.
# usage: make_chart.py BINARY [--check]
import json
import pathlib
import subprocess
import sys

CONFIG = pathlib.Path(__file__).resolve().parent
CHART = CONFIG / "chart"
MARKER = "# Below here: made by \"make gen\" from server/tables/options.h.\n"
COPIES = {"files/spangate.rules.yaml": CONFIG / "alerts" / "spangate.rules.yaml",
          "files/spangate.json": CONFIG / "grafana" / "spangate.json"}


def printed(binary, document):
    return subprocess.run([binary, "print", document], check=True, capture_output=True, text=True).stdout


def wanted(binary):
    head, marker, _ = (CHART / "values.yaml").read_text().partition(MARKER)
    if not marker:
        raise SystemExit("config/chart/values.yaml has lost its marker")
    yield "values.yaml", head + marker + printed(binary, "chart-values")
    schema = json.loads((CHART / "values.schema.json").read_text())
    schema["properties"]["config"] = {"description": "spangate.yaml",
                                      **json.loads(printed(binary, "chart-schema"))}
    yield "values.schema.json", json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
    for name, source in COPIES.items():
        yield name, source.read_text()


def main():
    binary, check = sys.argv[1], "--check" in sys.argv[2:]
    stale = []
    for name, text in wanted(binary):
        target = CHART / name
        if target.exists() and target.read_text() == text:
            continue
        if check:
            stale.append(name)
        else:
            target.parent.mkdir(exist_ok=True)
            target.write_text(text)
    for name in stale:
        print(f"config/chart/{name} is not what it is made from: make gen")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
