# SPDX-License-Identifier: MIT
"""qemu/plugins/sharing.c tells good pages from bad ones. Its judge is a Linux guest, which tells
the physical addresses of pages that two of its processes share in every way."""

import re
import subprocess
from pathlib import Path

import pytest

from harness import LinuxGuest, PLUGINS, REPOSITORY

pytestmark = pytest.mark.same_on_any_card("the plugin, by programs of Linux")

SOURCE = Path(__file__).with_name("sharing_program.c")


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """(the program's pages by name, the report's lines)"""
    folder = tmp_path_factory.mktemp("sharing")
    program, report = folder / "sharing_program", folder / "report"
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror", "-static", "-I",
                    REPOSITORY, "-o", program, SOURCE], check=True)
    plugin = f"{PLUGINS / 'sharing.so'},report={report},lines=on"
    with LinuxGuest("--nic", "e1000e", smp=2, programs=[program], plugins=[plugin]) as guest:
        output = guest.run("/sharing_program")
    pages = dict(line.split() for line in output.splitlines() if " 0x" in line)
    return pages, report.read_text().splitlines()


def lines_about(judged, name):
    pages, report = judged
    return [line for line in report if f"page {pages[name]} " in line]


@pytest.mark.parametrize("name, words", [
    ("undeclared_read_by_two", ("(private)", "vcpu0 reads", "vcpu1 reads")),
    ("mailbox_of_two_writers", ("(mailbox)", "vcpu0 writes", "vcpu1 writes")),
    ("archive_written", ("(archive)", "vcpu1 writes")),
    ("code", ("(private)", "vcpu0 executes", "vcpu1 executes")),
])
def test_a_page_that_is_shared_is_reported_with_who_did_what(judged, name, words):
    lines = lines_about(judged, name)
    assert len(lines) == 1
    assert all(word in lines[0] for word in words), lines[0]


@pytest.mark.parametrize("name", ["mailbox_of_one_writer", "archive_only_read"])
def test_a_page_that_may_be_shared_is_not_reported(judged, name):
    assert lines_about(judged, name) == []


def test_lines_that_move_between_vcpus_are_counted_for_each_kind_of_page(judged):
    """Both vCPUs read a line of each declared page, and write some: who comes second fetches it."""
    _, report = judged
    moves = re.search(r"sharing: mailbox: (\d+) pages touched by several vCPUs, (\d+) lines fetched, (\d+) taken",
                      "\n".join(report))
    pages, fetched, taken = map(int, moves.groups())
    assert pages == 2 and fetched >= 2 and taken >= 1


def test_the_last_line_is_the_verdict(judged):
    _, report = judged
    assert report[-1].startswith("sharing: FAILED")
    assert "sharing: 2 vCPUs watched" in report[-2]
