# SPDX-License-Identifier: MIT
"""Where things are. BUILD, QEMU and TALUS_CACHE in the environment say otherwise."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("BUILD", "build"))
if not BUILD.is_absolute():
    BUILD = REPOSITORY / BUILD

KERNEL = BUILD / "talus.elf"
PLUGINS = BUILD / "plugins"
LAUNCHER = REPOSITORY / "qemu" / "launch"
QEMU = os.environ.get("QEMU") or str(BUILD / "qemu" / "bin" / "qemu-system-x86_64")
GUEST = BUILD / "guest"
