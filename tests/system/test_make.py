# SPDX-License-Identifier: MIT
"""What a newcomer meets: make's targets, and one clear line for what is in the way."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness import KERNEL, WAIT_S, Talus, free_port, make, paths, wait_until
from harness.talus import READY

LAUNCH_FAILED = 125


def launch(*words):
    command = [sys.executable, paths.LAUNCHER, "--qemu", paths.QEMU, *words]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=WAIT_S, check=False, stdin=subprocess.DEVNULL)


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
                           str(KERNEL)], capture_output=True, text=True, check=False, timeout=WAIT_S)
    assert done.returncode == LAUNCH_FAILED
    assert "/nowhere/qemu" in only_line(done.stderr)


@pytest.fixture
def few_tools(tmp_path):
    """A folder for PATH with what install-packages needs, but without sudo."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("sh", "sed", "tr", "sort", "awk", "dpkg-query", "mktemp", "rm", "tail", "env",
                 "grep", "sleep"):
        (folder / tool).symlink_to(shutil.which(tool))
    return folder


def write_tool(folder, name, text):
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def install_packages(folder, *packages):
    return subprocess.run([paths.REPOSITORY / "qemu" / "install-packages", "-"],
                          input="".join(f"{package}\n" for package in packages),
                          capture_output=True, text=True, check=False, timeout=WAIT_S,
                          env={"PATH": str(folder)})


def test_missing_packages_are_named_when_they_may_not_be_installed(few_tools):
    write_tool(few_tools, "id", "echo 1000")
    done = install_packages(few_tools, "dpkg", "no-such-package-a", "no-such-package-b")
    assert done.returncode != 0
    assert only_line(done.stdout).endswith(": no-such-package-a no-such-package-b")
    line = only_line(done.stderr)
    assert "neither root nor sudo" in line
    assert line.endswith("apt-get install no-such-package-a no-such-package-b")


def test_packages_that_cannot_be_installed_are_named(few_tools):
    write_tool(few_tools, "id", "echo 0")
    write_tool(few_tools, "apt-get", "echo 'E: no network' >&2; exit 100")
    done = install_packages(few_tools, "no-such-package-a")
    assert done.returncode != 0
    assert "E: no network" in done.stderr
    assert "could not install: no-such-package-a" in done.stderr.splitlines()[-1]


def test_another_apt_get_is_waited_for(few_tools, tmp_path):
    """Whichever lock it holds: that of the package lists is none that apt-get waits for."""
    write_tool(few_tools, "id", "echo 0")
    write_tool(few_tools, "apt-get", f"""
calls={tmp_path / "calls"}
echo "$@" >>$calls
case "$*" in
*update) [ -e $calls.locked ] || {{ : >$calls.locked
    echo 'E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1' >&2; exit 100; }}
    : >$calls.updated ;;
*) [ -e $calls.updated ] || {{ echo 'E: Unable to locate package' >&2; exit 100; }} ;;
esac""")
    done = install_packages(few_tools, "no-such-package-a")
    assert (done.returncode, done.stderr) == (0, "")
    calls = [line.split()[2] for line in (tmp_path / "calls").read_text().splitlines()]
    assert calls == ["install", "update", "update", "install"]


def test_installed_packages_are_not_mentioned(few_tools):
    write_tool(few_tools, "id", "echo 1000")
    done = install_packages(few_tools, "dpkg", "# a comment")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("script, words", [
    ("build-qemu", ["{cache}", "{out}"]),
    ("fetch-source", ["lwip", "2.1.3+dfsg1", "0" * 64, "{cache}"]),
    ("unpack-lwip", ["{cache}", "{cache}/lwip-2.1.3"]),
])
def test_a_cache_that_cannot_be_written_gets_one_line(tmp_path, script, words):
    """Below a file no folder can be made, not even by root."""
    (tmp_path / "file").write_text("")
    cache = tmp_path / "file" / "talus"
    done = subprocess.run([paths.REPOSITORY / "qemu" / script,
                           *(word.format(cache=cache, out=tmp_path / "out") for word in words)],
                          capture_output=True, text=True, check=False, timeout=WAIT_S,
                          env={**os.environ, "QEMU_SRC": ""})
    assert done.returncode != 0
    line = only_line(done.stderr)
    assert str(cache) in line and "TALUS_CACHE=" in line


