"""A small HTTP service under the real SkyWalking Python agent; the agent is set up by its SW_ variables."""
# SPDX-License-Identifier: Apache-2.0
# GET /ask?of=URL calls the other service and gives its answer; GET /leaf answers by itself and logs
# a warning, which the agent reports as a log. Prints "listening PORT".
import http.server
import logging
import urllib.parse
import urllib.request

from skywalking import agent

agent.start()
log = logging.getLogger("orders")


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        parts = urllib.parse.urlsplit(self.path)
        if parts.path == "/ask":
            of = urllib.parse.parse_qs(parts.query)["of"][0]
            with urllib.request.urlopen(of, timeout=10) as answer:
                self.answer(b"python asked: " + answer.read())
        else:
            log.warning("leaf reached by %s", self.path)
            self.answer(b"python leaf")

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    print("listening", server.server_address[1], flush=True)
    server.serve_forever()
