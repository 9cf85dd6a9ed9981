"""The verb config: show, example, schema, diff and convert, and check-config beside them."""
# SPDX-License-Identifier: Apache-2.0
import json
import os
import subprocess

import pytest

from conftest import BINARY, PATIENCE

SATELLITE = """
logger:
  level: ${SATELLITE_LOGGER_LEVEL:warn}
telemetry:
  export_type: ${SATELLITE_TELEMETRY_EXPORT_TYPE:prometheus}
  prometheus: {address: "${SATELLITE_TELEMETRY_PROMETHEUS_ADDRESS::1234}"}
sharing:
  clients:
    - plugin_name: "grpc-client"
      server_addr: ${SATELLITE_GRPC_CLIENT:oap-1:11800,oap-2:11800}
      authentication: ${SATELLITE_GRPC_AUTHENTICATION:""}
  servers:
    - plugin_name: "grpc-server"
      address: ${SATELLITE_GRPC_ADDRESS:":11800"}
      accept_limit: {cpu_utilization: 75, connection_count: 4000}
pipes:
  - common_config: {pipe_name: logpipe}
    gatherer:
      receiver: {plugin_name: grpc-native-log-receiver}
      queue: {plugin_name: memory-queue, event_buffer_size: 500, partition: 4}
    processor:
      filters:
    sender: {flush_time: 500, max_buffer_size: 100, min_flush_events: 1}
"""


def spangate(*arguments, **variables):
    environment = {k: v for k, v in os.environ.items()
                   if not k.startswith(("SPANGATE_", "SATELLITE_"))}
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True,
                          timeout=PATIENCE, env={**environment, **variables})
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def write(tmp_path):
    def one(text, name="spangate.yaml"):
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o600)
        return path
    return one


def test_show_tells_each_value_and_its_origin(write):
    file = write('version: 1\nupstream: {addresses: ["oap:11800"], auth_token: sesame}\n')
    code, out, told = spangate("config", "show", "-c", file, "--set", "log.level=debug",
                               "--format", "json", SPANGATE_BATCH__MAX_ITEMS="7",
                               SATELLITE_GRPC_ACCEPT_LIMIT_CONNECTION_COUNT="44")
    shown = json.loads(out)
    assert code == 0 and "sesame" not in out + told
    assert shown["upstream.addresses"]["where"] == f"{file}:2"
    assert shown["upstream.auth_token"] == {"value": "********", "origin": "file",
                                            "where": f"{file}:2", "auto": False}
    assert [shown[k]["origin"] for k in ("log.level", "batch.max_items", "batch.max_size",
                                         "limits.max_connections")] == [
        "flag", "env", "default", "satellite"]
    assert shown["limits.max_connections"]["value"] == 44
    assert "SATELLITE_GRPC_ACCEPT_LIMIT_CONNECTION_COUNT: notice C070" in told


def test_the_example_is_a_configuration(write):
    code, out, _ = spangate("config", "example")
    assert code == 0
    code, out, _ = spangate("check-config", "-c", write(out), "--set",
                            "buffer.disk.max=64MiB", "--set", "quarantine.max=2MiB")
    assert code == 0 and "0 errors" in out


def test_the_schema_takes_the_example_and_refuses_what_check_config_refuses(write):
    jsonschema = pytest.importorskip("jsonschema")
    yaml = pytest.importorskip("yaml")
    schema = json.loads(spangate("config", "schema")[1])
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    assert validator.is_valid(yaml.safe_load(spangate("config", "example")[1]))
    good = ["version: 1\nupstream: {addresses: ['oap:11800']}\n",
            "upstream: {addresses: ['dns:///oap.svc:11800']}\nlog: {level: '${LEVEL:info}'}\n",
            "upstream: {kind: sink}\nintegrity: {actions: {tag-blank: observe}}\n",
            "upstream: {kind: sink}\nbuffer: {memory: {max: auto}}\n"]
    bad = ["upstream: {kind: sink}\nbuffer: {disk: {pth: /x}}\n",
           "upstream: {kind: sink}\nlimits: {memory: 512}\n",
           "upstream: {kind: sink}\nlog: {level: loud}\n",
           "upstream: {kind: sink}\nbatch: {max_items: 0}\n",
           "upstream: {kind: sink}\nintegrity: {actions: {no-such-rule: observe}}\n",
           "upstream: {kind: sink}\nlisten: [1]\n",
           "upstream: {kind: sink}\nrelay: {enabled: perhaps}\n"]
    for text in good + bad:
        code, out, _ = spangate("check-config", "-c", write(text))
        assert (code == 0) == (text in good), out
        assert validator.is_valid(yaml.safe_load(text)) == (text in good), text


