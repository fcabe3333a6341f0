# SPDX-License-Identifier: MIT
"""What a newcomer meets: make's targets, and one clear line for what is in the way."""

import os
import re
import socket
import subprocess
import sys
import time

import pytest

from harness import KERNEL, Talus, free_port, paths

LAUNCH_FAILED = 125


def make(*words, timeout_s=120, **environment):
    return subprocess.run(["make", "--no-print-directory", *words], cwd=paths.REPOSITORY,
                          capture_output=True, text=True, timeout=timeout_s, check=False,
                          stdin=subprocess.DEVNULL, env={**os.environ, **environment})


def launch(*words, timeout_s=30):
    command = [sys.executable, paths.LAUNCHER, "--qemu", paths.QEMU, *words]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=timeout_s, check=False, stdin=subprocess.DEVNULL)


def only_line(text):
    lines = [line for line in text.splitlines() if line and "no usable KVM" not in line]
    assert len(lines) == 1, text
    return lines[0]


def test_help_lists_the_targets_one_line_each():
    lines = make("help").stdout.splitlines()
    names = [line.split()[0] for line in lines]
    assert {"run", "test", "test-unit", "test-system", "test-model", "bench", "debug", "clean",
            "help"} <= set(names)
    assert len(names) == len(set(names))
    for line in lines:
        assert re.match(r"  [a-z-]+ +\S", line) and len(line) <= 110, line


def test_a_busy_port_is_named_with_the_way_out():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = launch("--kernel", KERNEL, "--port", port)
        assert done.returncode == LAUNCH_FAILED
        line = only_line(done.stderr)
        assert str(port) in line and "PORT=" in line


def test_make_run_on_a_busy_port_fails_with_that_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = make("run", f"PORT={port}")
        assert done.returncode != 0
        assert re.search(rf"{port}.*PORT=", done.stderr)


@pytest.mark.parametrize("words, hint", [
    (["--kernel", "/nowhere/talus.elf"], "/nowhere/talus.elf"),
    (["--kernel", KERNEL, "--smp", "0"], "SMP="),
    (["--kernel", KERNEL, "--mem", "lots"], "MEM="),
    (["--kernel", KERNEL, "--root", "/nowhere/at/all"], "ROOT="),
    (["--kernel", KERNEL, "--plugin", "/nowhere.so"], "/nowhere.so"),
    (["--kernel", KERNEL, "--tap", "no-such-tap"], "no-such-tap"),
])
def test_what_is_in_the_way_gets_one_line(words, hint):
    done = launch("--port", free_port(), *words)
    assert done.returncode == LAUNCH_FAILED
    assert hint in only_line(done.stderr)


def test_a_missing_qemu_is_named():
    done = subprocess.run([sys.executable, paths.LAUNCHER, "--qemu", "/nowhere/qemu", "--kernel",
                           str(KERNEL)], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == LAUNCH_FAILED
    assert "/nowhere/qemu" in only_line(done.stderr)


def test_ctrl_c_ends_it_with_status_0_and_leaves_nothing():
    with Talus() as machine:
        pid = machine.qemu_pid()
        machine.interrupt()
        assert machine.wait(20) == 0
        deadline_s = time.monotonic() + 5
        while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert not os.path.exists(f"/proc/{pid}")


def test_pcap_records_the_wire(tmp_path):
    record = tmp_path / "wire.pcap"
    with Talus("--pcap", record) as machine:
        assert machine.first_answer_s() > 0
    content = record.read_bytes()
    assert content[:4] in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4")
    assert b"GET /4b" in content and b"200 OK" in content
