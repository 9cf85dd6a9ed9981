"""A test suite of the Python service, run under the real SkyWalking Python agent."""
# SPDX-License-Identifier: Apache-2.0
# What a team would put behind "spangate ci --": it ends by itself, and the agent sends at its end
# what it still holds. Each question is two segments: of asking and, in the same process, of answering.
import http.server
import threading
import unittest
import urllib.request

import app_python

N_QUESTIONS = 10


class ServiceTest(unittest.TestCase):
    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), app_python.Service)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()

    def test_it_asks_and_answers(self):
        for _ in range(N_QUESTIONS):
            with urllib.request.urlopen(f"{self.url}/ask?of={self.url}/leaf", timeout=10) as answer:
                self.assertEqual(answer.read(), b"python asked: python leaf")


if __name__ == "__main__":
    unittest.main()
