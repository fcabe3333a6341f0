# SPDX-License-Identifier: MIT
"""Stop one core of a running machine for a while, as a firmware's or a hypervisor's pause would.

Under TCG each core is a thread of QEMU; ptrace stops that thread and no other. The guest sees a
node that is alive but does nothing.
"""

import ctypes
import os
import queue
import threading

from harness import HarnessError, wait_until

# Named threads: the only way to tell which is which.
QEMU_ARGS = "-name talus,debug-threads=on"

PTRACE_DETACH = 17
PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
WALL = 0x40000000  # wait for threads too
SYS_FUTEX = "202"

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def _ptrace(request, thread_id):
    if _libc.ptrace(request, thread_id, None, None) == -1:
        raise OSError(ctypes.get_errno(), f"ptrace request {request:#x}")


def _thread_id(machine, vcpu):
    folder = f"/proc/{machine.qemu_pid()}/task"
    for thread_id in os.listdir(folder):
        with open(f"{folder}/{thread_id}/comm", encoding="ascii") as name:
            if name.read().startswith(f"CPU {vcpu}/"):
                return int(thread_id)
    raise LookupError(f"no thread of vCPU {vcpu}; was the machine started with {QEMU_ARGS!r}?")


def _is_asleep(folder):
    """Whether a thread waits for something, rather than for a processor of this host."""
    with open(f"{folder}/stat", encoding="ascii") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "S"


def _waits_for_another_thread(folder):
    """Of a thread that is stopped: where it was."""
    with open(f"{folder}/syscall", encoding="ascii") as syscall:
        return syscall.read().split()[0] == SYS_FUTEX


class Stalled:
    """Use with `with`: the core, once it halts, stands still inside, and goes on afterwards."""

    def __init__(self, machine, vcpu):
        self._machine = machine
        self._thread_id = _thread_id(machine, vcpu)
        self._folder = f"/proc/{machine.qemu_pid()}/task/{self._thread_id}"
        self._stopped = queue.Queue()
        self._go_on = threading.Event()
        # Only the thread that has attached may detach.
        self._tracer = threading.Thread(target=self._trace)

    def _is_stopped_while_halted(self):
        """A busy core may hold locks of QEMU, and with them would stop the whole machine: let it go
        on. A halted one waits for a thread that wakes it."""
        if not _is_asleep(self._folder):
            return False
        _ptrace(PTRACE_SEIZE, self._thread_id)
        _ptrace(PTRACE_INTERRUPT, self._thread_id)
        os.waitpid(self._thread_id, WALL)
        if _waits_for_another_thread(self._folder):
            return True
        _ptrace(PTRACE_DETACH, self._thread_id)
        return False

    def _trace(self):
        try:
            wait_until(self._is_stopped_while_halted, "the core to halt", self._machine.last_lines)
        except (OSError, HarnessError) as error:
            self._stopped.put(error)
            return
        self._stopped.put(None)
        self._go_on.wait()
        _ptrace(PTRACE_DETACH, self._thread_id)

    def __enter__(self):
        self._tracer.start()
        error = self._stopped.get()
        if error is not None:
            raise error
        return self

    def __exit__(self, *_):
        self._go_on.set()
        self._tracer.join()
