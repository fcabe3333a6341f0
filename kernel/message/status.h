/* SPDX-License-Identifier: MIT */
/*
 * Status pages: one per node, written by it alone, readable by all. Liveness, the sleep flag, words
 * between two nodes, counters, texts, and log lines on their way to the console.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/limits.h"
#include "kernel/message/counters.h"
#include "kernel/platform.h"

enum node_state {
    NODE_ABSENT = 0, /* never started */
    NODE_STARTING,
    NODE_RUNNING,
    NODE_DEAD, /* faulted or panicked; owns nothing any more */
    /* Dead, as status_node_state() says, but still printing: status_is_holding_console(). */
    NODE_DEAD_WITH_CONSOLE,
    NODE_PARKED, /* likewise dead, but by its own will: built again when it is wanted */
};

/* Whom a doorbell wakes. */
enum node_sleep {
    NODE_AWAKE = 0,
    NODE_SLEEPS,
    NODE_SLEEPS_FOR_ROOM, /* and a channel of its was full */
};

/* Texts for people: whatever the layers above keep there (net/status_text.h). */
#define STATUS_TEXT_COUNT 8u
#define STATUS_TEXT_BYTES 64u

/* Words of layers above, each whole in itself; 0 until it is set. */
enum status_word {
    STATUS_WORD_CLOCK,  /* drivers/clock/ */
    STATUS_WORD_DATE,   /* net/wall_clock.h */
    STATUS_WORD_DEVICE, /* net/link/: it has a hand on one that writes to memory */
    STATUS_WORD_DRAIN,  /* net/draining.h */
    STATUS_WORD_COUNT
};

#define STATUS_LOG_BYTES (4 * PAGE_BYTES)

/* What a node's page holds for each node. */
struct status_for_node {
    uint64_t channel_ring; /* where its channel to us is, and how long (opening.c); 0: none */
    /* How far it has been read, in lines (free-running): progress is on the receiver's page. */
    uint32_t acknowledged_lines;
    uint32_t is_channel_requested; /* we have something to send to it: it then makes a channel */
    uint32_t log_printed;          /* if we are the console's owner: how far its log is, in bytes */
    uint32_t note;                 /* of the layers above, about it */
    uint32_t released;             /* its incarnation of which we have let go; boot reads it */
    uint32_t wanted;               /* its incarnation, if it shall be parked no longer; likewise */
    uint32_t asked;                /* of the layer that watches it (watch.h) */
};

/* Page-aligned, of as many pages as STATUS_PAGE_BYTES() says. */
struct status_page {
    /* Looked at by every sender once per dispatch round: alone on its line. */
    _Alignas(CHANNEL_LINE_BYTES) uint32_t sleep; /* enum node_sleep */
    /* Nodes, a bit each, whose channel to us we hardly look at: who sends there must say so. */
    uint32_t quiet[(NODE_MAX + 31) / 32];
    _Alignas(CHANNEL_LINE_BYTES) uint32_t state; /* enum node_state */
    /* Boot's two words: how often it has built the node; 0 of one never started. And how many nodes
     * at least have been built again until then: 0 for a first life. */
    uint32_t incarnation;
    uint32_t start_order;
    struct node_set declared_dead; /* whom this one has given up */
    uint32_t apic_id;
    uint64_t memory_bytes;
    uint64_t words[STATUS_WORD_COUNT];
    char texts[STATUS_TEXT_COUNT][STATUS_TEXT_BYTES]; /* zero-terminated */
    _Alignas(CHANNEL_LINE_BYTES) uint64_t counters[COUNTER_MAX];
    /* Log ring: bytes written so far (free-running), then the text. */
    _Alignas(CHANNEL_LINE_BYTES) uint32_t log_written;
    char log[STATUS_LOG_BYTES];
    _Alignas(CHANNEL_LINE_BYTES) struct status_for_node for_nodes[]; /* node_count of them */
};

#define STATUS_PAGE_BYTES(node_count)                                                              \
    ALIGN_UP(sizeof(struct status_page) + (node_count) * sizeof(struct status_for_node),           \
             (size_t)PAGE_BYTES)

extern struct status_page *status_own_page; /* this node's */
/* Before any other call here, and when a test has become another node. */
void status_initialise(void);
/* Have all memory that is taken counted on this node's page (libc/core/memory.h). */
void status_count_memory(void);

/* Add to a counter of this node. Plain stores: one writer. */
static inline void counter_add(unsigned counter, uint64_t amount)
{
    ASSERT_SLOW(status_own_page != NULL && counter < COUNTER_MAX);
    status_own_page->counters[counter] += amount;
}
/* Of a gauge. */
static inline void counter_set(unsigned counter, uint64_t value)
{
    status_own_page->counters[counter] = value;
}
static inline void counter_increment(unsigned counter)
{
    counter_add(counter, 1);
}
/* In the midst of work that is long but has an end: to the others the node goes round (watch.h). */
static inline void status_note_progress(void)
{
    counter_add(COUNTER_DISPATCH_ROUNDS, status_own_page->counters[COUNTER_DISPATCH_ROUNDS] != 0);
}
/* Any node's counter, perhaps a moment old. While a node sleeps its IDLE_NS holds the time less the
 * moment at which it began, less one: below zero; what is returned is the time until now. */
uint64_t counter_read(node_id_t node, unsigned counter);

/* NODE_DEAD also of one that this node has lost: see watch.h. */
enum node_state status_node_state(node_id_t node);
void status_set_state(enum node_state state);
/* What it says itself: any number. */
uint32_t status_own_word(node_id_t node);
/* Changes when the node is built again, by its word: any number. */
uint32_t status_incarnation(node_id_t node);
uint32_t status_start_order(node_id_t node);
/* From now on the node is dead to this one, whatever it says; or no longer. */
void status_lose(node_id_t node);
void status_welcome(node_id_t node);
/* For a node that is dead by its own word: nothing here touches its memory any more. */
void status_let_go(node_id_t node);
/* Publish that this node has given up another; and whom a node has, by its word: any set. */
void status_declare_dead(node_id_t node);
struct node_set status_declared_dead_by(node_id_t node);
/* Interrupt all nodes that run, so that they look at the others (platform.h). */
void status_send_attention(void);
/* Whether a dead node still writes to the console, by its word: wait for it, but not for ever. */
bool status_is_holding_console(node_id_t node);
uint64_t status_memory_bytes(node_id_t node);
/* One of this node's words; and of any node's: input. */
void status_set_word(enum status_word word, uint64_t value);
uint64_t status_word(node_id_t node, enum status_word word);

/* The sleep flag's protocol (design, Mailboxes): set, fence, look once more, sleep; a sender
 * publishes, fences, looks at the flag. So does a receiver that has freed room. */
void status_set_sleep(enum node_sleep sleep);
enum node_sleep status_node_sleep(node_id_t node);

/* Add a whole line to this node's log, over the oldest ones. `printed` is how far the console's
 * owner has come: returns how many lines it will never see. */
unsigned status_log_append(const char *line, size_t length_bytes, uint32_t printed);
uint32_t status_log_written(node_id_t node);
/* Copy one line of a node's log with its newline, starting at byte *position, which moves behind
 * it; lines that were overwritten are passed over. Returns its length, 0 when there is none. */
size_t status_log_read(node_id_t node, uint32_t *position, char *line, size_t size);
/* As the console's owner: how far `node`'s log is printed; and how far `owner` had come. */
void status_log_set_printed(node_id_t node, uint32_t position);
uint32_t status_log_printed(node_id_t owner, node_id_t node);
