"""A provider of embeddings whose model knows a few meanings, and does what a test wants."""

import hashlib
import http.server
import json
import re
import threading
import time

#: Words that mean the same to it.
MEANINGS = [
    {"car", "automobile", "vehicle", "drive"},
    {"rain", "weather", "forecast", "umbrella"},
    {"invoice", "bill", "payment", "money"},
]
HASHED = 13


def embedding(text):
    """A number for each meaning, and some that all other words share."""
    out = [0.0] * (len(MEANINGS) + HASHED)
    for word in re.findall(r"[a-z]+", text.lower()):
        for place, meaning in enumerate(MEANINGS):
            if word in meaning:
                out[place] += 1.0
        digest = hashlib.sha256(word.encode()).digest()
        out[len(MEANINGS) + digest[0] % HASHED] += 0.05
    return out


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        provider = self.server.provider
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with provider.lock:
            provider.requests.append((self.path, dict(self.headers), asked))
        time.sleep(provider.delay)
        rows = [
            {"object": "embedding", "index": i, "embedding": embedding(text)}
            for i, text in enumerate(asked["input"])
        ]
        body = {"object": "list", "data": rows[::-1], "model": asked["model"]}
        text = provider.body if provider.body is not None else json.dumps(body).encode()
        try:
            self.send_response(provider.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
        except OSError:
            pass  # whoever asked has not waited


class Provider:
    def __init__(self, port=0):
        self.lock, self.requests = threading.Lock(), []
        self.delay, self.status, self.body = 0.0, 200, None
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.server.provider = self
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def config(self, **more):
        return {"url": f"http://127.0.0.1:{self.port}/v1/", "model": "meanings-1", **more}

    def texts(self):
        with self.lock:
            return [text for _, _, asked in self.requests for text in asked["input"]]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
