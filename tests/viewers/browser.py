"""A headless Chromium, spoken to over its DevTools protocol: what a page logs, and what it looks like."""

import base64
import io
import json
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

BINARY = next((path for name in ("chromium", "google-chrome") if (path := shutil.which(name))), None)
FLAGS = ("--headless=new", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
QUIET = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-extensions")
needs_chromium = pytest.mark.skipif(BINARY is None, reason="needs chromium")


class Page:
    """One tab; keeps errors that the page logs and every address that it asks for."""

    def __init__(self, socket):
        self._socket, self._number = socket, 0
        self.errors, self.requests = [], []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while (message := self._receive()).get("id") != self._number:
            pass
        assert "error" not in message, message
        return message["result"]

    def open(self, address):
        """Go to an address and wait until its document has loaded."""
        self.call("Page.navigate", url=address)
        while self._receive().get("method") != "Page.loadEventFired":
            pass

    def _receive(self):
        message = json.loads(self._socket.recv(timeout=180))
        if "method" in message:
            self._note(message["method"], message["params"])
        return message

    def _note(self, method, parameters):
        if method == "Runtime.exceptionThrown":
            self.errors.append(str(parameters["exceptionDetails"]))
        if method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "assert"):
            self.errors.append(str(parameters["args"]))
        if method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.errors.append(str(parameters["entry"]))
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])

    def run(self, script):
        """The value of a JavaScript expression."""
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def picture(self):
        """What the page looks like, (H, W, 3) uint8."""
        data = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    def wait_for(self, condition, seconds=180.0):
        """Return once a function without arguments says yes; an error after that time."""
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, "the page does not get there"
            time.sleep(0.2)


@contextmanager
def page_at(address, size=(960, 540)):
    """A page of this size in px at an address."""
    from websockets.sync.client import connect

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        window = f"--window-size={size[0]},{size[1]}"
        command = [
            BINARY,
            *FLAGS,
            *QUIET,
            window,
            "--remote-debugging-port=0",
            f"--user-data-dir={home}",
            "about:blank",
        ]
        environment = {**os.environ, "HOME": home}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with connect(_tab(Path(home) / "DevToolsActivePort"), max_size=None) as socket:
                page = Page(socket)
                page.call("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1],
                          deviceScaleFactor=1, mobile=False)  # fmt: skip
                page.open(address)
                yield page
        finally:
            process.terminate()
            process.wait(20)


def _tab(ports):
    """The address of the only tab's socket, once the browser has written where it listens."""
    from urllib.request import urlopen

    until = time.monotonic() + 60.0
    while not (ports.is_file() and ports.read_text().count("\n")):
        assert time.monotonic() < until, "chromium does not start"
        time.sleep(0.1)
    port = ports.read_text().split()[0]
    with urlopen(f"http://127.0.0.1:{port}/json") as answer:
        (tab,) = [tab for tab in json.load(answer) if tab["type"] == "page"]
    return tab["webSocketDebuggerUrl"]
