/* SPDX-License-Identifier: MIT */
/*
 * An 82599 for unit tests of drivers/ixgbe (built with -DMMIO_FAKE): a file of registers that
 * behaves as the datasheet says where the driver waits for it or depends on it, and two DMA
 * engines that the test steps. Offsets are written out as numbers here: a slip in the driver's
 * regs.h must not hide in its own test.
 *
 * Bus addresses are the test's own addresses. For its waits to end, the clock of fake_platform.h
 * must run (fake_set_clock_step_ns).
 */
#pragma once

#include "kernel/base.h"

/* What the driver is given as its registers. */
void *fake_nic_registers(void);

/* A card after power-on, with MAC address 52:54:00:12:34:56 and link; nothing stuck. */
void fake_nic_reset(void);

uint32_t fake_nic_get(uint32_t offset);
void fake_nic_set(uint32_t offset, uint32_t value);
/* From now on these bits read so, whatever is written. */
void fake_nic_stick(uint32_t offset, uint32_t mask, uint32_t value);

/* Writes since the reset. */
unsigned fake_nic_write_count(void);
unsigned fake_nic_writes_to(uint32_t offset);
/* The position of the first write to `offset` at or after `from` with (value & mask) ==
 * value_wanted; UINT32_MAX: none. */
unsigned fake_nic_find_write(unsigned from, uint32_t offset, uint32_t mask, uint32_t value_wanted);

/* The receive ring of this queue is in another node's memory. */
void fake_nic_put_ring(unsigned queue, node_id_t node);

/* The flow director's table, by the number that software gives a filter (FDIRHASH). */
struct fake_nic_filter {
    uint32_t port_register;
    uint32_t hash_register;
    uint32_t command_register;
};
const struct fake_nic_filter *fake_nic_filter(uint16_t number);
unsigned fake_nic_filter_count(void);

/* --- Receive --- */

/* Put a frame into the next descriptor of a queue; `status` is dword 2 of the write-back (DD is
 * added), `packet_info` dword 0. False when the driver has given no descriptor. */
bool fake_nic_receive(unsigned queue, const void *data, uint16_t length_bytes, uint32_t status,
                      uint32_t packet_info);
/* What the device writes as a frame's length from now on, whatever it is; 0: what it is. */
void fake_nic_claim_length(uint16_t length_bytes);
/* Descriptors that the device has. */
unsigned fake_nic_receive_room(unsigned queue);

/* --- Transmit --- */

struct fake_nic_sent {
    uint8_t data[65536];
    unsigned length_bytes;
    unsigned descriptor_count;
    uint64_t context_lengths; /* of the context that was in force, 0 without */
    uint32_t context_command, context_cut;
    uint32_t first_command, first_status;
};
/* Take the next frame off the ring, and report it if asked. False when there is none before the
 * tail. */
bool fake_nic_transmit(unsigned queue, struct fake_nic_sent *sent);

/* The text of the last line that the driver logged. */
const char *fake_nic_last_log(void);
