#!/usr/bin/env python3
# uploads.py PORT: a web server that answers a PUT with the SHA-256 of its body, of either kind, and with its length.
import hashlib, http.server, sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def pieces(self):
        left = int(self.headers.get("Content-Length", -1))
        while left > 0:
            piece = self.rfile.read(min(left, 1 << 16))
            left -= len(piece)
            yield piece
        while left < 0 and (size := int(self.rfile.readline(), 16)):
            yield self.rfile.read(size)
            self.rfile.readline()
        if left < 0:
            self.rfile.readline()

    def do_PUT(self):
        sum, count = hashlib.sha256(), 0
        for piece in self.pieces():
            sum.update(piece)
            count += len(piece)
        self.answer(f"{sum.hexdigest()} {count}\n")

    def do_GET(self):
        self.answer("here\n")

    def answer(self, text):
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *words):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
