"""The annotation page on 127.0.0.1: a few fixed addresses behind a secret word, and nothing of the file system.

Other pages in the same browser can send requests here, and names that they own can be made to mean 127.0.0.1. So every
address begins with a word that only the printed one holds, and a request must be made to this server by its own page.
"""

import json
import re
import secrets
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

from real2sim_jax.annotation.session import Session
from real2sim_jax.core.errors import UserError, one_line
from real2sim_jax.core.text import whole_number

HOST = "127.0.0.1"
PORTS_TRIED = 50
MAX_BYTES = 1_000_000
"""Of what a page may send."""
MAX_REQUESTS = 32
"""At once: each holds a thread, and a browser opens six connections to one server."""
LONGEST_S = 10.0
"""From the connection to the end of the answer, which the page's own take a fraction of."""
BUSY = b"HTTP/1.0 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
OWN_FETCHES = (None, "same-origin", "none")
"""What browsers say of a request that no other site made."""
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; connect-src 'self';"
    " script-src 'unsafe-inline'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
Answer = tuple[HTTPStatus, str, bytes]


class Server(ThreadingHTTPServer):
    """Serves one session; `address` is where its page is.

    More than `MOST_REQUESTS` at once are turned away, and one that takes longer than `LONGEST_S` is cut off.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, session: Session, port: int):
        super().__init__((HOST, port), _Handler)
        self.session, self.token = session, secrets.token_urlsafe(16)
        self._begun: dict[socket.socket, float] = {}

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a request in a thread of its own, where there is one left."""
        if len(self._begun) >= MAX_REQUESTS:
            with suppress(OSError):
                request.sendall(BUSY)
            self.shutdown_request(request)
            return
        self._begun[request] = time.monotonic()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a request; its thread ends with it."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            del self._begun[request]

    def service_actions(self) -> None:
        """Cut off requests that take too long: whatever their threads wait for ends at once."""
        for request, begun in list(self._begun.items()):
            if time.monotonic() - begun > LONGEST_S:
                with suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that broke; an error of ours is shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        """The page's address, with the secret word."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"


def make_server(session: Session, port: int) -> Server:
    """Return a server on a port of 127.0.0.1, or on the next free one where it is taken; any where it is 0."""
    for tried in range(port, min(port + PORTS_TRIED, 65536)):
        try:
            return Server(session, tried)
        except OSError:
            continue
    raise UserError(
        f"--port {port}: it and the {PORTS_TRIED - 1} that follow are taken or not allowed; give another one"
    )


class _Handler(BaseHTTPRequestHandler):
    """Answers the page's requests."""

    server: Server  # type: ignore[assignment]
    server_version, sys_version = "real2sim", ""

    def do_GET(self) -> None:
        """Answer what reads."""
        self._answer({r"": _page, r"video": _video, r"job": _job, r"frames/(\d{1,6})\.jpg": _frame,
                      r"masks/(\d{1,6})\.png": _mask})  # fmt: skip

    def do_POST(self) -> None:
        """Answer what changes something."""
        self._answer({r"save": _save, r"segment": _segment, r"cut": _cut})

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a line for each picture helps nobody."""

    def _answer(self, routes: dict[str, Callable[..., Answer]]) -> None:
        refused = self._refusal()
        if refused is not None:
            self._send((refused, "text/plain", refused.phrase.encode()))
            return
        path = self.path.split("?", 1)[0].removeprefix(f"/{self.server.token}/")
        for pattern, route in routes.items():
            match = re.fullmatch(pattern, path)
            if match:
                self._send(self._reply(route, match))
                return
        self._send(_missing())

    def _refusal(self) -> HTTPStatus | None:
        """Why a request is not answered: made to another name, by another page, or without the secret word."""
        own = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        host, origin = self.headers.get("Host"), self.headers.get("Origin")
        if host not in own or (origin is not None and origin != f"http://{host}"):
            return HTTPStatus.FORBIDDEN
        if self.headers.get("Sec-Fetch-Site") not in OWN_FETCHES:
            return HTTPStatus.FORBIDDEN
        word = self.path[1:].partition("/")[0]
        return None if secrets.compare_digest(word.encode(), self.server.token.encode()) else HTTPStatus.NOT_FOUND

    def _reply(self, route: Callable[..., Answer], match: re.Match[str]) -> Answer:
        try:
            text = self._text() if self.command == "POST" else None
            return route(self.server.session, *match.groups(), *([] if text is None else [text]))
        except (UserError, OSError, UnicodeDecodeError) as error:
            return HTTPStatus.BAD_REQUEST, "text/plain; charset=utf-8", one_line(str(error)).encode()

    def _text(self) -> str:
        length = whole_number(self.headers.get("Content-Length", ""))
        if length > MAX_BYTES:
            raise UserError(f"expected a text of at most {MAX_BYTES} bytes, got {length}")
        data = self.rfile.read(length)
        if len(data) < length:
            raise UserError(f"expected {length} bytes, got {len(data)}; send them again")
        return data.decode("utf-8")

    def _send(self, answer: Answer) -> None:
        status, kind, body = answer
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _page(session: Session) -> Answer:
    page = files("real2sim_jax.annotation").joinpath("page.html").read_bytes()
    return HTTPStatus.OK, "text/html; charset=utf-8", page


def _video(session: Session) -> Answer:
    return _json(session.description())


def _job(session: Session) -> Answer:
    job = session.job()
    return _json(None if job is None else asdict(job))


def _frame(session: Session, number: str) -> Answer:
    return _picture("image/jpeg", session.frame(int(number)))


def _mask(session: Session, number: str) -> Answer:
    return _picture("image/png", session.mask(int(number)))


def _save(session: Session, text: str) -> Answer:
    hints = session.save(text)
    return _json({"out": str(session.out), "boxes": len(hints.prompts), "contacts": len(hints.contacts)})


def _segment(session: Session, text: str) -> Answer:
    return _json(asdict(session.segment(text)))


def _cut(session: Session, text: str) -> Answer:
    return _json(session.cut(text))


def _json(value: Any) -> Answer:
    return HTTPStatus.OK, "application/json", json.dumps(value).encode()


def _picture(kind: str, data: bytes | None) -> Answer:
    return _missing() if data is None else (HTTPStatus.OK, kind, data)


def _missing() -> Answer:
    return HTTPStatus.NOT_FOUND, "text/plain", b"nothing is here"
