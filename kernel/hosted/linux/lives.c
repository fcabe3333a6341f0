/* SPDX-License-Identifier: MIT */
/*
 * What boot/rejoin.c is on the bare machine: a node whose process has ended by a signal is marked
 * dead on its status page, as hardware would cease, and the others are told; when all that live
 * have let go of it, it gets another process, in another incarnation, from the same pristine
 * program. What nodes write on their pages is read once a look, and believed as far as there.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel/hosted/linux/node.h"
#include "kernel/message/status.h"
#include "libc/core/mmio.h"
#include "libc/core/rejoin_delay.h"

/* How often a node is looked at whose time may come, and one that sleeps, which is rung by who
 * wants it: but this process does not hear that. Chosen. */
#define LOOK_MS       1
#define SLEEP_LOOK_MS 20

enum life { LIVES, SLEEPS, IS_DEAD, STAYS_DEAD };

static struct {
    enum life life;
    struct status_page *status;
    uint32_t incarnation;
    uint64_t not_before_ns; /* of its next life */
    struct rejoin_history history;
} nodes[NODE_MAX];

static bool is_never_again, is_never_delayed;

/* restart=no, restart=always: as boot/boot_limits.c reads them. */
static void read_option(void)
{
    const char *word = linux_node.command_line;
    const size_t key_bytes = strlen("restart=");

    while ((word = strstr(word, "restart=")) != NULL) {
        if (word == linux_node.command_line || word[-1] == ' ') {
            size_t length = strcspn(word + key_bytes, " ");

            is_never_again = length == 2 && memcmp(word + key_bytes, "no", 2) == 0;
            is_never_delayed = length == 6 && memcmp(word + key_bytes, "always", 6) == 0;
        }
        word += key_bytes;
    }
}

static void write_state(unsigned node, uint32_t state)
{
    mmio_write32(&nodes[node].status->state, 0, state);
    __sync_synchronize(); /* before the look at who has let go: see status_welcome() */
}

static bool lives(unsigned node)
{
    uint32_t state = mmio_read32(&nodes[node].status->state, 0);

    return state == NODE_STARTING || state == NODE_RUNNING;
}

static uint32_t next_start_order(void)
{
    uint32_t last = 0;

    for (unsigned i = 0; i < linux_node.node_count; i++) {
        uint32_t order = mmio_read32(&nodes[i].status->start_order, 0);

        last = lives(i) && order > last && order < UINT32_MAX - NODE_MAX ? order : last;
    }
    return last + 1;
}

void lives_initialise(void)
{
    size_t bytes = STATUS_PAGE_BYTES(linux_node.node_count);

    read_option();
    for (unsigned node = 0; node < linux_node.node_count; node++) {
        nodes[node].status =
            mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, node_files[node].mailbox, 0);
        /* No node's process gets them: it would write there what is another's. */
        if (nodes[node].status == MAP_FAILED ||
            madvise(nodes[node].status, bytes, MADV_DONTFORK) != 0) {
            linux_die("status pages cannot be mapped");
        }
        nodes[node].incarnation = 1;
        nodes[node].history.started_ns = linux_now_ns();
        mmio_write32(&nodes[node].status->incarnation, 0, 1);
        write_state(node, NODE_STARTING);
    }
}

static void ring_all(void)
{
    for (unsigned node = 0; node < linux_node.node_count; node++) {
        linux_ring((node_id_t)node, LINUX_ATTENTION);
    }
}

void lives_note_end(unsigned node, int signal_number)
{
    uint64_t now_ns = linux_now_ns();
    bool has_parked =
        signal_number == LINUX_PARKED && mmio_read32(&nodes[node].status->state, 0) == NODE_PARKED;

    mmio_write32(&nodes[node].status->incarnation, 0, nodes[node].incarnation);
    if (has_parked) {
        nodes[node].life = SLEEPS;
        nodes[node].not_before_ns = nodes[node].history.started_ns + REJOIN_INTERVAL_NS;
    } else {
        fprintf(stderr, "talus: the process of node%u ended by signal %d\n", node, signal_number);
        nodes[node].life = is_never_again ? STAYS_DEAD : IS_DEAD;
        if (is_never_delayed) {
            nodes[node].history.recent_deaths = 0;
        }
        nodes[node].not_before_ns = now_ns + rejoin_delay_ns(&nodes[node].history, now_ns);
    }
    write_state(node, has_parked ? NODE_PARKED : NODE_DEAD);
    ring_all();
}

/* Whether another one that lives says so of its present incarnation. */
static bool is_said_by_any(unsigned node, size_t word)
{
    for (unsigned i = 0; i < linux_node.node_count; i++) {
        if (i != node && lives(i) &&
            mmio_read32(&nodes[i].status->for_nodes[node], word) == nodes[node].incarnation) {
            return true;
        }
    }
    return false;
}

static bool is_released(unsigned node)
{
    for (unsigned i = 0; i < linux_node.node_count; i++) {
        if (i != node && lives(i) &&
            mmio_read32(&nodes[i].status->for_nodes[node].released, 0) != nodes[node].incarnation) {
            return false;
        }
    }
    return true;
}

/* All but the launcher's own words, and but for the log: as node_image_clear_status(). */
static void clear_status(unsigned node)
{
    uint8_t *status = (uint8_t *)nodes[node].status;

    memset(status, 0, offsetof(struct status_page, state));
    memset(status + offsetof(struct status_page, declared_dead), 0,
           offsetof(struct status_page, log_written) - offsetof(struct status_page, declared_dead));
    for (unsigned i = 0; i < linux_node.node_count; i++) {
        nodes[node].status->for_nodes[i] =
            (struct status_for_node){.log_printed = nodes[node].status->for_nodes[i].log_printed};
    }
}

static void start_again(unsigned node)
{
    clear_status(node);
    nodes[node].incarnation++;
    nodes[node].life = LIVES;
    nodes[node].history.started_ns = linux_now_ns();
    mmio_write32(&nodes[node].status->start_order, 0, next_start_order());
    mmio_write32(&nodes[node].status->incarnation, 0, nodes[node].incarnation);
    write_state(node, NODE_STARTING);
    fprintf(stderr, "talus: node%u starts again as incarnation %u\n", node,
            nodes[node].incarnation);
    launch_node(node);
}

void lives_look(void)
{
    for (unsigned node = 0; node < linux_node.node_count; node++) {
        if (nodes[node].life == SLEEPS &&
            is_said_by_any(node, offsetof(struct status_for_node, wanted))) {
            nodes[node].life = IS_DEAD;
        }
        if (nodes[node].life == IS_DEAD && linux_now_ns() >= nodes[node].not_before_ns &&
            is_released(node)) {
            start_again(node);
        }
    }
}

int lives_timeout_ms(void)
{
    int timeout_ms = -1;

    for (unsigned node = 0; node < linux_node.node_count; node++) {
        if (nodes[node].life == IS_DEAD) {
            return LOOK_MS;
        }
        timeout_ms = nodes[node].life == SLEEPS ? SLEEP_LOOK_MS : timeout_ms;
    }
    return timeout_ms;
}

bool lives_is_over(void)
{
    for (unsigned node = 0; node < linux_node.node_count; node++) {
        if (nodes[node].life == LIVES || nodes[node].life == IS_DEAD) {
            return false;
        }
    }
    return true;
}
