"""Holds objects to Kubernetes' own schemas, and a document to ours; runs in the venv of requirements.txt."""
# SPDX-License-Identifier: Apache-2.0
# Its packages do not go together with those of Debian's pytest. Standard input is JSON:
#   {"objects": [...], "versions": [...]}   or   {"schema": {...}, "document": ...}
# Each fault is a line on standard output.
import functools
import json
import sys


def kubernetes(objects, versions):
    from kubernetes_validate import utils
    utils.schema_contents = functools.lru_cache(maxsize=None)(utils.schema_contents)
    for version in versions:
        for one in objects:
            try:
                utils.validate(one, version, strict=True)
            except utils.ValidationError as error:
                yield f"{version}: {one['kind']} {one['metadata']['name']}: {error.path}: {error.message}"


def document(schema, instance):
    import jsonschema
    for kind in (jsonschema.Draft7Validator, jsonschema.Draft202012Validator):
        kind.check_schema(schema)
        for error in kind(schema).iter_errors(instance):
            yield f"{kind.__name__}: {list(error.path)}: {error.message}"


def main():
    work = json.load(sys.stdin)
    faults = list(kubernetes(work["objects"], work["versions"]) if "objects" in work
                  else document(work["schema"], work["document"]))
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
