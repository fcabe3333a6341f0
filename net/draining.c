/* SPDX-License-Identifier: MIT */
/*
 * The way of a node that goes: see draining.h. And what the others note of it.
 */
#include "net/draining.h"

#include <errno.h>

#include "drivers/nic/counters.h"
#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/mailbox.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/command_line.h"
#include "libc/core/timer.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/handlers.h"
#include "net/messages.h"

/* Between two looks at what is left. Chosen: a node that waits for seconds may wake so often. */
#define LOOK_NS  (20 * NS_PER_MS)
/* So long there must be nothing left, and nothing come from the card, which may take a while to
 * steer elsewhere. Chosen: a hundred times what it takes. */
#define QUIET_NS (100 * NS_PER_MS)
/* From the reset of what was left to the end, whatever comes. Chosen. */
#define CUT_NS   (200 * NS_PER_MS)

enum progress { IDLE, TELLS_THAT_IT_KEEPS, TELLS_THAT_IT_GOES, WAITS, HAS_CUT };

static struct {
    enum draining draining;
    enum progress progress;
    bool is_called_back;
    struct node_set unanswered; /* by whom the last step has not been taken */
    uint64_t end_ns;            /* what is left then is reset; or, once it is, the node goes */
    uint64_t quiet_since_ns;
    uint64_t frames_seen; /* from the card, at the last look */
    struct timer timer;
} own;

bool draining_is_any;
static uint64_t limit_ns;
static const struct draining_part *parts[DRAINING_PART_MAX];
static const struct draining_observer *observers[DRAINING_OBSERVER_MAX];
static unsigned part_count, observer_count;

void draining_add_part(const struct draining_part *part)
{
    for (unsigned i = 0; i < part_count; i++) {
        if (parts[i] == part) {
            return; /* it is started anew, in a test */
        }
    }
    ASSERT(part_count < DRAINING_PART_MAX);
    parts[part_count++] = part;
}

void draining_observe(const struct draining_observer *observer)
{
    for (unsigned i = 0; i < observer_count; i++) {
        if (observers[i] == observer) {
            return; /* likewise */
        }
    }
    ASSERT(observer_count < DRAINING_OBSERVER_MAX);
    observers[observer_count++] = observer;
}

uint64_t draining_limit_ns(void)
{
    return limit_ns;
}

/* Whenever one of the two has changed. */
static void note_change(void)
{
    draining_is_any =
        own.draining != DRAINING_NOT || !node_set_is_empty(&configuration_current()->draining);
}

bool draining_is_ending(node_id_t ts)
{
    return own.draining != DRAINING_NOT ||
           (ts < NODE_MAX && node_set_has(&configuration_current()->draining, ts));
}

/* --- What is left --- */

static void publish(uint32_t left)
{
    status_set_word(STATUS_WORD_DRAIN, (uint64_t)own.draining << DRAINING_LEFT_BITS | left);
}

static uint32_t count_left(void)
{
    uint32_t left = 0;

    for (unsigned i = 0; i < part_count; i++) {
        left += parts[i]->count_left != NULL ? parts[i]->count_left() : 0;
    }
    return left;
}

static void begin_parts(void)
{
    for (unsigned i = 0; i < part_count; i++) {
        if (parts[i]->begin != NULL) {
            parts[i]->begin(own.draining);
        }
    }
}

static void cut_parts(uint32_t left)
{
    log_warning("drain", "%u connections did not end in %lu s: reset", left,
                (unsigned long)(limit_ns / NS_PER_S));
    counter_add(COUNTER_DRAIN_RESETS, left);
    for (unsigned i = 0; i < part_count; i++) {
        if (parts[i]->cut != NULL) {
            parts[i]->cut();
        }
    }
}

/* --- What all note of one that goes --- */

static void take_step(node_id_t node, uint32_t step)
{
    if (step != DRAIN_STEP_KEEPS) {
        configuration_note_draining(node, step == DRAIN_STEP_GOES);
        note_change();
        /* What was wanted of an earlier drain; before it can park, which waits for this. */
        mailbox_store_release(&status_own_page->for_nodes[node].wanted, 0);
    }
    for (unsigned i = 0; i < observer_count; i++) {
        if (step == DRAIN_STEP_KEEPS && observers[i]->keeps != NULL) {
            observers[i]->keeps(node);
        } else if (step == DRAIN_STEP_GOES && observers[i]->goes != NULL) {
            observers[i]->goes(node);
        } else if (step == DRAIN_STEP_STAYS && observers[i]->stays != NULL) {
            observers[i]->stays(node);
        }
    }
}

static void post_step(node_id_t to, uint32_t step, bool is_answer)
{
    struct drain_step *message = message_reserve_posted(to, DRAIN_STEP, sizeof(*message));

    message->step = step;
    message->is_answer = is_answer;
    message_publish();
}

/* --- The steps of this node --- */

static uint32_t current_step(void)
{
    return own.progress == TELLS_THAT_IT_KEEPS ? DRAIN_STEP_KEEPS : DRAIN_STEP_GOES;
}

static void look_again(void)
{
    if (timer_start(&own.timer, platform_now_ns() + LOOK_NS) != 0) {
        PANIC("no memory for a node that goes");
    }
}

static void advance_if_answered(void);

/* Those that are told take the step no later than this node's next message comes to them. Returns
 * them. */
static struct node_set post_to_all(uint32_t step)
{
    const struct configuration *configuration = configuration_current();
    struct node_set told = {{0}};

    for (node_id_t node = 0; node < configuration->node_count; node++) {
        if (node != platform_node() && configuration->roles[node] != 0 &&
            !configuration_is_dead(configuration, node)) {
            node_set_add(&told, node);
            post_step(node, step, false);
        }
    }
    take_step(platform_node(), step);
    return told;
}

