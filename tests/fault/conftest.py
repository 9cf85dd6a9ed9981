"""Fixtures of tests/system, and a relay with faults before the backend."""
# SPDX-License-Identifier: Apache-2.0
import importlib.util
import pathlib
import socket
import struct
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
SYSTEM = TESTS / "system"
sys.path[:0] = [str(SYSTEM), str(TESTS / "support")]
spec = importlib.util.spec_from_file_location("system_conftest", SYSTEM / "conftest.py")
system = importlib.util.module_from_spec(spec)
sys.modules["system_conftest"] = system
spec.loader.exec_module(system)

from proxy import FaultProxy  # noqa: E402

backend = system.backend
start = system.start
gate = system.gate


def reset(connection):
    """Closes with RST, as the kernel does for a process that died with data unread; the shutdown
    wakes a thread that still reads from it."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)
        connection.close()
    except OSError:
        pass


@pytest.fixture
def proxy(backend):
    """A relay before the backend, with faults to order."""
    one = FaultProxy(backend.address)
    yield one
    one.close()
