# SPDX-License-Identifier: MIT
"""Debian's Chromium without a window, steered by the DevTools protocol over a pair of pipes: no port,
no driver, nothing that outlives the test."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile

from .waiting import HarnessError, wait_until

COMMAND = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
           "--no-first-run", "--disable-background-networking", "--disable-component-update",
           "--disable-sync", "--disable-extensions", "--disable-dev-shm-usage", "--hide-scrollbars",
           "--remote-debugging-pipe"]

# The program reads its orders from descriptor 3 and answers on 4.
ORDERS, ANSWERS = 3, 4


class Browser:
    """One page, until the `with` ends. `network`: the namespace that it sees, or None."""

    def __init__(self, network=None):
        self.network = network
        self._numbers = itertools.count(1)
        self._session = None
        self._unread = b""

    def __enter__(self):
        self._folder = tempfile.mkdtemp(prefix="talus-browser-")
        command = [*COMMAND, f"--user-data-dir={self._folder}", "about:blank"]
        if self.network is not None:
            command = self.network.command(*command)
        orders_read, self._orders = os.pipe()
        self._answers, answers_write = os.pipe()
        # The shell puts the pipes where the program wants them.
        places = f"exec \"$@\" {ORDERS}<&{orders_read} {ANSWERS}>&{answers_write}"
        self._log = open(os.path.join(self._folder, "stderr"), "w+", encoding="utf-8")
        self._process = subprocess.Popen(["bash", "-c", places, "bash", *command],
                                         pass_fds=(orders_read, answers_write),
                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                         stderr=self._log)
        os.close(orders_read)
        os.close(answers_write)
        try:
            target = self._order("Target.createTarget", {"url": "about:blank"})["targetId"]
            self._session = self._order("Target.attachToTarget",
                                        {"targetId": target, "flatten": True})["sessionId"]
            for domain in ("Page", "Runtime", "Log"):
                self._order(f"{domain}.enable")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        os.close(self._orders)  # it ends when nobody can order anything
        self._process.terminate()
        self._process.wait()
        os.close(self._answers)
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self):
        while b"\0" not in self._unread:
            part = os.read(self._answers, 1 << 20)
            if not part:
                self._log.seek(0)
                raise HarnessError(f"chromium has ended:\n{self._log.read()[-4000:]}")
            self._unread += part
        message, self._unread = self._unread.split(b"\0", 1)
        return json.loads(message)

    def _order(self, method, parameters=None):
        number = next(self._numbers)
        order = {"id": number, "method": method, "params": parameters or {}}
        if self._session is not None:
            order["sessionId"] = self._session
        os.write(self._orders, json.dumps(order).encode() + b"\0")
        while True:
            message = self._read()
            if message.get("id") == number:
                if "error" in message:
                    raise HarnessError(f"{method}: {message['error']}")
                return message["result"]
            self._note(message)

    # --- What a page has complained of ---

    complaints: list

    def _note(self, message):
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(parameters["exceptionDetails"].get("text", "an exception"))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.complaints.append(parameters["entry"]["text"])

    # --- The page ---

    def open(self, url, width=1400, height=900, scheme="light", has_scripts=True):
        """Load a page in a window of this size."""
        self.complaints = []
        self._order("Emulation.setDeviceMetricsOverride",
                    {"width": width, "height": height, "deviceScaleFactor": 1,
                     "mobile": width < 500})
        self._order("Emulation.setEmulatedMedia",
                    {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        self._order("Emulation.setScriptExecutionDisabled", {"value": not has_scripts})
        result = self._order("Page.navigate", {"url": url})
        if "errorText" in result:
            raise HarnessError(f"{url}: {result['errorText']}")
        wait_until(lambda: self.run("document.readyState") == "complete", f"{url} to be loaded",
                   lambda: "\n".join(self.complaints))

    def run(self, expression):
        """The value of an expression on the page, also when its own scripts are off."""
        result = self._order("Runtime.evaluate", {"expression": expression, "returnByValue": True,
                                                  "awaitPromise": True})
        if "exceptionDetails" in result:
            raise HarnessError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def click(self, selector):
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def screenshot(self, path):
        """All of the page, as PNG."""
        shot = self._order("Page.captureScreenshot", {"captureBeyondViewport": True})
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))
