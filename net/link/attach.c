/* SPDX-License-Identifier: MIT */
/*
 * How this link server gets its queue: from the card, on the node that drives it; else on the word
 * of that node, which is checked. And what becomes of the card when nodes die: the next link server
 * drives it, and goes on with it as it is; or starts it anew, where no other node than a dead one
 * could drive it, or where it could not be kept from a dead one's memory otherwise.
 */
#include "net/link/attach.h"

#include <errno.h>
#include <string.h>

#include "drivers/nic/nic.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "libc/core/timer.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/draining.h"
#include "net/handlers.h"
#include "net/link/device.h"
#include "net/link/server.h"
#include "net/link/takeover.h"
#include "net/messages.h"
#include "net/returning.h"

/* From one try to start the card to the next, for want of memory. Chosen. */
#define START_RETRY_NS (100 * NS_PER_MS)

/* A card that is to be started anew is left alone when all others know that it has been switched
 * off. One that does not learn of it is dead by then, or will be found dead. Chosen. */
#define LEFT_ALONE_PATIENCE_NS (10 * NS_PER_S)

static const struct configuration *configuration;
static node_id_t self;
static bool is_driving; /* the NIC as a whole, or begins to */

/* This LS's own queue. */
static struct {
    struct nic_queue *nic;  /* from the moment that it is opened */
    uint16_t driver_number; /* of that one, which stays the only one */
    bool is_used;           /* it takes frames */
    bool is_prepared;       /* it waits to be used, or is */
    bool is_run;            /* once that is so: it is */
    bool has_key; /* we were told to open it, and with what: for a card that can be adopted */
    struct nic_queue_key key;
} queue;

/* --- The queue --- */

_Static_assert(sizeof(struct nic_queue_key) == sizeof(((struct attach_queue *)0)->key),
               "a message carries a key");

/* Nothing is sent or taken until use_queue(). */
static int open_queue(const struct nic_queue_key *key)
{
    int result = nic_queue_open(key, &queue.nic);

    if (result == 0) {
        queue.driver_number = key->driver_number;
    } else if (result != -ENOTSUP) { /* that one has been explained */
        log_error("ls", "queue %u cannot be opened: error %d", key->queue_index, -result);
    }
    return result;
}

static void use_queue(void)
{
    status_set_word(STATUS_WORD_DEVICE, 1);
    queue.is_used = true;
    link_server_use_queue(queue.nic);
}

static void post_attached(node_id_t to, const struct queue_attached *answer)
{
    struct queue_attached *message = message_reserve_posted(to, QUEUE_ATTACHED, sizeof(*message));

    message->queue_index = answer->queue_index;
    message->step = answer->step;
    message->error_number = answer->error_number;
    memcpy(message->report, answer->report, sizeof(message->report));
    message_publish();
}

/* For a card that does not run, or not for this queue: nothing is sent or taken until it is used.
 */
static int prepare_queue(const struct nic_queue_key *key, struct queue_attached *answer)
{
    struct nic_queue_report report = {{0}};
    int result;

    queue.is_prepared = false;
    result = nic_queue_prepare(key, &queue.nic, &report);
    if (result == 0) {
        queue.driver_number = key->driver_number;
        queue.is_prepared = true;
        queue.is_run = false;
        status_set_word(STATUS_WORD_DEVICE, 1);
        memcpy(answer->report, &report, sizeof(answer->report));
    } else if (result != -ENOTSUP) { /* that one has been explained */
        log_error("ls", "queue %u cannot be prepared: error %d", key->queue_index, -result);
    }
    return result;
}

static int use_prepared(void)
{
    if (!queue.is_prepared) {
        return -EINVAL;
    }
    if (!queue.is_run) { /* else it may have been stopped, for its device lies */
        queue.is_run = true;
        nic_queue_run(queue.nic);
        use_queue();
    }
    return 0;
}

/* Whoever takes the NIC over asks again: a queue that is open stays as it is. */
static int use_opened(const struct nic_queue_key *key)
{
    int result;

    if (queue.is_used) {
        return 0;
    }
    queue.key = *key;
    queue.has_key = true;
    result = open_queue(key);
    if (result == 0) {
        use_queue();
    }
    return result;
}

/* Whether such a key may be for this node's queue, of which there is one. */
static bool is_for_own_queue(const struct nic_queue_key *key)
{
    return key->queue_index < configuration->ls_count &&
           configuration->ls[key->queue_index] == self &&
           (queue.nic == NULL || queue.driver_number == key->driver_number);
}

static void handle_attach_queue(node_id_t from, const struct message *raw)
{
    const struct attach_queue *message = (const struct attach_queue *)raw;
    const uint32_t step = message->step;
    struct nic_queue_key key;
    struct queue_attached answer = {.step = (uint16_t)step};
    bool is_prepared_first;
    int result;

    memcpy(&key, message->key, sizeof(key));
    is_prepared_first = nic_queue_is_prepared(&key);
    if (!configuration_may_drive_device(from) || from == self || is_driving ||
        !is_for_own_queue(&key) ||
        step > (is_prepared_first ? QUEUE_STEP_PREPARE : QUEUE_STEP_USE)) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
        return;
    }
    if (!is_prepared_first) {
        result = use_opened(&key);
    } else if (step == QUEUE_STEP_PREPARE) {
        result = prepare_queue(&key, &answer);
    } else {
        result = use_prepared();
    }
    if (result == -EINVAL) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE); /* its key is no card's */
    }
    answer.queue_index = key.queue_index;
    answer.error_number = (uint32_t)-result;
    post_attached(from, &answer);
}