def test_make_with_a_cache_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    done = make("build", f"BUILD={tmp_path / 'build'}", f"TALUS_CACHE={tmp_path / 'file' / 'talus'}")
    assert done.returncode != 0
    assert done.stderr.count("TALUS_CACHE=") == 1, done.stderr


def test_trees_that_unpack_lwip_at_once_get_one_folder(tmp_path):
    """The later ones must not take it away from the first, which may be copying from it."""
    cache = Path(os.environ.get("TALUS_CACHE") or Path.home() / ".cache" / "talus")
    for archive in cache.glob("lwip_*"):
        shutil.copy(archive, tmp_path)
    folder = tmp_path / "lwip"
    command = [paths.REPOSITORY / "qemu" / "unpack-lwip", tmp_path, folder]
    trees = [subprocess.Popen(command) for _ in range(3)]
    assert trees[0].wait(WAIT_S) == 0
    first = folder.stat().st_ino
    assert [tree.wait(WAIT_S) for tree in trees] == [0, 0, 0]
    subprocess.run(command, check=True, timeout=WAIT_S)
    assert folder.stat().st_ino == first
    assert (folder / "src" / "core" / "tcp_in.c").exists()


@pytest.mark.parametrize("target, word", [("build", "LWIP_SRC"),
                                          ("{build}/qemu/bin/qemu-system-x86_64", "QEMU_SRC")])
def test_a_source_that_is_none_is_named_with_its_variable(tmp_path, target, word):
    build = tmp_path / "build"
    done = make(target.format(build=build), f"BUILD={build}", f"{word}=/nowhere/at/all")
    assert done.returncode != 0
    assert "/nowhere/at/all" in done.stderr
    assert any(word in line for line in done.stderr.splitlines() if not line.startswith("make"))


def connect_soon(port):
    """The launcher speaks before QEMU listens."""
    def connect():
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        except ConnectionRefusedError:
            return None

    return wait_until(connect, "QEMU to listen")


def test_debug_waits_for_gdb_and_says_how_to_attach():
    machine = Talus("--debug")
    machine.start(is_awaited=False)
    try:
        told = machine.wait_for(r"gdb (\S+) -ex 'target remote :(\d+)'")
        assert told[1] == str(KERNEL)
        # What gdb asks first: why has it stopped?
        with connect_soon(int(told[2])) as stub:
            stub.sendall(b"$?#3f")
            answer = b""
            while b"#" not in answer:
                answer += stub.recv(256) or b"#"
            assert answer.startswith(b"+$T05"), answer
            assert "node0" not in machine.console
            stub.sendall(b"+$c#63")
            machine.wait_for(READY)
        # Nodes lie where the symbols say.
        assert "randomise=no" in machine.wait_for(r"command line: (.*)")[1]
    finally:
        machine.stop()


def test_make_debug_and_make_run_pass_on_what_they_are_given():
    shown = make("-n", "V=1", "debug").stdout
    assert "qemu/launch" in shown and "--debug" in shown
    shown = make("-n", "V=1", "run", "PCAP=wire.pcap", "SMP=2", "MEM=256M", "PORT=8181",
                 "ROOT=www", "APPEND=log=debug").stdout
    for words in ("--pcap 'wire.pcap'", "--smp 2", "--mem 256M", "--port 8181", "--root 'www'",
                  "--append 'log=debug'"):
        assert words in shown, shown


@pytest.mark.parametrize("target, package", [("gdb", "gdb"), ("format", "clang-format")])
def test_what_a_target_calls_is_installed_first(target, package):
    installs, calls = make("-n", target).stdout.splitlines()[-2:]
    assert installs == f"echo {package} | qemu/install-packages -"
    assert calls.startswith(f"{package} ")


def test_ctrl_c_ends_it_with_status_0_and_leaves_nothing():
    with Talus() as machine:
        pid = machine.qemu_pid()
        machine.interrupt()
        assert machine.wait() == 0
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "QEMU's end")


def test_pcap_records_the_wire(tmp_path):
    record = tmp_path / "wire.pcap"
    with Talus("--pcap", record) as machine:
        assert machine.first_answer_s() > 0
    content = record.read_bytes()
    assert content[:4] in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4")
    assert b"GET /4b" in content and b"200 OK" in content
