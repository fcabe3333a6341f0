/* SPDX-License-Identifier: MIT */
/*
 * What a node is told of the machine and of its place in it: written by boot/ into the node's
 * private copy of the image before the node runs, and constant from then on.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/limits.h"
#include "kernel/platform.h"
#include "libc/core/machine.h"

#define NODE_RANGE_MAX    8
#define MODULE_MAX        4
#define MODULE_NAME_BYTES 32

/* How an NMI of the chipset arrives: at one node, or each would end (MADT, ACPI 5.2.12.7). */
struct nmi_line {
    bool is_ours;
    uint8_t lint; /* which pin of the local APIC: 0 or 1 */
    bool is_active_low;
};

struct clock {
    uint64_t tsc_hz;
    uint64_t tsc_at_zero;    /* of this core: platform_now_ns() is 0 there, at once on all nodes */
    uint64_t ns_per_tick;    /* fixed point, CLOCK_FRACTION_BITS behind the point; refined later */
    uint64_t lapic_timer_hz; /* after the division that lapic.c sets */
    uint64_t boot_epoch_s;
    uint64_t doubt_ns; /* how far apart two cores' clocks could be by what was measured */
    bool has_tsc_deadline;
};

#define CLOCK_FRACTION_BITS 32

struct module {
    struct platform_module shown; /* its start is page-aligned, its name is here */
    char name[MODULE_NAME_BYTES];
    paddr_t paddr;
};

/* A node's core, and its whole share of memory: boot writes one for each, all nodes read it. */
struct node_place {
    uint32_t apic_id;
    uint32_t domain; /* proximity domain (ACPI SRAT); 0 when it says nothing */
    uint32_t range_count;
    struct memory_range ranges[NODE_RANGE_MAX]; /* of its own domain first: so many bytes */
    uint64_t local_bytes;
};

/* Virtual addresses, others on every node, of its own image and memory and what it may share. */
struct node_map {
    uintptr_t image_slide;  /* what is added to the addresses as linked: text, data */
    uintptr_t direct_map;   /* its memory, there + physical address; rings to it read-only */
    uint64_t direct_bytes;  /* of that, from physical address 0 on */
    uintptr_t status_pages; /* of all nodes; own writable */
    uintptr_t channels;     /* rings of channels from it, in their receivers' memory, writable */
    uintptr_t archive;      /* boot modules and built-in web root, read-only */
    uintptr_t snapshots;    /* libc/core/snapshot.h */
    uintptr_t devices;      /* registers that a driver asked for, there + physical address */
    uint64_t device_bytes;
};

struct node_info {
    node_id_t node;
    uint16_t node_count;
    const struct node_place *places; /* of all nodes, read-only */
    bool has_x2apic;
    struct nmi_line nmi_line;

    /* Out of a node that has failed, to boot, which builds it again; NULL: it halts. */
    void (*leave)(void);
    uint8_t startup_page; /* where a core that was reset goes there, too; 0: nowhere */
    uint32_t incarnation;
    uint64_t died_ns; /* when the one before it failed */

    paddr_t page_table_root;
    unsigned range_count; /* what of its memory is free at its start */
    struct memory_range ranges[NODE_RANGE_MAX];
    uint64_t random_seed[4]; /* this node's alone; gone once it is used */
    struct node_map map;
    uintptr_t stacks_end; /* next free address among the stacks, each with no page below */

    unsigned module_count;
    struct module modules[MODULE_MAX];
    uint64_t archive_bytes;

    /* To its devices is added at boot by who finds them, never on a message's word: then all nodes
     * know them. What is not there is not mapped (kernel/x86/paging.h). */
    struct machine machine;
    struct framebuffer_info framebuffer;
    struct clock clock;
    char command_line[COMMAND_LINE_MAX_BYTES];
};

extern struct node_info node_info; /* this node's own */

/* Where a node's life starts, after boot has given it memory, page tables and a stack: bring it up
 * and run its event loop for ever (kernel/main.c). */
CALLED_FROM_OUTSIDE _Noreturn void node_main(void);