static void tell_step(enum progress progress)
{
    own.progress = progress;
    own.unanswered = post_to_all(current_step());
    advance_if_answered();
}

/* Nobody is in the middle of a step: all that know that it goes know that it keeps what it has. */
static void stay_if_called_back(void)
{
    if (!own.is_called_back || own.progress != WAITS) {
        return;
    }
    own.draining = DRAINING_NOT;
    own.progress = IDLE;
    own.is_called_back = false;
    publish(0);
    (void)post_to_all(DRAIN_STEP_STAYS);
    begin_parts();
    log_info("drain", "stays, after all");
}

static void advance_if_answered(void)
{
    if (!node_set_is_empty(&own.unanswered)) {
        return;
    }
    if (own.progress == TELLS_THAT_IT_KEEPS) {
        tell_step(TELLS_THAT_IT_GOES);
        begin_parts();
    } else if (own.progress == TELLS_THAT_IT_GOES) {
        own.progress = WAITS;
        stay_if_called_back();
    }
}

static void note_answer(node_id_t node)
{
    node_set_remove(&own.unanswered, node);
    advance_if_answered();
}

static void handle_drain_step(node_id_t from, const struct message *message)
{
    const struct drain_step *said = (const struct drain_step *)message;
    uint32_t step = said->step;

    if (step < DRAIN_STEP_KEEPS || step > DRAIN_STEP_STAYS) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
    } else if (said->is_answer == 0) {
        take_step(from, step);
        if (step != DRAIN_STEP_STAYS) {
            post_step(from, step, true);
        }
    } else if (node_set_has(&own.unanswered, from) && step == current_step()) {
        note_answer(from);
    }
}

/* --- Its end --- */

static bool is_quiet(uint32_t left, uint64_t now_ns)
{
    uint64_t frames = status_own_page->counters[COUNTER_NIC_RX_PACKETS];

    if (left != 0 || frames != own.frames_seen) {
        own.frames_seen = frames;
        own.quiet_since_ns = now_ns;
    }
    return now_ns - own.quiet_since_ns >= QUIET_NS;
}

static void leave(void)
{
    log_info("drain", "parks: nothing is left to do here");
    log_flush_all();
    platform_park();
}

static void look(struct timer *timer)
{
    uint64_t now_ns = platform_now_ns();
    uint32_t left = count_left();
    bool is_through = is_quiet(left, now_ns) && own.progress >= WAITS;

    (void)timer;
    if (own.draining == DRAINING_NOT) {
        return; /* it stays */
    }
    publish(left);
    if (own.draining == DRAINING_NODE &&
        (is_through || (own.progress == HAS_CUT && now_ns >= own.end_ns))) {
        leave();
    }
    if (own.progress != HAS_CUT && now_ns >= own.end_ns) {
        if (left != 0) {
            cut_parts(left);
        }
        own.progress = HAS_CUT;
        own.end_ns = now_ns + CUT_NS;
    }
    look_again();
}

static void begin(enum draining draining)
{
    uint64_t now_ns = platform_now_ns();

    own.draining = draining;
    note_change();
    own.end_ns = now_ns + limit_ns;
    own.quiet_since_ns = now_ns;
    own.frames_seen = status_own_page->counters[COUNTER_NIC_RX_PACKETS];
    publish(count_left());
    look_again();
}

void draining_begin(void)
{
    if (own.draining != DRAINING_NOT || !platform_can_park()) {
        return;
    }
    begin(DRAINING_NODE);
    log_info("drain", "takes nothing new, and goes when %u connections have ended", count_left());
    tell_step(TELLS_THAT_IT_KEEPS);
}

void draining_stay(void)
{
    if (own.draining == DRAINING_NODE && own.progress != HAS_CUT) {
        own.is_called_back = true;
        stay_if_called_back();
    }
}

void draining_finish(void)
{
    if (own.draining == DRAINING_MACHINE) {
        return;
    }
    begin(DRAINING_MACHINE);
    own.progress = WAITS;
    begin_parts();
}

/* --- Other nodes --- */

static void note_node_down(node_id_t node)
{
    note_change();
    if (node_set_has(&own.unanswered, node)) {
        note_answer(node);
    }
}

/* One that comes back has heard nothing; until it has, it takes what this node says for that of one
 * that stays, and all others for keepers. */
static void note_node_up(node_id_t node)
{
    if (own.draining != DRAINING_NODE || configuration_current()->roles[node] == 0) {
        return;
    }
    post_step(node, DRAIN_STEP_KEEPS, false);
    if (own.progress == TELLS_THAT_IT_KEEPS) {
        node_set_add(&own.unanswered, node);
    } else {
        post_step(node, DRAIN_STEP_GOES, false);
    }
}

void draining_start(void)
{
    uint64_t seconds = DRAIN_DEFAULT_S;

    if (command_line_number(platform_command_line(), "drain", DRAIN_MAX_S, &seconds) == -EINVAL &&
        platform_node() == 0) {
        log_warning("drain", "drain= is not 0 to %u seconds; it is %u", DRAIN_MAX_S,
                    DRAIN_DEFAULT_S);
    }
    limit_ns = seconds * NS_PER_S;
    own.draining = DRAINING_NOT;
    own.progress = IDLE;
    own.is_called_back = false;
    own.unanswered = (struct node_set){{0}};
    draining_is_any = false;
    part_count = observer_count = 0;
    timer_initialise(&own.timer, look);
    net_register_message(DRAIN_STEP, handle_drain_step);
    dispatch_register_node_down(note_node_down);
    dispatch_register_node_up(note_node_up);
}
