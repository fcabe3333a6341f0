# SPDX-License-Identifier: MIT
"""What system tests and the benchmark share: machines, networks, load, counters."""

from . import card
from .bad_wire import BadWire
from .browser import Browser
from .confinement import Confinement
from .counters import Counters
from .gdb import Gdb, symbol_vaddr
from .hosted import Hosted, TapNetwork
from .linux_guest import LinuxGuest
from .load import Wrk, ab, curl, ping, several_ab, wrk
from .machine import Machine, free_port
from .make import make
from .network import Network, Switch
from .nginx import Nginx
from .page_tables import GuestMemory, Reach
from .paths import BUILD, KERNEL, PLUGINS, REPOSITORY
from .qmp import Qmp
from .talus import Metrics, Talus
from .waiting import LONG_WAIT_S, WAIT_S, HarnessError, wait_until

__all__ = ["BUILD", "BadWire", "Browser", "Confinement", "Counters", "Gdb", "GuestMemory",
           "HarnessError", "Hosted", "KERNEL", "LONG_WAIT_S", "LinuxGuest", "Machine",
           "Metrics", "Network", "Nginx", "PLUGINS", "Qmp", "REPOSITORY", "Reach", "Switch",
           "Talus", "TapNetwork", "WAIT_S", "Wrk", "ab", "card", "curl", "free_port", "make", "ping",
           "several_ab",
           "symbol_vaddr", "wait_until", "wrk"]
