"""The API's OpenAPI file: its operations, and whether a value is as one of its schemas says."""
# SPDX-License-Identifier: Apache-2.0
# Every object is closed here: a member that the file does not name is wrong.
import collections
import json
import re

import jsonschema

from conftest import ROOT

API = json.loads((ROOT / "server/admin/openapi.json").read_text())
METHODS = ("get", "post", "delete", "put", "patch")


def closed(value):
    """The same schemas, with every object that names members taking no others."""
    if isinstance(value, list):
        return [closed(one) for one in value]
    if not isinstance(value, dict):
        return value
    out = {key: closed(one) for key, one in value.items()}
    if "properties" in out and out.get("type") == "object":
        out.setdefault("additionalProperties", False)
    return out


COMPONENTS = closed(API["components"])
FORMATS = jsonschema.FormatChecker()


def wrong(schema, value):
    """What is wrong with a value, in words."""
    validator = jsonschema.Draft202012Validator({**closed(schema), "components": COMPONENTS}, format_checker=FORMATS)
    return [f"{one.json_path}: {one.message[:300]}" for one in validator.iter_errors(value)]


def looked_up(value):
    while "$ref" in value:
        target = API
        for part in value["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        value = target
    return value


Operation = collections.namedtuple("Operation", "method path spec parameters")


def operations():
    return [Operation(method.upper(), path, one, one.get("parameters", []) + item.get("parameters", []))
            for path, item in API["paths"].items() for method, one in item.items() if method in METHODS]


def operation(method, path):
    return next(one for one in operations() if (one.method, one.path) == (method, path))


def is_of(one, path):
    return re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(one.path)), path)