def test_diff_tells_what_a_reload_takes_up(write):
    one = write("version: 1\nupstream: {addresses: ['oap:11800']}\n", "one.yaml")
    two = write("integrity: {mode: observe}\nbatch: {max_items: 5}\n", "two.yaml")
    assert spangate("config", "diff", one, one)[0] == 0
    code, out, told = spangate("config", "diff", one, two)
    assert code == 1 and told == "spangate config: 3 differ: 1 hot, 2 need a restart\n"
    assert out.splitlines() == ["hot      integrity.mode: enforce -> observe",
                                "restart  batch.max_items: 500 -> 5",
                                'restart  upstream.addresses: ["oap:11800"] -> []']
    changes = json.loads(spangate("config", "diff", one, two, "--format", "json")[1])["changes"]
    assert changes[1] == {"key": "batch.max_items", "from": "500", "to": "5",
                          "taken_up": "restart"}
    assert spangate("config", "diff", one)[0] == 64
    assert spangate("config", "diff", one, one.parent / "none.yaml")[0] == 66
    assert spangate("config", "diff", one, write("a: 1\n", "bad.yaml"))[0] == 78


def test_satellites_file_becomes_one_that_is_accepted(write):
    code, out, told = spangate("config", "convert", "--from", "satellite",
                               write(SATELLITE, "satellite_config.yaml"),
                               SATELLITE_TELEMETRY_PROMETHEUS_ADDRESS="127.0.0.1:9999")
    assert code == 0, told
    for part in ("mapped (", "changed (", "left out (", "connection_count = 4000 -> "
                 "limits.max_connections=4000", "cpu_utilization = 75: "):
        assert part in told
    assert "unsupported" not in told
    code, shown, told = spangate("config", "show", "--format", "json", "-c", write(out))
    settings = {k: v["value"] for k, v in json.loads(shown).items()}
    assert settings["upstream.addresses"] == ["oap-1:11800", "oap-2:11800"]
    assert settings["telemetry.address"] == "127.0.0.1:9999"
    assert settings["log.level"] == "warn" and settings["batch.max_items"] == 100
    assert settings["batch.max_delay"] == "500ms" and settings["buffer.memory.max"] == "7MiB"


def test_what_cannot_be_converted_is_named_and_fails(write):
    file = write(SATELLITE.replace("      filters:", "      filters: [{plugin_name: mine}]")
                 + "  - sender: {fallbacker: {plugin_name: my-fallbacker}, tuning: 3}\n")
    code, out, told = spangate("config", "convert", "--from", "satellite", file)
    assert code == 1 and "addresses:" in out
    unsupported = told[told.index("unsupported (3):"):]
    for key in ("pipes.processor.filters.plugin_name", "pipes.sender.fallbacker.plugin_name",
                "pipes.sender.tuning"):
        assert key in unsupported
    code, out, _ = spangate("config", "convert", "--from", "satellite", file, "--format", "json")
    found = json.loads(out)
    assert code == 1 and "version: 1" in found["yaml"]
    assert {i["from"] for i in found["items"] if i["verdict"] == "unsupported"} >= {
        "pipes.sender.tuning"}


def test_what_convert_refuses(write):
    assert spangate("config", "convert", write("a: 1"))[0] == 64
    assert spangate("config", "convert", "--from", "nagios", write("a: 1"))[0] == 64
    assert spangate("config", "convert", "--from", "satellite", "/none")[0] == 66
    assert spangate("config", "convert", "--from", "satellite", write("a: ["))[0] == 65
    _, _, told = spangate("config", "convert", "--from", "satellite", write('"\\e[2Jcolour": blue'))
    assert "colour = blue" in told and "\x1b" not in told
    assert spangate("config", "show", "--from", "satellite")[0] == 64
    assert 'did you mean "top"?' in spangate("help", "tpo")[2]
    code, _, told = spangate("config", "shcema")
    assert code == 64 and 'did you mean "schema"?' in told


def test_strict_fails_on_warnings_but_not_on_notices(write):
    file = write("upstream: {addresses: ['oap:11800']}\nbuffer: {mode: memory}\n")
    assert spangate("check-config", "--strict", "-c", file, SATELLITE_LOGGER_LEVEL="info")[0] == 0
    code, out, _ = spangate("check-config", "--strict", "-c", file, SATELLITE_NO_SUCH="1")
    assert code == 78 and "warning C071" in out


def test_a_second_document_is_told_where_it_begins(write):
    for text, line in (("version: 1\n---\nversion: 1\n", 2), ("---\nversion: 1\n---\n", 3)):
        code, out, _ = spangate("check-config", "-c", write(text))
        assert code == 78 and f":{line}:1: error C005: a second document" in out
    file = write("---\nversion: 1\nupstream: {addresses: ['oap:11800']}\nbuffer: {mode: memory}\n...\n")
    assert spangate("check-config", "-c", file)[0] == 0
