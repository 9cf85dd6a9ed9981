"""Stands in for a program under an agent: reports to the address of its environment, then does as told."""
# SPDX-License-Identifier: Apache-2.0
# ci_agent.py MODE [N]: N segments (default 1) of service shop, language by SHOP_LANGUAGE (go), then
#   well     ends
#   sick     as well, but each segment has a span whose parent is missing
#   poison   as well, but each has a Cache span that repeats a tag key
#   broken   as well, but each is no protobuf message
#   hint     as well, but each has an Exit span without peer
#   die      ends by SIGSEGV, its stream open
#   linger   writes its process number to the file LINGER and sends a segment every 20 ms
#   silent   as linger, but sends nothing more
# Each process is an instance of its own unless SHOP_INSTANCE names one.
import os
import queue
import signal
import sys
import time
import uuid

import grpc

import wire

MANAGEMENT = "/skywalking.v3.ManagementService/"
COLLECT = "/skywalking.v3.TraceSegmentReportService/collect"
INSTANCE = os.environ.get("SHOP_INSTANCE") or uuid.uuid4().hex + "@127.0.0.1"
PATIENCE = 30


def properties():
    pairs = [("language", os.environ.get("SHOP_LANGUAGE", "go")), ("hostname", "builder"),
             ("Process No.", str(os.getpid())), ("OS Name", "linux")]
    out = wire.text(1, "shop") + wire.text(2, INSTANCE)
    for key, value in pairs:
        out += wire.text(3, wire.pair(key, value))
    return out


def segment(mode):
    spans = [wire.span(1, 0, kind=1, name="mysql/SELECT") + wire.text(7, "mysql:3306"),
             wire.span(0, -1)]
    if mode == "sick":
        spans.insert(0, wire.span(7, 5, kind=1, name="GET /stock") + wire.text(7, "stock:80"))
    elif mode == "poison":
        spans[0] = (wire.span(1, 0, kind=1, tags=[("cache.key", "a"), ("cache.key", "b")])
                    + wire.text(7, "redis:6379") + wire.number(9, 5))
    elif mode == "hint":
        spans[0] = wire.span(1, 0, kind=1) + wire.text(7, "")
    elif mode == "broken":
        return b"\x0a\x7fno"
    return wire.segment(spans=spans, instance=INSTANCE)


def main(mode, n):
    address = os.environ["SW_AGENT_COLLECTOR_BACKEND_SERVICES"]
    assert address == os.environ["SW_AGENT_REPORTER_GRPC_BACKEND_SERVICE"]
    channel = grpc.insecure_channel(address)
    channel.unary_unary(MANAGEMENT + "reportInstanceProperties")(properties(), timeout=PATIENCE)
    if n > 0:
        channel.stream_unary(COLLECT)(iter([segment(mode) for _ in range(n)]), timeout=PATIENCE)
    if mode == "die":
        channel.stream_unary(COLLECT).future(iter(queue.Queue().get, None))
        os.kill(os.getpid(), signal.SIGSEGV)
    if mode in ("linger", "silent"):
        with open(os.environ["LINGER"] + ".new", "w", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")
        os.rename(os.environ["LINGER"] + ".new", os.environ["LINGER"])
    while mode == "linger":
        channel.stream_unary(COLLECT)(iter([segment(mode)]), timeout=PATIENCE)
        time.sleep(0.02)
    if mode == "silent":
        signal.pause()
    channel.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1)
