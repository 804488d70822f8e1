"""Requests to the annotation page, as a browser would never send them."""

import contextlib
import io
import json
import random
import re
import socket
import tempfile
import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from real2sim_jax.annotation.server import HOST, Server, make_server
from real2sim_jax.annotation.session import Session
from real2sim_jax.perception.prompts import Prompt, read_hints
from real2sim_jax.perception.segmentation import segmenter_named
from tests.fuzz import mutate_bytes, odd, oracles
from tests.fuzz.case import Reader
from tests.perception import scenes
from tests.perception.clips import write_clip

REQUEST = "request.json"
LINES = ("moved=76,100,124,140@0", "hand=1.5,2,30,40@3", "anchor=5,5,9,9@0", "contact=3-9", "ignore=1,1,2,2@23")
REQUESTS = (("GET", "", ""), ("GET", "video", ""), ("GET", "job", ""), ("GET", "frames/12.jpg", ""),
            ("GET", "masks/0.png", ""), ("POST", "save", "\n".join(LINES)), ("POST", "save", LINES[0]),
            ("POST", "segment", LINES[0]))  # fmt: skip
PATIENCE_S = 3.0
SEGMENTATION_S = 5.0


@dataclass(frozen=True)
class Exchange:
    """What was sent and what came back."""

    path: str
    text: str
    answer: bytes
    said: str
    """On stderr, by the server's threads."""
    saved: Path
    serves: bool
    error: str | None
    """Of the last search for masks."""

    @property
    def status(self) -> int | None:
        found = re.match(rb"HTTP/1\.[01] (\d{3}) ", self.answer)
        return int(found[1]) if found else None


def write_request(folder: Path) -> None:
    (folder / REQUEST).write_text(json.dumps(_request(*REQUESTS[1])))


def _request(method: str, path: str, body: str) -> dict[str, str]:
    """A request in parts; what is in braces is put in when it is sent."""
    head = "Host: {host}\r\nOrigin: http://{host}\r\nSec-Fetch-Site: same-origin\r\nContent-Type: text/plain\r\n"
    return {
        "first": f"{method} /{{token}}/{path} HTTP/1.1\r\n",
        "head": head,
        "length": str(len(body)),
        "body": body,
        "path": path,
    }


def damage_request(folder: Path, rng: random.Random, seed: int) -> None:
    """A part of a request: its first line, its headers, its length, its text."""
    request, kind, times = _request(*rng.choice(REQUESTS)), seed % 6, seed // 6
    if kind in (0, 1, 2):
        request |= _request("POST", "save" if rng.random() < 0.95 else "segment", _lines(rng))
    elif kind == 3:
        request["first"] = _spoilt(request["first"], rng, times)
    elif kind == 4:
        request["head"] = _spoilt(request["head"], rng, times)
    else:
        lengths = ("", "-1", "0", "1", "²", "1e3", "999999", "1000001", odd.DIGITS, "5, 5", " 7 ", "+7", "0x7")
        request["length"] = rng.choice(lengths)
    (folder / REQUEST).write_text(json.dumps(request))


def _lines(rng: random.Random) -> str:
    """What a page might say, with odd numbers or texts in it."""
    line = rng.choice(LINES)
    parts = re.split(r"(\d+(?:\.\d+)?)", line)
    numbers = (
        "0.00001",
        "1234567",
        "9" * 400,
        "1e3",
        "-1",
        "007",
        "1.",
        ".5",
        "0.1234567890123",
        odd.DIGITS,
        "٣",
        "23",
        "24",
    )
    parts[rng.randrange(len(parts))] = rng.choice(numbers) if rng.random() < 0.7 else odd.text(rng)
    return "\n".join(rng.sample([*LINES[:2], "".join(parts)], 3))


