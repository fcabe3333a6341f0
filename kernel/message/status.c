/* SPDX-License-Identifier: MIT */
/*
 * Status pages: this node's own writes, and its looks at the others'. What is read from another
 * node's page is bounded here: a damaged node can confuse numbers, never lead us astray.
 */
#include "kernel/message/status.h"

#include "kernel/message/mailbox.h"
#include "kernel/platform.h"
#include "libc/core/line_ring.h"
#include "libc/core/memory.h"

_Static_assert(IS_POWER_OF_TWO(STATUS_LOG_BYTES) && STATUS_LOG_BYTES > LINE_RING_MARGIN_BYTES,
               "as line_ring.h wants it");

COUNTER_TABLE_DEFINE(kernel_counters, COUNTER_BLOCK(0), KERNEL_COUNTERS);

struct status_page *status_own_page;

static struct node_set lost_nodes;

void status_initialise(void)
{
    status_own_page = platform_status_page(platform_node());
    ASSERT(status_own_page != NULL);
    lost_nodes = (struct node_set){{0}};
}

void status_count_memory(void)
{
    void *counts = &status_own_page->counters[COUNTER_MEMORY];
    unsigned kind_count = memory_publish_counts(counts, COUNTER_MEMORY_MAX);

    ASSERT(kind_count <= COUNTER_MEMORY_MAX);
}

uint64_t counter_read(node_id_t node, unsigned counter)
{
    ASSERT(counter < COUNTER_MAX);
    uint64_t value = mailbox_load64_acquire(&platform_status_page(node)->counters[counter]);

    if (counter == COUNTER_IDLE_NS && (int64_t)value < 0) {
        value += platform_now_ns() + 1;
        value = (int64_t)value < 0 ? 0 : value; /* the clocks differ a little */
    }
    return value;
}

uint32_t status_own_word(node_id_t node)
{
    /* Pairs with the release in status_set_state(): roles and memory are there once it runs. */
    return mailbox_load_acquire(&platform_status_page(node)->state);
}

enum node_state status_node_state(node_id_t node)
{
    uint32_t state = status_own_word(node);
    bool is_dead = state >= NODE_DEAD || node_set_has(&lost_nodes, node);

    return is_dead ? NODE_DEAD : (enum node_state)state;
}

uint32_t status_incarnation(node_id_t node)
{
    return mailbox_load(&platform_status_page(node)->incarnation);
}

uint32_t status_start_order(node_id_t node)
{
    return mailbox_load(&platform_status_page(node)->start_order);
}

bool status_is_holding_console(node_id_t node)
{
    /* Pairs as there: what it printed is told when it lets go. */
    return status_own_word(node) == NODE_DEAD_WITH_CONSOLE;
}

void status_set_state(enum node_state state)
{
    ASSERT(status_own_page->state < NODE_DEAD || state >= NODE_DEAD);
    mailbox_store_release(&status_own_page->state, state);
    /* Of one that dies and looks at who runs, and one that runs and looks at who is dead, at least
     * one sees the other. */
    mailbox_fence();
}

void status_lose(node_id_t node)
{
    node_set_add(&lost_nodes, node);
}

static void declare(node_id_t node, bool is_dead)
{
    struct node_set declared = status_own_page->declared_dead;

    node_set_put(&declared, node, is_dead);
    mailbox_store64_release(&status_own_page->declared_dead.words[node / 64],
                            declared.words[node / 64]);
    mailbox_fence(); /* as in status_set_state() */
}

void status_declare_dead(node_id_t node)
{
    declare(node, true);
}

void status_let_go(node_id_t node)
{
    declare(node, false); /* before it may come back: no vote is about its next life */
    mailbox_store_release(&status_own_page->for_nodes[node].released, status_incarnation(node));
}

void status_welcome(node_id_t node)
{
    node_set_remove(&lost_nodes, node);
    mailbox_store_release(&status_own_page->for_nodes[node].released, 0);
    /* Before a look at whether it lives, and so before its memory is mapped (opening_try()): of
     * this node and one that dies and looks at who has let go, at least one sees the other. */
    mailbox_fence();
}

struct node_set status_declared_dead_by(node_id_t node)
{
    const struct status_page *page = platform_status_page(node);
    struct node_set nodes = {{0}};

    for (unsigned i = 0; i * 64 < platform_node_count(); i++) {
        nodes.words[i] = mailbox_load64_acquire(&page->declared_dead.words[i]);
    }
    return nodes;
}

void status_send_attention(void)
{
    for (unsigned node = 0; node < platform_node_count(); node++) {
        if (node != platform_node() && status_node_state((node_id_t)node) == NODE_RUNNING) {
            platform_send_attention((node_id_t)node);
        }
    }
}

uint64_t status_memory_bytes(node_id_t node)
{
    return mailbox_load64_acquire(&platform_status_page(node)->memory_bytes);
}

void status_set_word(enum status_word word, uint64_t value)
{
    mailbox_store64_release(&status_own_page->words[word], value);
}

uint64_t status_word(node_id_t node, enum status_word word)
{
    return mailbox_load64_acquire(&platform_status_page(node)->words[word]);
}

void status_set_sleep(enum node_sleep sleep)
{
    mailbox_store(&status_own_page->sleep, sleep);
    if (sleep != NODE_AWAKE) {
        /* The flag before the last look for work. Pairs with the fence in send.c between
         * publishing, or freeing room, and status_node_sleep(): one of the two sees the other. */
        mailbox_fence();
    }
}

enum node_sleep status_node_sleep(node_id_t node)
{
    return (enum node_sleep)mailbox_load(&platform_status_page(node)->sleep);
}

static struct line_ring log_of(const struct status_page *page)
{
    return (struct line_ring){(char *)page->log, STATUS_LOG_BYTES};
}

unsigned status_log_append(const char *line, size_t length_bytes, uint32_t printed)
{
    struct status_page *page = status_own_page;
    uint32_t written = page->log_written;
    unsigned lost = line_ring_write(log_of(page), written, line, length_bytes, printed);

    mailbox_flush(page->log, sizeof(page->log));
    /* Keeps the text before the count of it. Pairs with the acquire in status_log_written(). */
    mailbox_store_release(&page->log_written, written + (uint32_t)length_bytes);
    return lost;
}

uint32_t status_log_written(node_id_t node)
{
    return mailbox_load_acquire(&platform_status_page(node)->log_written);
}

size_t status_log_read(node_id_t node, uint32_t *position, char *line, size_t size)
{
    struct line_ring log = log_of(platform_status_page(node));
    uint32_t written = status_log_written(node);

    mailbox_invalidate(log.text, log.bytes);
    size_t length = line_ring_read(log, written, position, line, size);

    /* The copy before the second look at the count: a line that the writer has meanwhile begun
     * to overwrite is dropped, and the next call goes on behind the damage. */
    mailbox_fence_loads();
    written = status_log_written(node);
    return line_ring_is_overwritten(log, written, *position - (uint32_t)length) ? 0 : length;
}

void status_log_set_printed(node_id_t node, uint32_t position)
{
    mailbox_store(&status_own_page->for_nodes[node].log_printed, position);
}

uint32_t status_log_printed(node_id_t owner, node_id_t node)
{
    return mailbox_load(&platform_status_page(owner)->for_nodes[node].log_printed);
}
