"""An HTTP/2 client by hand, for frames no gRPC client would send."""
# SPDX-License-Identifier: Apache-2.0
import socket
import struct

import h2.config
import h2.connection
import h2.events


class RawClient:
    def __init__(self, gate):
        host, port = gate.address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=20)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.h2.initiate_connection()
        self.headers, self.data, self.ended, self.reset = {}, {}, set(), {}
        self.flush()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def open(self, path, **more):
        stream_id = self.h2.get_next_available_stream_id()
        headers = [(":method", "POST"), (":scheme", "http"), (":path", path),
                   (":authority", "test"), ("content-type", "application/grpc"),
                   ("te", "trailers")]
        headers += [(k.replace("_", "-"), v) for k, v in more.items()]
        self.h2.send_headers(stream_id, headers)
        self.flush()
        return stream_id

    def send(self, stream_id, data, end=False):
        self.h2.send_data(stream_id, data, end_stream=end)
        self.flush()

    def wait(self, stream_id):
        """Until the server ended the stream; its headers and trailers in one dictionary."""
        while stream_id not in self.ended and stream_id not in self.reset:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("closed")
            for event in self.h2.receive_data(data):
                self.take(event)
            self.flush()
        return self.headers.get(stream_id, {})

    def take(self, event):
        if isinstance(event, (h2.events.ResponseReceived, h2.events.TrailersReceived)):
            self.headers.setdefault(event.stream_id, {}).update(
                {(k.decode() if isinstance(k, bytes) else k):
                 (v.decode() if isinstance(v, bytes) else v) for k, v in event.headers})
        elif isinstance(event, h2.events.DataReceived):
            self.data[event.stream_id] = self.data.get(event.stream_id, b"") + event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.ended.add(event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self.reset[event.stream_id] = event.error_code

    def close(self):
        self.socket.close()


def framed(message, flag=0):
    return struct.pack(">BI", flag, len(message)) + message