def _spoilt(text: str, rng: random.Random, times: int) -> str:
    if times % 2:
        data = bytearray(text.encode())
        return mutate_bytes.KINDS[times // 2 % len(mutate_bytes.KINDS)](data, rng).decode("latin-1")
    start = rng.randrange(len(text))
    return text[:start] + odd.text(rng)[:70_000] + text[start + rng.randrange(3) :]


@cache
def server() -> Server:
    """The page of a clip, served for all cases."""
    folder = Path(tempfile.mkdtemp(prefix="annotate"))
    clip = write_clip(folder / "push.mp4", scenes.push(frames=24, pace=0.55).frames, rate=12)
    made = make_server(Session(clip, folder / "told.txt", segmenter_named("boxes")), 0)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    return made


def send(folder: Path) -> Exchange:
    """Send the request as it stands, and ask for the video after it."""
    served, request = server(), json.loads((folder / REQUEST).read_text())
    served.session.out.unlink(missing_ok=True)
    with contextlib.redirect_stderr(io.StringIO()) as said:
        answer = _answer(served, _bytes(served, request))
        job = _ended(served.session)
        again = _answer(served, _bytes(served, _request("GET", "video", "")))
    serves = again.startswith(b"HTTP/1.0 200")
    length = request["length"]
    text = request["body"][: int(length) if length.isascii() and length.isdigit() and len(length) < 9 else None]
    return Exchange(request["path"], text, answer, said.getvalue(), served.session.out, serves, job)


def _bytes(served: Server, request: dict[str, str]) -> bytes:
    host, token = f"{HOST}:{served.server_port}", urlsplit(served.address).path.strip("/")
    head = (request["first"] + request["head"]).replace("{host}", host).replace("{token}", token)
    length = f"Content-Length: {request['length']}\r\n" if request["body"] or request["length"] != "0" else ""
    return f"{head}{length}\r\n{request['body']}".encode("utf-8", "surrogatepass")


def _answer(served: Server, data: bytes) -> bytes:
    """All that the server says; nothing more is sent after the request."""
    found = []
    with socket.create_connection((HOST, served.server_port), PATIENCE_S) as link, contextlib.suppress(ConnectionError):
        link.sendall(data)
        link.shutdown(socket.SHUT_WR)
        while part := link.recv(65536):
            found.append(part)
    return b"".join(found)


def _ended(session: Session) -> str | None:
    """Wait for a search for masks; the error that it ended with."""
    end = time.monotonic() + SEGMENTATION_S
    while (job := session.job()) is not None and job.running and time.monotonic() < end:
        time.sleep(0.02)
    return None if job is None else job.error


def wrong_exchange(found: Exchange) -> list[str]:
    """No thread ends in a traceback, errors are a line, the server serves on, and what is saved is what was said."""
    wrong = [] if found.serves else ["the server does not answer any more"]
    if "Traceback" in found.said:
        wrong.append(f"traceback: {ascii(found.said.strip().splitlines()[-1])[:200]}")
    if found.status is not None and found.status >= 500 and found.status not in (501, 505):
        wrong.append(f"status {found.status}")
    body = found.answer.partition(b"\r\n\r\n")[2]
    if found.status == 400 and b"Content-Type: text/plain" in found.answer and not oracles.is_line(body.decode()):
        wrong.append(f"status 400: {ascii(body.decode())[:150]} ({len(body)} bytes)")
    if found.error is not None and not (oracles.is_line(found.error) and re.match(r"[a-z-]", found.error)):
        wrong.append(f"masks: {ascii(found.error)[:200]}")
    if found.path == "save" and found.status == 200:
        wrong += _wrong_file(found)
    elif found.status not in (None, 200) and found.saved.exists():
        wrong.append(f"saved in spite of {found.status}")
    return wrong


def _wrong_file(found: Exchange) -> list[str]:
    if not found.saved.is_file():
        return ["answered 200 and saved nothing"]
    try:
        saved, said = read_hints([str(found.saved)]), read_hints(found.text.splitlines())
    except ValueError as error:
        return [f"saved what cannot be read: {ascii(str(error))[:150]}"]
    if saved.contacts != said.contacts or not _alike(saved.prompts, said.prompts):
        return [f"saved {saved}"[:200]]
    return []


def _alike(saved: tuple[Prompt, ...], said: tuple[Prompt, ...]) -> bool:
    """The same boxes, whatever their order, to a hundredth of a pixel."""
    a, b = (sorted((p.role, p.frame, p.box) for p in prompts) for prompts in (saved, said))
    return [x[:2] for x in a] == [x[:2] for x in b] and all(
        np.allclose(x[2], y[2], atol=0.01, rtol=0) for x, y in zip(a, b, strict=True)
    )


READERS = (Reader("annotation page", write_request, damage_request, send, wrong_exchange, 260),)
