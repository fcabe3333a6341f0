/* SPDX-License-Identifier: MIT */
/*
 * platform.h for unit tests: one process is one node, the test plays the machine and all other
 * nodes. Time stands still unless the test or a sleep moves it.
 *
 * A test names the sources in its comment:
 *   tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c kernel/message/channel.c
 * kernel/message/status.c and, when it uses fake_deliver() or dispatch, what those need:
 * kernel/message/dispatch.c, peers.c, send.c, receive.c, poll.c, thread.c, switch.S, timer.c,
 * log.c, format.c.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/message/message.h"
#include "kernel/message/status.h"

/*
 * Become `node` of `node_count` nodes: fresh status pages and rings, all nodes running, time zero,
 * an empty command line. Follow it with dispatch_initialise() where dispatch is used.
 */
void fake_platform_reset(node_id_t node, unsigned node_count);
/* The text is kept, not copied. */
void fake_set_command_line(const char *line);

/* The boot archive; there is none until this is called. */
void fake_set_archive(const void *start, size_t bytes);

/* --- Time --- */
void fake_set_now_ns(uint64_t now_ns);
void fake_advance_ns(uint64_t step_ns);
/* How long the node is said to have stood still; 0 after a reset. */
void fake_set_standstill_ns(uint64_t standstill_ns);
/* Each look at the clock moves it so far; 0 after a reset. For code that waits by looking. */
void fake_set_clock_step_ns(uint64_t step_ns);

/* --- Other nodes --- */

/* What a node says of itself. Any node, this one included. */
struct status_page *fake_status_page(node_id_t node);
/* One that dies tells the node under test. */
void fake_set_node_state(node_id_t node, enum node_state state);
/* Another node has told the node under test of news. */
void fake_send_attention(void);

/* Send a message to this node from another; it is handled in the next dispatch round, and rings the
 * node if its sleep flag is up. Fails the test when the channel is full. */
void fake_deliver(node_id_t from, const struct message_header *message);
/* The same with a payload behind a header of `header_bytes`; the length is filled in. */
void fake_deliver_payload(node_id_t from, struct message_header *message, size_t header_bytes,
                          const void *payload, size_t payload_bytes);

/* The oldest message that this node has sent to `to` and the test has not taken, or NULL. Valid
 * until the next call. */
const struct message *fake_take_message(node_id_t to);
/* The payload of one for whose type `header_bytes` is the size of the struct. */
static inline struct message_payload fake_payload(const void *message, size_t header_bytes)
{
    const struct message_header *header = message;

    return (struct message_payload){(const uint8_t *)message + header_bytes,
                                    header->length_bytes - header_bytes};
}
/* The same, but it must be there and of this type, or the test fails. For a struct of
 * net/messages.h:  const struct offer *offer = fake_expect_message(2, OFFER); */
const void *fake_expect_message(node_id_t to, uint16_t type);
/* Fails the test if a message to `to` has not been taken. */
void fake_expect_no_message(node_id_t to);

/*
 * Channels. From the beginning, every other node has a ring for this one; one from another node to
 * this one opens when it is first used, by fake_deliver() and the like.
 */
/* The node has none for this one, and that it has one again, a fresh one. */
void fake_close_ring(node_id_t to);
void fake_open_ring(node_id_t to);
/* Whether this node has it mapped. */
bool fake_is_attached(node_id_t to);
/* The ring of the channel to this node. */
void *fake_ring(node_id_t from, size_t *bytes);
/* For the test to change; the reset puts back what is usual. */
extern struct fake_rings {
    unsigned made_count;  /* for which this node has taken memory */
    size_t longest_bytes; /* this node has no memory for longer ones */
    /* fake_deliver() on a quiet channel does not make the node look at it: the test interrupts it,
     * or does not. */
    bool is_quiet_left_alone;
} fake_rings;

/* --- What the node under test has done to the machine --- */
unsigned fake_doorbells(node_id_t node);  /* rung since the reset */
unsigned fake_attentions(node_id_t node); /* told to it since the reset */
unsigned fake_stops(node_id_t node);      /* by NMI since the reset */
unsigned fake_resets(node_id_t node);     /* by INIT */
unsigned fake_sleeps(void); /* without those that a pending interrupt or the time ended at once */
uint64_t fake_last_sleep_deadline_ns(void);
/* What comes on the way to sleep, once each; NULL for nothing. `before` is called before the sleep
 * flag goes up, so that a sender that looks at it rings nobody; `behind` when it has just gone up,
 * before the last look at what could keep the node awake. */
void fake_at_sleep_flag(void (*before)(void), void (*behind)(void));
/* Called inside platform_sleep(): what happens while the node sleeps. NULL for nothing. */
void fake_on_sleep(void (*sleeping)(void));
/* What was printed on the console since the reset, zero-terminated (the first 64 KiB). */
const char *fake_console(void);
/* What a console does that a test drives by itself. */
void fake_console_write(const char *text, size_t length_bytes);

/* --- Memory: allocations fail after so many; negative, the default, means never. --- */
void fake_fail_allocations_after(int count);
/* This byte's bus address takes a search; NULL: none does. */
void fake_hide_bus_addr(const void *vaddr);
/* What the node has free; UINT64_MAX after a reset. */
void fake_set_free_memory_bytes(uint64_t bytes);

/*
 * platform_panic() fails the test, unless it is expected:
 *     expect_assert_failure(channel_publish(&sender));
 */
