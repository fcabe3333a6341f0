# SPDX-License-Identifier: MIT
"""make, as a person calls it in this repository."""

import os
import subprocess

from . import paths


def make(*words, timeout_s=120, **environment):
    return subprocess.run(["make", "--no-print-directory", *map(str, words)],
                          cwd=paths.REPOSITORY, capture_output=True, text=True,
                          timeout=timeout_s, check=False, stdin=subprocess.DEVNULL,
                          env={**os.environ, **environment})
