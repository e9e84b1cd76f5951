"""Servers behind TLS: whose certificate is taken, and what is said of the others."""

import http.server
import json
import os
import ssl
import subprocess
import tempfile
import threading
import unittest

from support.nexus_process import Nexus, eventually

CA = """[ca]
default_ca = c
[c]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = p
x509_extensions = e
[p]
commonName = supplied
[e]
subjectAltName = DNS:localhost
"""


class TlsHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_response(405)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        results = {
            "initialize": {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "tls", "version": "1"},
            },
            "tools/list": {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]},
            "tools/call": {"content": [{"type": "text", "text": "over TLS"}]},
        }
        answer = {"jsonrpc": "2.0", "id": message.get("id")}
        if message["method"] in results:
            answer["result"] = results[message["method"]]
        else:
            answer["error"] = {"code": -32601, "message": "no"}
        body = json.dumps(answer).encode() if "id" in message else b""
        self.send_response(200 if body else 202)
        if body:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Tls(unittest.TestCase):
    """Each certificate is its own authority."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="nexus-tls-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        for name, text in (("cnf", CA), ("index", ""), ("serial", "01")):
            with open(cls.path(name), "w", encoding="ascii") as file:
                file.write(text)
        cls.make("good", "20200101000000Z", "20991231000000Z")
        cls.make("expired", "20200101000000Z", "20200102000000Z")
        cls.make("early", "20981231000000Z", "20991231000000Z")
        cls.make("client", "20200101000000Z", "20991231000000Z")
        cls.port = cls.serve("good")

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder, name)

    @classmethod
    def make(cls, name, begin, end):
        key, request = cls.path(f"{name}.key"), cls.path(f"{name}.csr")
        run = lambda *args: subprocess.run(
            ["openssl", *args], check=True, capture_output=True, cwd=cls.folder
        )
        run("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request,
            "-subj", f"/CN={name}")  # fmt: skip
        run("ca", "-selfsign", "-config", "cnf", "-in", request, "-keyfile", key, "-startdate",
            begin, "-enddate", end, "-batch", "-notext", "-out", cls.path(name))  # fmt: skip

    @classmethod
    def serve(cls, name, client=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cls.path(name), cls.path(f"{name}.key"))
        if client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cls.path(client))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), TlsHandler)
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # refused handshakes are the point
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        return server.server_address[1]

    def settled(self, host="localhost", port=None, **tls):
        """A gateway, and the row of its only server once that is connected or refused."""
        url = f"https://{host}:{port or self.port}/mcp"
        gateway = Nexus({"secure": {"url": url, "tls": tls}}).start()
        self.addCleanup(gateway.stop)

        def row():
            (found,) = json.loads(gateway.get("/api/v1/servers").body)
            return found if found["state"] in ("ready", "down") else None

        return gateway, eventually(row, what="the end of the handshake")

    def called(self, gateway, row):
        self.assertEqual(row["state"], "ready", row)
        with gateway.legacy("/mcp", "2025-11-25") as client:
            self.assertEqual(client.call("secure__t", {}).text, "over TLS")

    def refused(self, row, *words):
        self.assertEqual(row["state"], "down", row)
        for word in words:
            self.assertIn(word, row["error"])

    def test_a_verified_server_is_called(self):
        self.called(*self.settled(ca=self.path("good")))

    def test_an_unknown_authority_is_refused_with_the_remedy(self):
        _, row = self.settled()
        self.refused(row, "certificate", "localhost", '"ca" of "tls"')
        _, row = self.settled(ca=self.path("client"))
        self.refused(row, "certificate", "localhost")

    def test_another_host_is_refused(self):
        _, row = self.settled("127.0.0.1", ca=self.path("good"))
        self.refused(row, "127.0.0.1", "host name")

    def test_a_certificate_out_of_its_time_is_refused(self):
        for name, word in (("expired", "expired"), ("early", "not yet valid")):
            _, row = self.settled(port=self.serve(name), ca=self.path(name))
            self.refused(row, word, "renew")

    def test_a_client_certificate_is_shown_where_one_is_wanted(self):
        port, ca = self.serve("good", "client"), self.path("good")
        cert, key = self.path("client"), self.path("client.key")
        self.called(*self.settled(port=port, ca=ca, cert=cert, key=key))
        _, row = self.settled(port=port, ca=ca)
        self.refused(row, '"cert" and "key" of "tls"')

    def test_http_over_a_port_of_tls(self):
        gateway = Nexus({"plain": {"url": f"http://localhost:{self.port}/mcp"}}).start()
        self.addCleanup(gateway.stop)
        eventually(lambda: gateway.servers()["plain"]["state"] == "down", what="the failure")
        self.assertTrue(gateway.servers()["plain"]["error"])

    def test_verification_can_be_switched_off(self):
        self.called(*self.settled("127.0.0.1", verify=False))
        self.called(*self.settled(port=self.serve("expired"), verify=False))


if __name__ == "__main__":
    unittest.main()
