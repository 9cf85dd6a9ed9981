"""Kubernetes' schemas for kubeconform, from the package kubernetes-validate, which holds them otherwise."""
# SPDX-License-Identifier: Apache-2.0
import json
import pathlib
import re

DEFINITIONS = "_definitions.json"


def plain(node):
    """Without the addresses that schemas claim: what refers to another then finds it as a file."""
    if isinstance(node, dict):
        return {key: value.removeprefix("/api/") if key == "$ref" and isinstance(value, str) else plain(value)
                for key, value in node.items() if not (key == "$id" and isinstance(value, str))}
    return [plain(one) for one in node] if isinstance(node, list) else node


def needed(texts, definitions):
    """Those that the texts refer to, over others too: kubeconform reads them all anew for each kind."""
    kept, texts = {}, list(texts)
    while texts:
        for name in re.findall(r'#/\$defs/([^"]+)"', texts.pop()):
            if name not in kept:
                kept[name] = definitions[name]
                texts.append(json.dumps(definitions[name]))
    return kept


def write(directory, source, version, folder):
    """Those of the kinds in the folder's files; a kind that this Kubernetes does not know has none."""
    strict = pathlib.Path(source) / f"v{version}.0-local-strict"
    kinds = {kind.lower() for path in folder.iterdir() for kind in re.findall(r"^kind: (\w+)$", path.read_text(), re.M)}
    of_kinds = {path.name: json.dumps(plain(json.loads(path.read_text())))
                for path in strict.iterdir() if path.name.partition("-")[0] in kinds}
    definitions = plain(json.loads((strict / DEFINITIONS).read_text()))["$defs"]
    for name, text in of_kinds.items():
        (directory / name).write_text(text)
    (directory / DEFINITIONS).write_text(json.dumps({"$defs": needed(of_kinds.values(), definitions)}))
