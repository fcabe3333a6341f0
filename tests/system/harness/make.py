# SPDX-License-Identifier: MIT
"""make, as a person calls it in this repository."""

import os
import subprocess

from . import paths
from .waiting import LONG_WAIT_S


def make(*words, **environment):
    return subprocess.run(["make", "--no-print-directory", *map(str, words)],
                          cwd=paths.REPOSITORY, capture_output=True, text=True,
                          timeout=LONG_WAIT_S, check=False, stdin=subprocess.DEVNULL,
                          env={**os.environ, **environment})
