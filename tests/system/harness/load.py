# SPDX-License-Identifier: MIT
"""Load from this host: curl, ping, ab and wrk, and what they report."""

import re
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .waiting import WAIT_S, HarnessError


@dataclass
class Result:
    """What one load did. `failed` counts all that was not a whole good answer."""

    requests: int
    failed: int
    requests_per_s: float
    output: str


def _run(machine, command, duration_s=0):
    if machine.network:
        command = machine.network.command(*command)
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True,
                              timeout=duration_s + WAIT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise HarnessError(f"{command[0]} does not end: {error.stdout}\n"
                           f"{machine.last_lines()}") from None
    return done


def curl(machine, path, *options):
    """The bytes of a page; an error status or a broken transfer is a HarnessError."""
    command = ["curl", "--silent", "--show-error", "--fail", "--max-time", WAIT_S, *options,
               f"http://{machine.address}{path}"]
    done = _run(machine, command, WAIT_S)
    if done.returncode != 0:
        raise HarnessError(f"curl {path}: {done.stderr.decode()}\n{machine.last_lines()}")
    return done.stdout


def ping(machine, payload_bytes=56):
    """One echo request that must be answered. (Of several, ping waits for the last ones only as
    long as the first ones took.)"""
    done = _run(machine, ["ping", "-c", 1, "-W", int(WAIT_S), "-s", payload_bytes, machine.address])
    if done.returncode != 0:
        raise HarnessError(f"ping: {done.stdout.decode()}\n{machine.last_lines()}")


def _number(pattern, text, default=None):
    match = re.search(pattern, text)
    if match is None:
        if default is None:
            raise HarnessError(f"no {pattern!r} in:\n{text}")
        return default
    return float(match[1])


def ab(machine, path, requests, concurrency, keep_alive=False):
    """ApacheBench. `failed` takes in failures of every kind and requests never completed."""
    # -r: one broken connection is a failure to count, not the end of the run.
    command = ["ab", "-q", "-r", "-s", int(WAIT_S), "-n", requests, "-c", concurrency,
               *(["-k"] if keep_alive else []), f"http://{machine.address}{path}"]
    done = _run(machine, command)
    output = done.stdout.decode() + done.stderr.decode()
    if done.returncode != 0:
        raise HarnessError(f"ab ended with status {done.returncode}:\n{output}\n"
                           f"{machine.last_lines()}")
    complete = int(_number(r"Complete requests:\s+(\d+)", output))
    failed = int(_number(r"Failed requests:\s+(\d+)", output)
                 + _number(r"Non-2xx responses:\s+(\d+)", output, 0)) + requests - complete
    return Result(requests, failed, _number(r"Requests per second:\s+([0-9.]+)", output), output)


def several_ab(machine, path, requests, concurrency, keep_alive=False, processes=2):
    """The same load from several processes at once, for machines that are faster than one of
    them. Shares may differ by one request or connection."""
    def share(total, index):
        return total * (index + 1) // processes - total * index // processes

    with ThreadPoolExecutor(processes) as pool:
        results = list(pool.map(lambda index: ab(machine, path, share(requests, index),
                                                 share(concurrency, index), keep_alive),
                                range(processes)))
    return Result(sum(result.requests for result in results),
                  sum(result.failed for result in results),
                  sum(result.requests_per_s for result in results),
                  "\n".join(result.output for result in results))


class Wrk:
    """wrk on kept-alive connections, in the background until end(): use with `with`."""

    def __init__(self, machine, path, connections, threads=2):
        # -d: the end that it comes to if nobody tells it.
        command = ["wrk", "-t", threads, "-c", connections, "-d", f"{WAIT_S:.0f}s", "--timeout",
                   f"{WAIT_S:.0f}s", f"http://{machine.address}{path}"]
        if machine.network:
            command = machine.network.command(*command)
        self._command = [str(word) for word in command]
        self._process = None

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, text=True)
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.communicate()

    def end(self):
        self._process.send_signal(signal.SIGINT)
        try:
            output, _ = self._process.communicate(timeout=WAIT_S)
        except subprocess.TimeoutExpired:
            raise HarnessError("wrk does not end") from None
        return _wrk_result(self._process.returncode, output)


def wrk(machine, path, connections, duration_s, threads=2):
    """wrk on kept-alive connections for `duration_s` seconds."""
    command = ["wrk", "-t", threads, "-c", connections, "-d", f"{duration_s}s", "--timeout",
               f"{WAIT_S:.0f}s", f"http://{machine.address}{path}"]
    done = _run(machine, command, duration_s)
    return _wrk_result(done.returncode, done.stdout.decode() + done.stderr.decode())


def _wrk_result(status, output):
    if status != 0:
        raise HarnessError(f"wrk ended with status {status}:\n{output}")
    errors = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    failed = sum(map(int, errors.groups())) if errors else 0
    failed += int(_number(r"Non-2xx or 3xx responses: (\d+)", output, 0))
    return Result(int(_number(r"(\d+) requests in", output)), failed,
                  _number(r"Requests/sec:\s+([0-9.]+)", output), output)
