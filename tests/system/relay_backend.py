"""A backend for relayed calls: every path does what a function of the test says, both ways."""
# SPDX-License-Identifier: Apache-2.0
import queue
import threading
from concurrent import futures

import grpc


class Seen:
    """One call: what came in, and how it ended."""

    def __init__(self, path, context):
        self.path = path
        self.context = context
        self.metadata = list(context.invocation_metadata())
        self.messages = []
        self.half_closed = threading.Event()
        self.gone = threading.Event()
        context.add_callback(self.gone.set)

    def value(self, name):
        return [v for k, v in self.metadata if k == name]


class RelayBackend(grpc.GenericRpcHandler):
    """do[path] = f(seen, messages) yields the answer; without one the path is UNIMPLEMENTED."""

    def __init__(self, options=()):
        self.do = {}
        self.seen = queue.Queue()
        self.options = [*options, ("grpc.max_receive_message_length", 64 << 20),
                        ("grpc.so_reuseport", 0)]
        self.port = 0
        self.start()

    def start(self):
        self.server = grpc.server(futures.ThreadPoolExecutor(max_workers=32), options=self.options)
        self.server.add_generic_rpc_handlers((self,))
        self.port = self.server.add_insecure_port(f"127.0.0.1:{self.port}")
        self.server.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def stop(self, grace=None):
        return self.server.stop(grace)

    def service(self, details):
        if details.method not in self.do:
            return None

        def run(messages, context):
            seen = Seen(details.method, context)
            self.seen.put(seen)
            yield from self.do[details.method](seen, self.noted(seen, messages))
        return grpc.stream_stream_rpc_method_handler(run)

    @staticmethod
    def noted(seen, messages):
        for message in messages:
            seen.messages.append(message)
            yield message
        seen.half_closed.set()


def echo(seen, messages):
    yield from messages


def collect(seen, messages):
    """A client stream or a unary call: one answer."""
    list(messages)
    yield b"answer"


def hang(seen, messages):
    """Reads everything and says nothing until the call is gone."""
    for _ in messages:
        pass
    seen.gone.wait(30)
    return
    yield


def fail(code, text=""):
    def run(seen, messages):
        list(messages)
        seen.context.abort(code, text)
        yield
    return run
