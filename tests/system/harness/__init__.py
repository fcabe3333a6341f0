# SPDX-License-Identifier: MIT
"""What system tests and the benchmark share: machines, networks, load, counters."""

from .counters import Counters
from .linux_guest import LinuxGuest
from .load import ab, curl, wrk
from .machine import HarnessError, Machine, free_port
from .make import make
from .network import Network
from .paths import BUILD, KERNEL, PLUGINS, REPOSITORY
from .qmp import Qmp
from .talus import Talus

__all__ = ["BUILD", "Counters", "HarnessError", "KERNEL", "LinuxGuest", "Machine", "Network",
           "PLUGINS", "Qmp", "REPOSITORY", "Talus", "ab", "curl", "free_port", "make",
           "wrk"]
