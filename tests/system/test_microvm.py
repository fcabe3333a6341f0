# SPDX-License-Identifier: MIT
"""Talus on QEMU's microvm, a machine without PCI: its virtio card is found by ACPI's tables or by
words of the command line, interrupts by a line, and is taken over when its node dies."""

import time

import pytest

from harness import Talus, ab, card, curl, free_port, wait_until
from test_virtio import assert_serves

pytestmark = pytest.mark.same_on_any_card("each test says which card it has")

# Without ACPI QEMU puts the word itself on the command line, and cores stand in the older MP table.
MACHINES = ("microvm", "microvm,acpi=off")


def microvm(network, machine="microvm", *options, **others):
    return Talus(*card.VIRTIO_OPTIONS, "--machine", machine, *options, network=network, **others)


@pytest.mark.parametrize("machine", MACHINES)
def test_pages_are_served_by_either_way_of_finding_the_card(network, machine):
    with microvm(network, machine) as talus:
        assert "virtio-net (virtio-mmio) at mmio@feb0" in talus.console
        assert ("cores by the older MP table" in talus.console) == ("acpi=off" in machine)
        assert ("virtio_mmio.device=512@" in talus.console) == ("acpi=off" in machine)
        assert len(talus.roles()) == 4
        assert_serves(talus)
        load = ab(talus, "/100k", 60, concurrency=6, keep_alive=True)
        assert load.failed == 0, load.output


# A level line that is not acknowledged in time comes again for ever. Each interrupt is for frames
# here, or for a change of the configuration, of which there is none.
@pytest.mark.parametrize("machine", MACHINES)
def test_a_line_wakes_its_node_and_is_not_raised_for_nothing(network, machine):
    with microvm(network, machine, smp=2) as talus:
        def counts():
            return (talus.counter("nic_interrupts_total")[0],
                    sum(talus.counter("nic_rx_packets_total").values()))

        for _ in range(20):
            time.sleep(0.05)  # the node goes to sleep, and the next request wakes it
            assert len(curl(talus, "/4b")) == 4
        before = counts()
        for _ in range(20):
            time.sleep(0.05)
            assert len(curl(talus, "/4b")) == 4
        after = counts()
        interrupts, frames = (new - old for new, old in zip(after, before))
        assert 20 <= interrupts <= frames, (interrupts, frames)


@pytest.mark.parametrize("machine", MACHINES)
def test_the_next_link_server_takes_the_card_over_when_its_node_dies(network, machine):
    with microvm(network, machine) as talus:
        assert_serves(talus, is_loaded=False)
        start = len(talus.console)
        talus.type("crash 0\n")
        talus.wait_for(r"node1 ls: virtio-net", start)
        talus.wait_for(r"node0 boot: came back as incarnation 2", start)
        wait_until(lambda: ab(talus, "/4b", 100, concurrency=8).failed == 0,
                   "the machine to serve again", talus.last_lines)
        assert_serves(talus)


@pytest.mark.parametrize("machine", MACHINES)
def test_the_machine_is_switched_off(network, machine):
    with microvm(network, machine, smp=2) as talus:
        talus.type("poweroff\n")
        talus.wait_for("power: off")
        assert talus.wait() == 0


def test_devices_beyond_the_first_interrupt_controller_serve_as_well_as_below(network):
    with microvm(network, "microvm,ioapic2=off", smp=2) as talus:
        assert_serves(talus)


def test_a_card_for_old_drivers_is_refused_with_what_to_do(network):
    machine = microvm(network, "microvm", "--qemu-args", "-global virtio-mmio.force-legacy=true", smp=1)
    machine.start(is_awaited=False)
    try:
        machine.wait_for("for old drivers only; with QEMU say -global virtio-mmio.force-legacy=false")
        machine.wait_for("going on without a network")
    finally:
        machine.stop()


# In memory, in the way of the interrupt controller, and no word at all; the right one still counts.
def test_words_that_cannot_be_are_refused_by_name(network):
    words = ("virtio_mmio.device=512@0x100000:5 virtio_mmio.device=4K@0xfec00000:6 "
             "virtio_mmio.device=0xfeb00e00")
    with microvm(network, "microvm,acpi=off", smp=1, words=words) as talus:
        assert "virtio_mmio.device=512@0x100000:5: memory is there; ignored" in talus.console
        assert "virtio_mmio.device=4K@0xfec00000:6: another device is there; ignored" in talus.console
        assert "virtio_mmio.device=0xfeb00e00: write SIZE@BASE:IRQ; ignored" in talus.console
        assert len(curl(talus, "/4b")) == 4
