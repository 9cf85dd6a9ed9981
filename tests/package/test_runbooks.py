"""Every command of the runbooks, on a host with the package, its settings and its ports."""
# SPDX-License-Identifier: Apache-2.0
import re
import sys

import host
from system_conftest import ROOT

sys.path.insert(0, str(ROOT / "tests" / "support"))
from pages import pages_of  # noqa: E402

TEXT = "".join((ROOT / "docs" / name).read_text() for name in pages_of("tests/package/test_runbooks.py"))
BLOCKS = re.findall(r"^## (Spangate\w+)$|^```sh\n(.*?)^```$", TEXT, re.M | re.S)

START = """
dpkg -i /tmp/spangate.deb
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=gate -days 30 \
    -keyout /etc/spangate/tls.key -out /etc/spangate/tls.crt 2>/dev/null
chown spangate /etc/spangate/tls.key
cat >/etc/spangate/spangate.yaml <<'YAML'
version: 1
upstream: {addresses: ["127.0.0.1:11900"]}
listen:
  grpc_tls: {address: "127.0.0.1:11801", cert_file: /etc/spangate/tls.crt, key_file: /etc/spangate/tls.key}
YAML
spangate sink --listen 127.0.0.1:11900 2>/tmp/sink.log &
setpriv --reuid spangate --regid spangate --clear-groups \
    spangate serve -c /etc/spangate/spangate.yaml 2>/tmp/serve.log &
service=$!
n=0; until spangate health --ready 2>/dev/null; do n=$((n + 1)); test $n -lt 200; sleep 0.1; done
spangate load --rate 200 --duration 2s --corrupt span-parent-missing:5% --corrupt proto-undecodable:5%
"""

# A command that fails has its alert's name in the way it fails.
BLOCK = """
cat >/tmp/block.sh <<'COMMANDS'
{commands}
COMMANDS
sh -eu /tmp/block.sh </dev/null || {{ echo "failed: {title}" >&2; exit 1; }}
"""

END = """
kill $service
wait $service
tail -n 1 /tmp/serve.log | grep 'imbalance 0'
"""


def blocks():
    title = "first look"
    for heading, commands in BLOCKS:
        title = heading or title
        if commands:
            yield title, commands


def test_each_section_has_commands():
    headings = [heading for heading, _ in BLOCKS if heading]
    assert len(headings) > 20 and set(headings) <= {title for title, _ in blocks()}


def test_every_command_works(package, tmp_path):
    steps = START + "".join(BLOCK.format(title=t, commands=c) for t, c in blocks()) + END
    done = host.run(tmp_path, package, steps, network=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
