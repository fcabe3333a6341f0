# SPDX-License-Identifier: MIT
"""A network whose wire loses, delays, reorders and duplicates frames, by a seed (tests/relay/)."""

import re
import subprocess

from . import paths
from .network import PREFIX_BITS, TAP, Network, write_device_settings
from .waiting import HarnessError

CLIENT_TAP = "wire0"
RELAY = paths.BUILD / "tests" / "relay"
LINE = re.compile(r"^(to guest|to client): (.*)$", re.MULTILINE)


class BadWire(Network):
    """As Network, but between the guest's TAP device and the host's own TCP stands the relay.

    loss, reorder, duplicate  percent of the frames, in each direction
    delay_ms                  of every frame, in each direction: half of the round trip
    reorder_by_ms             how much later a reordered one comes
    """

    def __init__(self, **options):
        super().__init__()
        self._options = options
        self._relay = None

    @property
    def launch_options(self):
        # The relay carries what a wire would, and the kernel at its end gets nothing else.
        return *super().launch_options, "--plain-frames"

    def __enter__(self):
        super().__enter__()
        try:
            self._insert_relay()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _insert_relay(self):
        def run(*words):
            self.run("ip", *words, check=True)

        run("addr", "flush", "dev", TAP)
        run("tuntap", "add", "dev", CLIENT_TAP, "mode", "tap")
        # The kernel behind the guest's device must not answer for the address behind the other.
        self.inside(self._silence)
        self._start_relay(**self._options)
        self.inside(write_device_settings, CLIENT_TAP)
        run("addr", "add", f"{self.host_address}/{PREFIX_BITS}", "dev", CLIENT_TAP)
        run("link", "set", CLIENT_TAP, "up")

    @staticmethod
    def _silence():
        with open(f"/proc/sys/net/ipv4/conf/{TAP}/arp_ignore", "w", encoding="ascii") as setting:
            setting.write("8")

    def _start_relay(self, loss=0, delay_ms=0, reorder=0, reorder_by_ms=1, duplicate=0, seed=1):
        options = ["--loss", loss, "--delay", delay_ms, "--reorder", reorder,
                   "--reorder-by", reorder_by_ms, "--duplicate", duplicate, "--seed", seed]
        self._relay = subprocess.Popen(self.command(RELAY, *options, TAP, CLIENT_TAP),
                                       stdout=subprocess.PIPE, text=True)
        if self._relay.stdout.readline() != "ready\n":
            raise HarnessError("the relay does not start")

    def _stop_relay(self):
        """What it has done: by direction, counts by their names."""
        relay, self._relay = self._relay, None
        relay.terminate()
        return {name: dict(zip(words.split()[::2], map(int, words.split()[1::2])))
                for name, words in LINE.findall(relay.communicate()[0])}

    def change(self, **options):
        """Another wire from now on; returns what the last one has done."""
        counts = self._stop_relay()
        self._start_relay(**options)
        return counts

    def __exit__(self, *_):
        if self._relay is not None:
            self._stop_relay()
        super().__exit__()
