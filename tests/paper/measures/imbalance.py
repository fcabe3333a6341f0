# SPDX-License-Identifier: MIT
"""Service times on the running system while web servers are delayed, as figures 5 and 7 have them: the
paper's experiment, slowed down to what an emulated machine keeps up with."""

import subprocess
import sys
from pathlib import Path

from piece import Measurement, Missing, run
from store import Data

FOLDER = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(FOLDER.parent / "system"))

from harness import Network, Talus  # noqa: E402

SERVERS = 8
SCHEMES = ("tournament:2", "filtered:2", "unfiltered:2", "unfiltered:100", "naive")
UNDISTURBED = "undisturbed"
LINUX = "linux"
# Each web server sleeps so long with each connection; the paper's rate and delays by the same factor,
# and its 5 s stretched so that a median's 128 service times still pass within a phase.
BASE_US = 2000
RATE = 300
LENGTH_S = 50
# Web server, microseconds more, and between which of the paper's seconds.
DELAYS = ((1, 4400, 0.5, 1.0), (3, 18000, 1.5, 4.0), (5, 4400, 0.0, 5.0), (7, 3600, 3.0, 5.0))
PERCENTILES = (1, 5, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 92, 94, 95, 96, 97, 98, 98.5, 99, 99.5,
               99.8, 99.9)
HOW = (f"On the running system the same is done in QEMU and slower: a web server sleeps {BASE_US / 1000:g} ms with each connection, delays "
       f"are in proportion, {RATE} connections a second for {LENGTH_S} s from a client of our own that waits for nothing "
       "(open_loop.py); its times begin with a connection's turn and end with its close. For Linux eight processes of this machine's "
       "own share one accept queue (one_queue.py), with the same delays and the same client.")
COLUMNS = ("scheme", "percentile", "service_us", "failed")


def parse(output):
    """(service times in microseconds, sorted; how many failed) of the client's lines."""
    words = [line.split()[1] for line in output.splitlines() if len(line.split()) == 2]
    times = sorted(int(word) for word in words if word != "failed")
    if not times:
        raise Missing("No connection was served.")
    return times, len(words) - len(times)


def percentile(times, place):
    """The least time that `place` per cent of all do not exceed."""
    return times[min(len(times) - 1, max(0, -(-int(len(times) * place * 100) // 10000) - 1))]


def delay_words(length_s, start_ms, is_disturbed):
    """httpd's options; web server 1 runs on the first node behind the servers'."""
    words = [f"--delay {SERVERS + server}:{BASE_US}" for server in range(SERVERS)]
    if is_disturbed:
        stretch = length_s * 1000 / 5.0
        words += [f"--delay {SERVERS + server - 1}:{us}:{start_ms + round(begin * stretch)}:{start_ms + round(end * stretch)}"
                  for server, us, begin, end in DELAYS]
    return " ".join(words)


def measure(scheme, is_disturbed, length_s):
    # The experiment starts that long after the boot, when the machine is surely up.
    start_ms = 15000
    words = (f"pika=TS{SERVERS}LS{SERVERS}CM{SERVERS} app=httpd:{SERVERS} balance={scheme} "
             f"-- {delay_words(length_s, start_ms, is_disturbed)}")
    with Network() as network, Talus(words=words, network=network, smp=2 * SERVERS, mem="2G") as talus:
        if not any(name == "talus_cm_offers_total" for name, _, _ in talus.metrics()):
            raise Missing("This Talus has no balancing schemes.")
        uptime_ms = next(value for name, _, value in talus.metrics() if name == "talus_uptime_seconds") * 1000
        if uptime_ms > start_ms:
            raise Missing("The machine took too long to boot.")
        run(["sleep", (start_ms - uptime_ms) / 1000])
        output = run(network.command(FOLDER / "open_loop.py", talus.address, 80, RATE, length_s))
    return parse(output)


def one_queue_words(length_s):
    """What one_queue.py's servers are delayed by: the same."""
    words = [[str(BASE_US)] for _ in range(SERVERS)]
    stretch = length_s * 1000 / 5.0
    for server, us, begin, end in DELAYS:
        words[server - 1].append(f"{us}:{round(begin * stretch)}:{round(end * stretch)}")
    return [",".join(word) for word in words]


def measure_linux(length_s):
    """Linux on this machine: eight processes that share one accept queue."""
    with subprocess.Popen([FOLDER / "one_queue.py", *one_queue_words(length_s)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as servers:  # and it closes their input
        port = servers.stdout.readline().strip()
        return parse(run([FOLDER / "open_loop.py", "127.0.0.1", port, RATE, length_s]))


def rows_of(name, times, failed):
    return [{"scheme": name, "percentile": place, "service_us": percentile(times, place), "failed": failed}
            for place in PERCENTILES]


def take(settings):
    length_s = settings.pick(LENGTH_S, 5)
    rows = rows_of(LINUX, *measure_linux(length_s))
    for scheme, name in ((SCHEMES[0], UNDISTURBED), *((scheme, scheme) for scheme in SCHEMES)):
        rows += rows_of(name, *measure(scheme, name != UNDISTURBED, length_s))
    return Data(list(COLUMNS), rows, {
        "how": f"a client opens {RATE} connections a second for {LENGTH_S} s; its times, connecting included",
        "web server's time per connection": f"{BASE_US} us asleep (assumed, see the simulation: 200 times its 10 us)",
        **{f"delay of web server {server}": f"{us} us more (assumed: the simulation's, in proportion; of #3 as much as "
           "keeps it from overload)" for server, us, _, _ in DELAYS}})


IMBALANCE = Measurement("imbalance", take)
