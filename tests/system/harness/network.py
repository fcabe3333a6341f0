# SPDX-License-Identifier: MIT
"""A network namespace with one TAP device: the wire between a guest and the load on this host.

QEMU's user network listens with a backlog of 1, so bursts stall before a packet reaches the guest;
here nothing stands between the guest's NIC and the host's own TCP. Needs root.
"""

import ctypes
import itertools
import os
import subprocess
import threading

HOST_ADDRESS = "192.0.2.1"
GUEST_ADDRESS = "192.0.2.2"
PREFIX_BITS = 24
TAP = "tap0"
BRIDGE = "br0"
FIRST_PORT_ADDRESS = 10

CLONE_NEWNET = 0x40000000

# Many short connections from one client: all ports may be used, and soon again. Addresses are
# asked for again after 20 ms, so that a guest that is only starting is found when it is there.
SETTINGS = {
    "net/ipv4/ip_local_port_range": "1024 65535",
    "net/ipv4/tcp_tw_reuse": "1",
}
DEVICE_SETTINGS = {
    "net/ipv4/neigh/{}/retrans_time_ms": "20",
    "net/ipv6/conf/{}/disable_ipv6": "1",
}

_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count()


def _ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def _write_setting(name, value):
    path = f"/proc/sys/{name}"
    # A kernel without IPv6 has nothing to switch off.
    if os.path.exists(path):
        with open(path, "w", encoding="ascii") as setting:
            setting.write(value)


def write_device_settings(device):
    for name, value in DEVICE_SETTINGS.items():
        _write_setting(name.format(device), value)


class Network:
    """Use with `with`: made on entry, removed on exit whatever happened between.

    What runs inside must have ended before; a name is never used twice in one process.
    """

    host_address = HOST_ADDRESS
    guest_address = GUEST_ADDRESS
    tap = TAP

    def __init__(self, is_multiqueue=False):
        self.name = f"talus-{os.getpid()}-{next(_numbers)}"
        self.tap_words = ["mode", "tap"] + (["multi_queue"] if is_multiqueue else [])

    @property
    def launch_options(self):
        return "--tap", TAP

    @property
    def talus_words(self):
        """Talus' command line for this network."""
        return f"net={GUEST_ADDRESS}/{PREFIX_BITS},gw={HOST_ADDRESS}"

    @property
    def linux_words(self):
        """The Linux guest's command line for this network."""
        return f"ip={GUEST_ADDRESS}/{PREFIX_BITS} gw={HOST_ADDRESS}"

    def __enter__(self):
        _ip("netns", "add", self.name)
        try:
            _ip("-n", self.name, "tuntap", "add", "dev", TAP, *self.tap_words)
            self.inside(self._write_general_settings)
            self.inside(write_device_settings, TAP)
            _ip("-n", self.name, "addr", "add", f"{HOST_ADDRESS}/{PREFIX_BITS}", "dev", TAP)
            _ip("-n", self.name, "link", "set", "lo", "up")
            _ip("-n", self.name, "link", "set", TAP, "up")
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_):
        self._remove()

    def _remove(self):
        _ip("netns", "del", self.name)

    @staticmethod
    def _write_general_settings():
        for name, value in SETTINGS.items():
            _write_setting(name, value)

    def command(self, *words):
        """The command that runs `words` inside."""
        return ["ip", "netns", "exec", self.name, *map(str, words)]

    def run(self, *words, **options):
        """subprocess.run inside, with the output captured as text."""
        return subprocess.run(self.command(*words), capture_output=True, text=True, **options)

    def inside(self, function, *arguments):
        """Call a function inside: sockets that it makes stay there. Returns what it returns."""
        outcome = {}

        def enter_and_call():
            # The namespace is a property of the thread, and this thread ends with the call.
            try:
                with open(f"/run/netns/{self.name}", "rb") as namespace:
                    if _libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                        raise OSError(ctypes.get_errno(), "setns", self.name)
                outcome["result"] = function(*arguments)
            except BaseException as error:  # handed to the caller's thread
                outcome["error"] = error

        thread = threading.Thread(target=enter_and_call)
        thread.start()
        thread.join()
        if "error" in outcome:
            raise outcome["error"]
        return outcome["result"]


class Switch(Network):
    """Several machines on one wire with this host: each `port` is one machine's place there."""

    def __init__(self, port_count):
        super().__init__()
        self.ports = [Port(self, number) for number in range(port_count)]

    def __enter__(self):
        _ip("netns", "add", self.name)
        try:
            self.inside(self._write_general_settings)
            _ip("-n", self.name, "link", "add", BRIDGE, "type", "bridge")
            self.inside(write_device_settings, BRIDGE)
            _ip("-n", self.name, "addr", "add", f"{HOST_ADDRESS}/{PREFIX_BITS}", "dev", BRIDGE)
            for device in ("lo", BRIDGE):
                _ip("-n", self.name, "link", "set", device, "up")
            for port in self.ports:
                _ip("-n", self.name, "tuntap", "add", "dev", port.tap, "mode", "tap")
                self.inside(write_device_settings, port.tap)
                _ip("-n", self.name, "link", "set", port.tap, "master", BRIDGE, "up")
        except BaseException:
            self._remove()
            raise
        return self


class Port:
    """What a Machine wants of its network."""

    def __init__(self, switch, number):
        self._switch = switch
        self.tap = f"tap{number}"
        self.mac = f"52:54:00:12:35:{number:02x}"
        self.guest_address = f"{GUEST_ADDRESS.rpartition('.')[0]}.{FIRST_PORT_ADDRESS + number}"
        self.host_address = HOST_ADDRESS

    @property
    def launch_options(self):
        return "--tap", self.tap, "--mac", self.mac

    @property
    def talus_words(self):
        return f"net={self.guest_address}/{PREFIX_BITS},gw={HOST_ADDRESS}"

    @property
    def linux_words(self):
        return f"ip={self.guest_address}/{PREFIX_BITS} gw={HOST_ADDRESS}"

    def command(self, *words):
        return self._switch.command(*words)

    def run(self, *words, **options):
        return self._switch.run(*words, **options)

    def inside(self, function, *arguments):
        return self._switch.inside(function, *arguments)
