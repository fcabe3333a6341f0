/* SPDX-License-Identifier: MIT */
/*
 * A node's private copy of the image and its page tables, made from the pristine image.
 */
#pragma once

#include "boot/addresses.h"
#include "boot/rejoin.h"
#include "kernel/node.h"

/* What a node is made from, beside the image and the node_info that all have alike. Laid out by the
 * core that boots; what it names is the node's own memory. */
struct node_plan {
    paddr_t image; /* a copy of the image, with a node_info of its own */
    paddr_t status_page;
    paddr_t stack;        /* on which its core builds it and then starts */
    unsigned range_count; /* what is left of its share */
    struct memory_range ranges[NODE_RANGE_MAX];
    struct nmi_line nmi_line;
    int64_t tsc_offset; /* of its core, to the one that boots */
    /* Changed when it is built again, by its own core (rejoin.c). */
    paddr_t root; /* of its page tables; 0: not built */
    uint32_t incarnation;
    uint64_t random_seed[4];
    uint64_t kept_secret[4]; /* for the seeds to come */
    uint64_t died_ns;
    struct rejoin_history history;
    /* By others' cores: it neither works nor can be stopped, and is not waited for while its event
     * loop stands so; 0: it is. One more than its rounds. */
    uint64_t passed_over_rounds;
};

/* Where boot finds what concerns all nodes. */
struct node_layout {
    unsigned node_count;
    struct node_place *places; /* read by nodes, written by none of them */
    struct node_plan *plans;
    struct addresses *addresses; /* one for each plan */
    bool has_fixed_addresses;
    void (*leave)(void); /* these two: for all node_infos */
    uint8_t startup_page;
#ifdef TALUS_TEST_SHARED_PAGE
    paddr_t test_page; /* boot/shared_page.h */
#endif
};

/* Least memory with which a node can be built and start. */
#define NODE_MEMORY_MIN_BYTES (8 * MIB)

/* How much a node's share is. */
uint64_t node_image_memory_bytes(const struct node_place *place);
/* Whether the table of relocations fits the image: else no node can be made. */
bool node_image_can_be_moved(void);
/* Choose a node's memory out of its share, and its addresses unlike those of the nodes before it.
 * Returns 0, or -ENOMEM. */
MUST_CHECK int node_image_plan(const struct node_layout *layout, unsigned node);
/* Where its core builds the node, as boot's tables map it: the end of its stack. */
void *node_image_stack_top(const struct node_plan *plan);

/*
 * Build node `node`, on its own core: copy the image into its memory, make its page tables, its
 * node_info and its status page, but for what boot writes itself there: state, incarnation, order.
 * Changes nothing but the node's own memory, whatever was there, so it can be begun again.
 *
 * Returns the root of its page tables, or 0 without memory for them.
 */
paddr_t node_image_build(const struct node_layout *layout, unsigned node);
/* Into the node, which is built. */
_Noreturn void node_image_enter(const struct node_layout *layout, unsigned node);
/* The node's status page, as boot's tables map it. */
struct status_page *node_image_status(const struct node_plan *plan);
/* Clear it but for its state, as node_image_build() does: where that may have stopped halfway. */
void node_image_clear_status(const struct node_layout *layout, unsigned node);
/* Take from node `from`, in its own page tables, the rings of its channel to `node`. What its core
 * has in the TLB it may still use. */
void node_image_cut_off(const struct node_layout *layout, unsigned from, unsigned node);
/* Give node 0, which is built, what components hand over to it alone. */
void node_image_hand_over(const struct node_plan *plan);
