"""The annotation page: a real click path in a browser, what is saved, and who is not answered."""

import base64
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest

from real2sim_jax.annotation import server as server_module
from real2sim_jax.annotation.server import MAX_BYTES, make_server
from real2sim_jax.annotation.session import Session
from real2sim_jax.core.errors import UserError
from real2sim_jax.data.artefacts import load
from real2sim_jax.data.types import MOVED, MaskTrack
from real2sim_jax.perception.promptable import Cut
from real2sim_jax.perception.prompts import lines_of, parse_hints, read_hints
from real2sim_jax.perception.segmentation import segmenter_named
from real2sim_jax.viewers.fit import COLOURS
from tests.command_line import exit_code as run
from tests.perception import scenes
from tests.perception.clips import write_clip
from tests.viewers.browser import needs_chromium, page_at

pytestmark = pytest.mark.long

FRAMES, SIZE = 24, (1200, 900)
BOX = (76, 100, 124, 140)
KEYS = {"ArrowRight": 39, "End": 35, "Home": 36, "Enter": 13, "Delete": 46}


@pytest.fixture(scope="module")
def scene():
    """A red box on a brown table: blue is the colour of the moved object's mask."""
    return scenes.push(frames=FRAMES, pace=0.55, colour=(190, 60, 60))


@pytest.fixture(scope="module")
def clip(scene, tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clips") / "push.mp4", scene.frames, rate=12)


@contextmanager
def annotating(*arguments):
    """The address that the command prints."""
    command = [sys.executable, "-m", "real2sim_jax.cli", "annotate", *map(str, arguments), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield next(word for line in process.stdout for word in line.split() if "http://" in word)
        finally:
            process.terminate()


class Hand:
    """What a user does on the page."""

    def __init__(self, page):
        self.page = page
        page.wait_for(lambda: page.run("document.querySelectorAll('#roles button').length") == 4)
        page.wait_for(lambda: page.run("image('frames/0.jpg').ready") is True)

    def press(self, key):
        code = {"windowsVirtualKeyCode": KEYS.get(key, ord(key.upper()[0]))}
        for kind in ("keyDown", "keyUp"):
            self.page.call("Input.dispatchKeyEvent", type=kind, key=key, **code)

    def drag(self, start, end):
        """From a point to another, px of the video."""
        for kind, point in (("mousePressed", start), ("mouseMoved", end), ("mouseReleased", end)):
            x, y = self.on_page(point)
            buttons = 0 if kind == "mouseReleased" else 1
            self.page.call(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=buttons, clickCount=1
            )

    def click(self, selector):
        place = f"document.querySelector('{selector}').getBoundingClientRect()"
        x, y = json.loads(
            self.page.run(f"JSON.stringify([{place}.x + {place}.width / 2, {place}.y + {place}.height / 2])")
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def on_page(self, point):
        place = "document.getElementById('picture').getBoundingClientRect()"
        x, y, width = json.loads(self.page.run(f"JSON.stringify([{place}.x, {place}.y, {place}.width])"))
        return x + point[0] * width / scenes.WIDTH, y + point[1] * width / scenes.WIDTH

    def hints(self):
        return self.page.run("[...document.querySelectorAll('#said li')].map((line) => line.textContent)")

    def says(self):
        return self.page.run("document.getElementById('says').textContent")


class Colours:
    """A promptable model that cuts out what has the colour of a point."""

    identity = "colours"

    def embed(self, image):
        return image.astype(np.int16)

    def cut(self, embedding, shape, points, kinds):
        x, y = np.asarray(points[0]).astype(int)
        return Cut(np.abs(embedding - embedding[y, x]).max(axis=-1) < 40, 0.9)


@pytest.fixture
def clicked(scene, clip, tmp_path):
    """A page whose clicks cut out what has one colour: its session, and its address."""
    session = Session(clip, tmp_path / "clicks.txt", segmenter_named("boxes"), Colours())
    with make_server(session, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield session, server.address
        server.shutdown()


def test_a_click_gives_the_box_and_the_mask_of_what_is_there(scene, clicked):
    session, _ = clicked
    truth = scene.labels[3] == 2
    rows, columns = np.nonzero(truth)
    found = session.cut(f"moved={columns.mean():.1f},{rows.mean():.1f}@3")
    np.testing.assert_allclose(found["box"], [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], atol=3)
    kind, data = found["mask"].split(",")
    drawn = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_UNCHANGED)
    assert kind == "data:image/png;base64" and scenes.iou((drawn[..., 3] > 0)[None], truth[None])[0] > 0.9
    assert tuple(drawn[drawn[..., 3] > 0][0][:3]) == COLOURS[MOVED][::-1]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("moved=1,2,3,4@0", "expected ROLE=x,y@FRAME"),
        ("moved=1e9,2@0", "expected ROLE=x,y@FRAME"),
        ("thumb=1,2@0", "ROLE"),
        ("moved=1,2@999", "999"),
        ("moved=9999,2@0", "9999"),
    ],
)
def test_a_click_that_is_none_costs_one_line(clicked, line, says):
    with pytest.raises(UserError, match=says):
        clicked[0].cut(line)


def test_without_a_model_a_click_is_refused(clip, tmp_path):
    session = Session(clip, tmp_path / "said.txt", segmenter_named("boxes"))
    assert not session.description()["clicks"]
    with pytest.raises(UserError, match="--segmenter sam"):
        session.cut("moved=1,2@0")


@needs_chromium
def test_a_click_on_the_page_draws_a_box_around_what_is_there(scene, clicked):
    session, address = clicked
    rows, columns = np.nonzero(scene.labels[0] == 2)
    with page_at(address, SIZE) as page:
        hand = Hand(page)
        hand.press("1")
        hand.drag(*[(float(columns.mean()), float(rows.mean()))] * 2)
        page.wait_for(lambda: len(hand.hints()) == 1)
        (line,) = hand.hints()
        hand.press("s")
        page.wait_for(lambda: hand.says().startswith("saved"))
    assert lines_of(session.hints) == [line]
    box = session.hints.prompts[0].box
    np.testing.assert_allclose(box, [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], atol=3)


@needs_chromium
def test_from_drawing_to_masks_and_a_file_that_segment_takes(clip, tmp_path):
    out = tmp_path / "told.txt"
    with annotating(clip, "--out", out, "--segmenter", "boxes") as address, page_at(address, SIZE) as page:
        hand = Hand(page)
        hand.press("1")
        # Drawn too small first, then its corner pulled to where it should be.
        hand.drag((76, 100), (110, 130))
        hand.drag((110, 130), (124, 140))
        hand.press("4")
        assert hand.hints()[0].startswith("ignore="), "the chosen box changes its role"
        hand.press("1")
        hand.press("u")
        assert hand.hints()[0].startswith("ignore=")
        hand.press("u")
        (line,) = hand.hints()
        assert np.abs(np.array(read_hints([line]).prompts[0].box) - BOX).max() < 1.0
        for _ in range(9):
            hand.press("ArrowRight")
        hand.click("#contact")
        for _ in range(7):
            hand.press("ArrowRight")
        hand.press("c")
        assert hand.hints()[1] == "contact=9-16"
        hand.press("3")
        hand.drag((150, 20), (200, 60))
        assert len(hand.hints()) == 3
        hand.press("Delete")
        assert len(hand.hints()) == 2
        hand.click("#find")
        page.wait_for(lambda: hand.says() == "masks are there" or page.run("document.querySelector('.wrong') !== null"))
        assert hand.says() == "masks are there"
        moved = page.run("[...document.querySelectorAll('#notes li')].map((line) => line.textContent)")
        assert any("as told" in note for note in moved)
        hand.press("Home")
        page.wait_for(lambda: blue(page, hand, (100, 120)))
        assert not blue(page, hand, (250, 120)) and not out.exists()
        hand.press("m")
        page.wait_for(lambda: not blue(page, hand, (100, 120)))
        hand.press("s")
        page.wait_for(lambda: hand.says().startswith("saved to"))
        assert page.errors == []
        assert [url for url in page.requests if not url.startswith((address, "data:"))] == []
    hints = read_hints([str(out)])
    assert hints.contacts == ((9, 16),) and [prompt.role for prompt in hints.prompts] == ["moved"]
    assert run("segment", clip, "--segmenter", "boxes", "--prompt", out, "--out", tmp_path / "masks") == 0
    track = load(tmp_path / "masks" / "push" / "masks.npz", MaskTrack)
    assert np.flatnonzero(track.touching).tolist() == list(range(9, 17))
    with annotating(clip, "--out", out) as address, page_at(address, SIZE) as page:
        assert len(Hand(page).hints()) == 2, "what was saved is there again"


def blue(page, hand, point):
    """Whether the page shows blue at a point of the video."""
    x, y = hand.on_page(point)
    red, _, colour = page.picture()[round(y), round(x)].astype(int)
    return colour > red


@pytest.fixture(scope="module")
def served(clip, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "told.txt"
    session = Session(clip, out, segmenter_named("boxes"))
    with make_server(session, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server, path, method="GET", body=None, **headers):
    """Status, body and headers of the answer to a raw request."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.request(method, path, body, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    return answer.status, answer.read(), answer.headers


def own(server, name):
    return urlsplit(server.address).path + name


def test_only_this_machine_is_served(served):
    assert served.server_address[0] == "127.0.0.1" and len(served.token) >= 16
    status, page, headers = ask(served, own(served, ""))
    assert status == 200 and b"<canvas" in page and b"http" not in page.replace(b"http-equiv", b"")
    assert "default-src 'none'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1:1"},
    ],
    ids=str,
)
def test_other_origins_and_names_are_refused(served, headers):
    for method, name in (("GET", "video"), ("POST", "save")):
        status, body, _ = ask(
            served, own(served, name), method, "moved=1,2,30,40@0" if method == "POST" else None, **headers
        )
        assert status == 403 and b"push" not in body
    assert not served.session.out.exists()


@pytest.mark.parametrize(
    "path",
    ["", "video", "/", "/../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "frames/../../../etc/passwd", "frames/999.jpg",
     "frames/-1.jpg", "masks/0.png", "page.html", "server.py"],
)  # fmt: skip
def test_nothing_else_is_found(served, path):
    wrong = f"/{path}" if path in ("", "video") else own(served, path)
    status, body, _ = ask(served, wrong)
    assert status == 404 and b"root:" not in body
    assert ask(served, f"/{'x' * len(served.token)}/video")[0] == 404


def test_frames_are_those_of_the_video(served, scene):
    status, data, headers = ask(served, own(served, "frames/12.jpg"))
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)
    truth = scene.frames[12].astype(int)
    assert status == 200 and headers["Content-Type"] == "image/jpeg" and np.abs(picture - truth).mean() < 8


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cup=1,2,3,4@0", "expected ROLE="),
        ("moved=1,2,30,40@99", "the video has 24"),
        ("contact=3-99", "the video has 24"),
        ("/etc/passwd", "expected ROLE="),
        ("x" * (MAX_BYTES + 1), "at most"),
    ],
    ids=["role", "frame", "contact", "file", "length"],
)
def test_what_cannot_be_followed_is_not_saved(served, text, says):
    for name in ("save", "segment"):
        try:
            status, body, _ = ask(served, own(served, name), "POST", text)
        except (BrokenPipeError, ConnectionResetError):
            # The server closes the door on what is too long.
            assert len(text) > MAX_BYTES
            continue
        assert status == 400 and says in body.decode() and b"\n" not in body
    assert not served.session.out.exists() and served.session.job() is None


@pytest.mark.parametrize(
    "text",
    ["moved=1.5,2,1234567,3@0", f"moved=1,2,{'9' * 400},3@0", "moved=1,2,30,40@" + "9" * 5000, "moved=1,2,30,40@²",
     "contact=3-" + "9" * 5000, "moved=1,2,700,40@0", "moved=1,2,1e3,40@0"],
    ids=range(7),
)  # fmt: skip
def test_impossible_numbers_are_not_saved(served, text):
    status, body, _ = ask(served, own(served, "save"), "POST", text.encode())
    assert status == 400 and len(body.splitlines()) == 1 and not served.session.out.exists()


@pytest.mark.parametrize("name", ["told.txt", "a=b.txt", "moved=1,2,3,4@0"])
def test_what_is_saved_is_what_is_read(clip, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    hints = parse_hints(["hand=1,2,319.99999999999994,4@0", "moved=0.00001,0.1,30.123456789012345,40@3", "contact=2-9"])
    session = Session(clip, Path(name), segmenter_named("boxes"))
    assert session.save("\n".join(lines_of(hints))) == hints
    assert Session(clip, Path(name), segmenter_named("boxes")).hints == hints
    assert read_hints([name]) == hints and [path.name for path in tmp_path.iterdir()] == [name]


def test_a_heading_cannot_become_a_line(scene, tmp_path):
    video = write_clip(tmp_path / "made.mp4", scene.frames, 12).rename(tmp_path / "a\nmoved=1,2,3,4@0 \r\u2028.mp4")
    session = Session(video, tmp_path / "told.txt", segmenter_named("boxes"))
    session.save("contact=1-2")
    assert read_hints([str(session.out)]) == parse_hints(["contact=1-2"])


def test_several_who_save_at_once_leave_one_whole_file(clip, tmp_path):
    session = Session(clip, tmp_path / "told.txt", segmenter_named("boxes"))
    texts = [f"moved={i},2,{i + 20},40@{i}" for i in range(20)]
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(session.save, texts))
    assert lines_of(read_hints([str(session.out)]))[0] in texts and len(list(tmp_path.iterdir())) == 1


def stalled(server, text):
    connection = socket.create_connection(("127.0.0.1", server.server_port), timeout=30)
    # Those that are too many are turned away before they have said anything.
    with suppress(ConnectionError):
        connection.sendall(text.encode())
    return connection


def handlers():
    return sum("process_request_thread" in thread.name for thread in threading.enumerate())


def is_served(server):
    with suppress(ConnectionError):
        return ask(server, own(server, "video"))[0] == 200


@pytest.mark.parametrize("kind", ["nothing", "half a head", "no body", "half a body"])
def test_stalled_requests_hold_few_threads_and_not_for_long(served, monkeypatch, kind):
    monkeypatch.setattr(server_module, "LONGEST_S", 1.0)
    head = f"POST {own(served, 'save')} HTTP/1.1\r\nHost: 127.0.0.1:{served.server_port}\r\nContent-Length: 22\r\n\r\n"
    sent = {"nothing": "", "half a head": head[:40], "no body": head, "half a body": head + "moved=1,2,30"}[kind]
    connections, most, until = [stalled(served, sent) for _ in range(200)], 0, time.monotonic() + 20
    while not is_served(served) and time.monotonic() < until:
        most = max(most, handlers())
        time.sleep(0.05)
    assert time.monotonic() < until, "the page is served again"
    assert most <= server_module.MAX_REQUESTS + 1 and not served.session.out.exists()
    until = time.monotonic() + 20
    while handlers() and time.monotonic() < until:
        time.sleep(0.05)
    assert handlers() == 0
    for connection in connections:
        connection.close()


def test_one_byte_at_a_time_is_too_slow(served, monkeypatch):
    monkeypatch.setattr(server_module, "LONGEST_S", 1.0)
    connection, begun = stalled(served, "POST / HTTP/1.1\r\n"), time.monotonic()
    with suppress(ConnectionError, BrokenPipeError):
        while time.monotonic() - begun < 20:
            connection.sendall(b"X")
            time.sleep(0.1)
    assert time.monotonic() - begun < 10
    connection.close()


@pytest.mark.parametrize("length", ["", "-1", "²", "1e3", "9" * 5000, "1" + "0" * 12])
def test_a_length_that_is_none(served, length, capsys):
    status, body, _ = ask(served, own(served, "save"), "POST", None, Content_Length=length.encode())
    assert status == 400 and len(body.splitlines()) == 1
    assert capsys.readouterr().err == ""


def test_a_body_that_ends_early_is_not_saved(served):
    head = f"POST {own(served, 'save')} HTTP/1.1\r\nHost: 127.0.0.1:{served.server_port}\r\nContent-Length: 99\r\n\r\n"
    with stalled(served, head + "moved=1,2,30,40@0\n") as connection:
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()
    assert b" 400 " in answer and b"expected 99 bytes, got 18" in answer and not served.session.out.exists()


def test_one_segmentation_at_a_time_and_its_error_is_told(clip, tmp_path):
    go = threading.Event()

    def slow(video, prompts, progress):
        progress(0.5, "half")
        go.wait(60)
        raise UserError("nothing moves")

    session = Session(clip, tmp_path / "told.txt", slow)
    job = session.segment("moved=76,100,124,140@0")
    with pytest.raises(UserError, match="already"):
        session.segment("moved=76,100,124,140@0")
    go.set()
    until = time.monotonic() + 60
    while job.running and time.monotonic() < until:
        time.sleep(0.01)
    assert (job.share, job.text, job.error) == (0.5, "half", "nothing moves") and session.mask(0) is None


def test_a_taken_port_gives_way(served, clip, tmp_path):
    with make_server(served.session, served.server_port) as other:
        assert other.server_port > served.server_port and other.token != served.token


def test_errors_of_the_command(clip, tmp_path, capsys):
    (tmp_path / "bad.mp4").write_text("no video")
    (tmp_path / "late.txt").write_text("moved=1,2,30,40@99\n")
    for words, says in (
        ((tmp_path / "bad.mp4",), "expected a video"),
        ((clip, "--out", tmp_path / "late.txt"), "the video has 24"),
        ((tmp_path,), "found a folder"),
        (("..",), "found a folder"),
        ((clip, "--port", "70000"), "--port 70000"),
        ((clip, "--segmenter", "magic"), "invalid choice 'magic' for argument '--segmenter'"),
    ):
        assert run("annotate", *words) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert says in line
