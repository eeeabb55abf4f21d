"""A server of files on the loopback interface, and the ways in which it can fail. A
behaviour is a function from the name of a file to what the server does.
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from idx_files import ARCHIVES, GOOD

# Downloads. A server's behaviour is a function from the name of a file to what it does.


class Server:
    """Serves on the loopback interface until it is closed, and remembers what it was
    asked for."""

    def __init__(self, behaviour: Callable[[BaseHTTPRequestHandler, str], None]):
        self.requests: list[str] = []
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            closing = threading.Event()

            def do_GET(self):
                requests.append(self.path.removeprefix("/set/"))
                behaviour(self, requests[-1])

            def log_message(self, *_):
                pass

        self._closing = Handler.closing
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False  # so that closing waits for them
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/set/"

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def respond(handler: BaseHTTPRequestHandler, body: bytes, length: int | None = None) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


def good(handler, name):
    respond(handler, ARCHIVES[name])


def truncated(handler, name):
    respond(handler, ARCHIVES[name][:-5], length=len(ARCHIVES[name]))


def truncated_in_secret(handler, name):
    respond(handler, ARCHIVES[name][:-5])


def wrong_bytes(handler, name):
    respond(handler, gzip.compress(GOOD[name.removesuffix(".gz")] + b"!"))


def web_page(handler, name):
    respond(handler, b"<html>Please log in</html>")


def missing(handler, name):
    handler.send_error(404)


def hanging_up(handler, name):
    handler.close_connection = True


def silent(handler, name):
    """No answer at all, until the server is closed."""
    handler.closing.wait()


def stalling(handler, name):
    """Half an answer, and then nothing until the server is closed."""
    respond(handler, ARCHIVES[name][:10], length=len(ARCHIVES[name]))
    handler.closing.wait()


def endless(handler, name):
    """Until the other side hangs up."""
    handler.send_response(200)
    handler.end_headers()
    flood(handler)


def flood(handler, chunk: bytes = bytes(1 << 16)):
    with suppress(OSError):
        while not handler.closing.is_set():
            handler.wfile.write(chunk)


def endless_in_chunks(handler, name):
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    flood(handler, b"10000\r\n" + bytes(1 << 16) + b"\r\n")


def promising_too_much(handler, name):
    respond(handler, ARCHIVES[name], length=10**15)


def continuing(handler, name):
    flood(handler, b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


def drip(handler, content: bytes):
    with suppress(OSError):
        for byte in content:
            handler.wfile.write(bytes([byte]))
            if handler.closing.wait(0.05):
                return


def dripping(handler, name):
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    drip(handler, bytes(5000))


def dripping_headers(handler, name):
    drip(handler, b"HTTP/1.0 200 OK\r\n" + b"X-Longer: and longer\r\n" * 1000)


def redirect(handler, location: str):
    handler.send_response(302)
    handler.send_header("Location", location)
    handler.end_headers()


def redirecting_in_circles(handler, name):
    redirect(handler, f"/set/{name}")


def redirecting_on_and_on(handler, name):
    redirect(handler, f"/set/{name}/more")


def redirecting_with_an_endless_body(handler, name):
    redirect(handler, f"/set/{name}")
    flood(handler)


def redirecting_to_a_file(handler, name):
    redirect(handler, "ftp://127.0.0.1/etc/passwd")


def redirecting_to_no_address(handler, name):
    redirect(handler, "http://[half")


def talkative(handler, name):
    handler.send_response(404, "x" * 5000)
    handler.end_headers()


BOMB = gzip.compress(bytes(30_000_000))  # larger than what unpacks to 2,368 bytes can be


def bomb(handler, name):
    respond(handler, BOMB)
