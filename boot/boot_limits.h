/* SPDX-License-Identifier: MIT */
/*
 * The words of the command line that boot itself obeys: `nodes=N` and `mem=SIZE` make the machine
 * smaller than it is; `restart=no` leaves a node dead that has failed, `restart=always` starts it
 * again however often it fails, without the delays of boot/rejoin.h; `randomise=no` gives each node
 * the addresses of boot/addresses.h that are always the same.
 */
#pragma once

#include "kernel/base.h"

enum boot_restart { RESTART_WITH_DELAYS, RESTART_ALWAYS, RESTART_NO };

struct boot_limits {
    uint64_t node_count;   /* at least 1 */
    uint64_t memory_bytes; /* for all nodes together, at least BOOT_LIMIT_MEMORY_MIN_BYTES */
    enum boot_restart restart;
    bool has_fixed_addresses;
};

#define BOOT_LIMIT_MEMORY_MIN_BYTES (16 * MIB)

/* What the line says; where it says nothing, or what is no number, there is no limit. Reports
 * wrong words to the log. */
struct boot_limits boot_limits_read(const char *line);
