# SPDX-License-Identifier: MIT
"""What offers between connection managers cost on the running system: counters of machines in QEMU under
load, as many CMs as table 3 has."""

import sys
import time
from pathlib import Path

from piece import Measurement, Missing
from store import Data

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "system"))

from harness import HarnessError, Network, Talus, several_ab  # noqa: E402

CMS = (2, 4, 8, 16)
COLUMNS = ("cms", "seconds", "connections", "updates_per_s", "ns_per_update", "overhead_percent", "period_us",
           "remote_percent")


def totals(talus):
    """Sums over all nodes of what is counted, by name."""
    sums = {}
    for name, labels, value in talus.metrics():
        key = name.removeprefix("talus_") + (f":{labels['direction']}" if "direction" in labels else "")
        sums[key] = sums.get(key, 0) + value
    if "cm_offers_total:received" not in sums:
        raise Missing("This Talus counts no offers (talus_cm_offers_total in /metrics).")
    return sums


def measure(cms, requests):
    with Network() as network, Talus(words=f"pika=TS{cms}LS{cms}CM{cms} "
                                           f"app=httpd:{cms}", network=network,
                                     smp=2 * cms, mem="2G") as talus:
        before, begin_s = totals(talus), time.monotonic()
        load = several_ab(talus, "/4b", requests * cms, 16 * cms, processes=min(cms, 4))
        after, end_s = totals(talus), time.monotonic()
    if load.failed:
        raise Missing(f"{load.failed} requests failed with {cms} CMs.")
    grown = {name: value - before.get(name, 0) for name, value in after.items()}
    seconds = end_s - begin_s
    received = grown["cm_offers_total:received"]
    assigned = grown["cm_assigned_total"] + grown["cm_assigned_remote_total"]
    return {"cms": cms, "seconds": round(seconds, 2), "connections": requests * cms,
            "updates_per_s": round(received / cms / seconds, 1),
            "ns_per_update": round(grown["cm_offer_seconds_total"] * 1e9 / max(1, received)),
            "overhead_percent": round(100 * grown["cm_offer_seconds_total"] / cms / seconds, 4),
            "period_us": round(after["cm_offer_period_seconds"] * 1e6 / cms, 1),
            "remote_percent": round(100 * grown["cm_assigned_remote_total"] / max(1, assigned), 1)}


def take(settings):
    try:
        rows = [measure(cms, settings.pick(4000, 200)) for cms in settings.pick(CMS, (2,))]
    except HarnessError as error:
        raise Missing(f"Talus could not be loaded: {str(error).splitlines()[0]}") from None
    return Data(list(COLUMNS), rows, {"load": "/4b, a connection each, 16 at a time for each CM, "
                                              "from ab"})


OFFERS = Measurement("offers", take)