/* --- The start of the card --- */

/* Nobody else reaches it who could go on driving it as it is. */
static bool is_card_left_alone(void)
{
    for (unsigned i = 0; i < configuration->ls_count; i++) {
        node_id_t node = configuration->ls[i];

        if (node != self && !configuration_is_dead(configuration, node) &&
            status_word(node, STATUS_WORD_DEVICE) != 0) {
            return false;
        }
    }
    return true;
}

/* The others' last word to a card is that it be switched off. Returns whether they have said it. */
static bool wait_until_left_alone(void)
{
    uint64_t end_ns = platform_now_ns() + LEFT_ALONE_PATIENCE_NS;

    while (!is_card_left_alone()) {
        if (platform_now_ns() >= end_ns) {
            return false;
        }
        thread_yield();
    }
    return true;
}

/* The start of the card. */
static struct {
    bool is_under_way;
    bool is_due;  /* again, when that is over */
    bool is_anew; /* another node has driven it: others may have a hand on it */
} start;

static void start_anew(void);

/* A thread, so that the node goes on while the NIC resets. It begins when this node's other roles
 * have been started: some are to be told of the NIC. */
static void start_device(void *argument)
{
    int result;

    (void)argument;
    thread_yield();
    do {
        if (start.is_anew) {
            if (!wait_until_left_alone()) {
                link_device_take_over(configuration, NULL, false); /* which says so */
                break;
            }
            nic_quieten();
            start.is_anew = false;
        }
        start.is_due = false;
        result = link_device_start(configuration, open_queue, start_anew);
        if (start.is_due) {
            link_device_stop(); /* it was lost before there was a card to be stopped */
        } else if (result == 0) {
            use_queue();
            link_device_announce();
        }
    } while (start.is_due);
    start.is_under_way = false;
}

/* One that takes over may lack memory for a thread, for now. */
static void try_to_start_device(struct timer *timer)
{
    if (thread_run_handler("ls", start_device, NULL) != 0 &&
        timer_start(timer, platform_now_ns() + START_RETRY_NS) != 0) {
        PANIC("no memory to start the link server");
    }
}

static void begin_driving(void)
{
    static struct timer start_timer;

    is_driving = true;
    status_set_word(STATUS_WORD_DEVICE, 1); /* before this node lets go of one that has died */
    if (start.is_under_way) {
        start.is_due = true;
        return;
    }
    start.is_under_way = true;
    timer_initialise(&start_timer, try_to_start_device);
    try_to_start_device(&start_timer);
}

/* By who drives it. */
static void start_anew(void)
{
    link_device_stop();
    begin_driving();
}

/* The card has been switched off with all its queues. Whoever drives it starts it anew, when all
 * others have come here, too. */
static void lose_card(void)
{
    queue.has_key = queue.is_prepared = false;
    if (is_driving) {
        start_anew();
    } else {
        start.is_anew = true;
        status_set_word(STATUS_WORD_DEVICE, 0);
    }
}

/* --- Deaths and returns --- */

static void note_node_down(node_id_t node)
{
    if (queue.nic != NULL) {
        if (link_takeover_stop(configuration, queue.nic, node) != 0) {
            lose_card();
        } else if (queue.is_used && configuration->device_ls == self) {
            link_server_take_over(node);
        }
    }
    if (configuration->device_ls != self || (is_driving && !start.is_anew)) {
        link_device_lose_node(node);
    } else if (queue.has_key) {
        is_driving = true;
        link_device_take_over(configuration, &queue.key, queue.is_used);
    } else { /* perhaps once more: another one had a hand on the card until now */
        if (is_card_left_alone()) {
            nic_quieten(); /* before the dead one's memory is let go */
        }
        start.is_anew = true;
        begin_driving();
    }
}

static void note_node_up(node_id_t node)
{
    link_device_regain_node(node);
}

static void note_serving(node_id_t node, enum role role)
{
    (void)node;
    if (role == ROLE_TS) {
        link_device_note_serving();
    }
}

/* Of who drains. */
static void note_change(node_id_t node)
{
    (void)node;
    link_device_note_draining();
}

void link_attach_start(const struct configuration *current)
{
    static const struct draining_observer observer = {.goes = note_change, .stays = note_change};

    configuration = current;
    self = platform_node();
    dispatch_register_node_down(note_node_down);
    dispatch_register_node_up(note_node_up);
    returning_observe(note_serving);
    draining_observe(&observer);
    link_device_initialise();
    net_register_message(ATTACH_QUEUE, handle_attach_queue);
    if (current->device_ls == self) {
        begin_driving();
    }
}
