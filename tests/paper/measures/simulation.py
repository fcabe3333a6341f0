# SPDX-License-Identifier: MIT
"""Files of data that the simulation in virtual time writes (tests/sim/README.md lists them)."""

import tempfile
from pathlib import Path

from piece import Measurement, Missing, run
import store

# What each run of it wrote, by its settings: one run makes all files.
_files = {}


def _run(settings):
    program = settings.build / "sim" / "sim"
    if not program.exists():
        raise Missing(f"The simulation is not built: {program}.")
    with tempfile.TemporaryDirectory(prefix="talus-paper-") as folder:
        run([program, *(["--seconds", "0.5", "--cms", "16"] if settings.is_quick else []), "--output", folder])
        return {path.stem: store.read(path) for path in Path(folder).glob("*.tsv")}


def file(name):
    """The Measurement that is one file of the simulation's."""
    def take(settings):
        key = (settings.build, settings.is_quick)
        if key not in _files:
            _files[key] = _run(settings)
        if name not in _files[key]:
            raise Missing(f"The simulation wrote no {name}.tsv.")
        return _files[key][name]

    return Measurement(name, take)
