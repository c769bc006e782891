# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The middle tier of the demo: HTTP in front, redis behind.  It knows nothing of Patchbay.

usage: app.py WORD PORT DB-HOST DB-PORT
Each answer is "app at WORD: N visits, asked by ADDRESS"; N is counted in the database.
"""
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORD, PORT, DB = sys.argv[1], int(sys.argv[2]), (sys.argv[3], int(sys.argv[4]))


def count():
    with socket.create_connection(DB, 5) as s:
        s.sendall(b"INCR visits\r\n")
        return int(s.makefile("rb").readline()[1:])


class App(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            status, text = 200, f"{count()} visits"
        except OSError as e:
            status, text = 503, f"no database ({e})"
        body = f"app at {WORD}: {text}, asked by {self.client_address[0]}\n".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


ThreadingHTTPServer(("", PORT), App).serve_forever()
