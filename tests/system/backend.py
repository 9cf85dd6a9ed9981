"""A stand-in for OAP in Python: remembers every message, and fails on request."""
# SPDX-License-Identifier: Apache-2.0
import threading
from concurrent import futures

import grpc

import wire

TRACE = "/skywalking.v3.TraceSegmentReportService/"
COLLECT = TRACE + "collect"
COLLECT_IN_SYNC = TRACE + "collectInSync"


class Backend(grpc.GenericRpcHandler):
    """Every path is a client stream with one answer; a unary call looks the same on the wire."""

    def __init__(self):
        self.lock = threading.Lock()
        self.calls = []  # (path, [message], metadata)
        self.unimplemented = set()
        self.fail = None  # f(path, messages) -> grpc.StatusCode or None
        self.gate = threading.Event()  # closed: no call is answered
        self.gate.set()
        self.port = 0
        self.server = None
        self.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        self.server = grpc.server(
            futures.ThreadPoolExecutor(max_workers=16),
            options=[("grpc.max_receive_message_length", 64 << 20), ("grpc.so_reuseport", 0)])
        self.server.add_generic_rpc_handlers((self,))
        self.port = self.open_port()
        self.server.start()

    def open_port(self):
        return self.server.add_insecure_port(f"127.0.0.1:{self.port}")

    def stop(self):
        self.gate.set()
        self.server.stop(None).wait()

    def service(self, details):
        path = details.method
        if path in self.unimplemented:
            return None
        return grpc.stream_unary_rpc_method_handler(
            lambda messages, context: self.answer(path, messages, context))

    def answer(self, path, messages, context):
        messages = list(messages)
        self.gate.wait(30)
        status = self.fail(path, messages) if self.fail else None
        if status is not None:
            context.abort(status, "on request")
        with self.lock:
            self.calls.append((path, messages, dict(context.invocation_metadata())))
        return b""

    def paths(self):
        with self.lock:
            return {path for path, _, _ in self.calls}

    def messages(self, path):
        with self.lock:
            return [m for p, all_of, _ in self.calls if p == path for m in all_of]

    def calls_of(self, path):
        with self.lock:
            return [all_of for p, all_of, _ in self.calls if p == path]

    def segments(self):
        """Of both ways to report segments."""
        found = self.messages(COLLECT)
        for collection in self.messages(COLLECT_IN_SYNC):
            found += wire.every(collection, 1)
        return found

    def segment_ids(self):
        return [wire.segment_id(s) for s in self.segments()]
