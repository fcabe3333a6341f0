/* SPDX-License-Identifier: MIT */
/*
 * Small types and macros that every file may use.
 */
#pragma once

#include "libc/core/base.h"

typedef uint64_t paddr_t;    /* physical address, as the core sees it */
typedef uint64_t bus_addr_t; /* address as a device's DMA sees it */
typedef uint16_t node_id_t;  /* 0 .. node_count - 1; node 0 booted the machine */

#define NODE_NONE ((node_id_t)0xFFFF)
