# SPDX-License-Identifier: MIT
"""A Linux machine with KVM, emulated: the host of machines whose processor is not QEMU's.

QEMU emulates AMD's SVM with nested paging, so the Linux guest of tests/guest can load KVM and run
qemu/launch as people do on their own machines. What Talus meets there is KVM's: local APICs with
x2APIC and TSC deadline, timers and interrupts between cores, and second-level page tables. Not
under UEFI: firmware writes CR8, which ends QEMU 7.2 in an assertion when it is a nested guest's.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

from harness import BUILD, REPOSITORY, WAIT_S, HarnessError, LinuxGuest, paths

# Not ours: see packages.txt.
QEMU = "/usr/bin/qemu-system-x86_64"
PYTHON = "/usr/bin/python3"
# Parts of Python's library that the launcher has no use for.
UNUSED = ("test", "idlelib", "lib2to3", "ensurepip", "pydoc_data", "tkinter", "unittest",
          "distutils", "config-*", "dist-packages")

# Less than is waited for the command that does so.
BOOT_WAIT_S = WAIT_S * 3 // 4
ADDRESS = "127.0.0.1:8080"
MONITOR = "127.0.0.1 4444"
FOLDER = "/talus"


@contextlib.contextmanager
def one_processor():
    """Start a QEMU that emulates SVM in here, so that all of it runs on one processor of this host.

    At each exit of a nested guest QEMU 7.2 clears a bit of a word without a lock, in which other
    threads note interrupts: on two processors now and then one is lost, and the host waits for it
    for ever.
    """
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def libraries(program):
    """The shared libraries that a program of this host loads, its dynamic loader among them."""
    text = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    return re.findall(r"(/\S+) \(", text)


def make_tree(tree):
    """Lay out KVM's modules, our QEMU, the launcher with its Python, and Talus."""
    talus = tree / FOLDER.strip("/")
    shutil.copytree(paths.GUEST / "host-modules", talus / "modules")
    (talus / "qemu").mkdir()
    shutil.copy(REPOSITORY / "qemu" / "launch", talus / "qemu")
    qemu = Path(paths.QEMU).parent.parent
    shutil.copytree(qemu / "bin", talus / "build" / "qemu" / "bin")
    shutil.copytree(qemu / "share", talus / "build" / "qemu" / "share")
    shutil.copy(BUILD / "talus.elf", talus / "build")

    library = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(library, tree / library.relative_to("/"),
                    ignore=shutil.ignore_patterns(*UNUSED))
    ctypes = next((library / "lib-dynload").glob("_ctypes.*.so"))
    for file in [PYTHON, *libraries(PYTHON), *libraries(ctypes), *libraries(paths.QEMU)]:
        copy = tree / file.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)


class KvmHost(LinuxGuest):
    """A level-1 guest that is ready to start machines; `tree` is a directory to build it in."""

    def __init__(self, tree, **others):
        # Ready before its modules are looked for.
        subprocess.run([REPOSITORY / "tests" / "guest" / "build-guest", paths.GUEST], check=True)
        make_tree(tree)
        super().__init__("--qemu", QEMU, "--nic", "none", "--kvm", "no", "--cpu", "max,+svm,+npt",
                         mem="3G", smp=1, tree=tree, **others)

    def start(self, is_awaited=True):
        with one_processor():
            super().start(is_awaited)
        try:
            for module in ("irqbypass", "ccp", "kvm", "kvm-amd"):
                self.run(f"insmod {FOLDER}/modules/{module}.ko")
        except BaseException:
            self.stop()
            raise
        return self

    def run(self, command, check=True):
        try:
            status, output = super().run(command, check=False)
        except HarnessError:
            self.stop()  # so that what comes after does not wait for it, too
            raise
        if not check:
            return status, output
        if status != 0:
            raise HarnessError(f"{command}: status {status}\n{output}")
        return output


class NestedTalus:
    """Talus in a machine of a KvmHost's KVM, under qemu/launch. Use with `with`."""

    def __init__(self, host, *options, qemu_args=""):
        self._host = host
        self._words = " ".join((f"{FOLDER}/qemu/launch", f"{FOLDER}/build/talus.elf", *options))
        self._qemu_args = f"-monitor tcp:{MONITOR.replace(' ', ':')},server=on,wait=off {qemu_args}"
        self.console = ""

    def __enter__(self):
        self._host.run("rm -f /tmp/console /tmp/launch")
        self._host.run(f"{self._words} --serial /tmp/console --qemu-args '{self._qemu_args}' "
                       ">/tmp/launch 2>&1 & echo $! >/tmp/pid")
        # In the guest, so that waiting costs it little.
        self._host.run(f"end=$(($(date +%s) + {BOOT_WAIT_S:.0f})); "
                       "until grep -q 'listening on\\|panic' /tmp/console; do "
                       "kill -0 $(cat /tmp/pid) && [ $(date +%s) -lt $end ] || break; "
                       "usleep 200000; done 2>/dev/null")
        _, console = self._host.run("cat /tmp/console", check=False)
        self.console = console.replace("\r", "")
        if "listening on" not in self.console:
            said = self._host.run("cat /tmp/launch; dmesg | tail -n 5")
            self.__exit__()
            raise HarnessError(f"not ready\n{said}\n{self.console}")
        return self

    def __exit__(self, *_):
        self._host.run("kill $(cat /tmp/pid) 2>/dev/null; "
                       "while kill -0 $(cat /tmp/pid) 2>/dev/null; do usleep 50000; done")

    def fetch(self, path):
        return self._host.run(f"wget -q -O - http://{ADDRESS}{path}")

    def ask_monitor(self, command):
        """What QEMU's monitor answers. The machine ends with it."""
        return self._host.run(f"printf '{command}\\nquit\\n' | nc {MONITOR}")
