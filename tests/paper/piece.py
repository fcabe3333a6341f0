# SPDX-License-Identifier: MIT
"""What a piece of the paper's evaluation is to the driver and to the page.

A piece is one table or figure: what the paper says, how ours is measured, what was assumed, and a
function that makes of the data what is shown. It names the measurements it needs; several pieces may
need the same one. A measurement writes one file of data, which is used again until measured anew.
"""

import subprocess
from dataclasses import dataclass, field


class Missing(Exception):
    """Why something cannot be shown. Ends up on the page, so it is a sentence for a reader."""


@dataclass(frozen=True)
class Settings:
    """Where things are, and how thorough to be."""

    build: object      # the folder of what make has built
    output: object     # the page's folder
    is_quick: bool     # as little as shows that it works: its figures mean nothing
    sources: object    # the repository

    @property
    def data(self):
        return self.output / "data"

    def pick(self, whole, quick):
        return quick if self.is_quick else whole


@dataclass(frozen=True)
class Measurement:
    """`take(settings)` returns Data, or raises Missing."""

    name: str
    take: object


@dataclass
class Table:
    """Cells are texts or numbers; a number is printed with thousands apart."""

    caption: str
    columns: list
    rows: list


@dataclass
class Plot:
    """`figure` is matplotlib's; `name` is its files'; `alt` says in words what there is to see."""

    name: str
    alt: str
    figure: object


# What a finding says of the paper's claim.
AGREES, CONTRADICTS, OPEN = "agrees", "contradicts", "open"


@dataclass
class Finding:
    """One claim of the paper and what ours says of it; a contradiction says why."""

    verdict: str
    text: str


@dataclass
class Shown:
    tables: list = field(default_factory=list)
    plots: list = field(default_factory=list)
    findings: list = field(default_factory=list)


@dataclass(frozen=True)
class Piece:
    """One table or figure of the paper."""

    key: str           # table2, figure11: the name of its file, too
    title: str
    section: str       # of the paper
    paper: tuple       # Tables with the paper's numbers, and texts that say what its text says
    unit: str          # guest instructions, native cycles or virtual time
    how: str           # how ours was measured, in a few sentences
    assumed: tuple     # where the paper leaves it open
    needs: tuple       # Measurements
    show: object       # show(data...) -> Shown, one Data for each of `needs`, then of `wants`
    wants: tuple = ()  # Measurements without which the rest is shown: None, and the page says why


def run(command, **options):
    """The standard output of a program that must succeed; else Missing with its last words."""
    command = [str(word) for word in command]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace",
                              stdin=subprocess.DEVNULL, check=False, **options)
    except OSError as error:
        raise Missing(f"{command[0]} cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
        raise Missing(f"{command[0]} ended with status {done.returncode}: {' / '.join(last)}")
    return done.stdout
