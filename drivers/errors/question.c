/* SPDX-License-Identifier: MIT */
/*
 * What a node answers that is asked whether it works: question.h.
 */
#include "drivers/errors/question.h"

#include <errno.h>

#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/message/mailbox.h"
#include "kernel/message/status.h"
#include "kernel/message/watch.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "libc/core/command_line.h"
#include "libc/core/cpu.h"

/* All hypervisors set it, and no hardware does (APM 3 E.3.2). */
#define CPUID_1_ECX_HYPERVISOR BIT(31)

/* Rounds of a loop of three instructions, and the most that each takes on a core. Chosen: one at
 * 500 MHz; an interruption by firmware that lasts longer makes this node more patient. */
#define LOOP_COUNT  20000u
#define LOOP_MAX_NS 2u

/* Two cores that run at the same time see each other's words in less than 1 us, on two sockets too,
 * and the best of several tries counts. Virtual ones that share a core see them when it is their
 * turn. Chosen. */
#define CLOCK_DOUBT_MAX_NS (100 * NS_PER_US)

/*
 * What a node says of the question that it asks: the other's rounds, and in bit 0 whether the NMI
 * is still to be sent. Between that and the sending the asker's core may be taken from it for long,
 * behind it the NMI is there as soon as the core runs. An older question is none. Chosen.
 */
#define ASKED_IS_COMING   BIT(0)
#define COMING_ROUNDS_MAX 65536u
#define SENT_ROUNDS_MAX   1024u
/* A round that has outlived its questions makes the node patient with itself: twice as long as that
 * took, but no longer than so many half time-outs. Chosen. */
#define PATIENCE_MAX      16u

uint64_t question_half_ns;

/* To this node, in the round in which it was last asked. */
static struct questions {
    uint64_t rounds;
    unsigned count;
    uint64_t first_ns, last_ns;
    uint64_t patience_ns;
} asked;

/* An emulator that does not say so takes many times as long for a loop as a core does. */
static bool is_slow(void)
{
    uint64_t begin_ns = platform_now_ns();

    for (unsigned i = 0; i < LOOP_COUNT; i++) {
        __asm__ volatile("" : : : "memory");
    }
    return platform_now_ns() - begin_ns > LOOP_COUNT * LOOP_MAX_NS;
}

/* Nothing says of itself that it is no hypervisor: whether it behaves like one counts, too. */
static bool are_cores_virtual(void)
{
    return (cpu_id(1, 0).ecx & CPUID_1_ECX_HYPERVISOR) != 0 ||
           node_info.clock.doubt_ns > CLOCK_DOUBT_MAX_NS || is_slow();
}

static void start_answering(void)
{
    bool is_virtual = are_cores_virtual();
    uint64_t timeout_ms = is_virtual ? QUESTION_TIMEOUT_VIRTUAL_MS : QUESTION_TIMEOUT_BARE_MS;

    /* watch.c reports a word that makes no sense. */
    bool is_told = command_line_number(platform_command_line(), "node_timeout",
                                       WATCH_TIMEOUT_MAX_MS, &timeout_ms) == 0;

    question_half_ns = timeout_ms * NS_PER_MS / 2;
    asked = (struct questions){.patience_ns = question_half_ns};
    if (platform_node() == 0 && question_half_ns != 0) {
        log_info("watch", "a node that hangs is stopped after %lu ms: %s",
                 (unsigned long)timeout_ms,
                 is_told      ? "node_timeout="
                 : is_virtual ? "cores are virtual"
                              : "cores are real");
    }
}

static uint32_t rounds_of(node_id_t node)
{
    return (uint32_t)counter_read(node, COUNTER_DISPATCH_ROUNDS);
}

void question_ask(node_id_t node)
{
    uint32_t *asked_word = &status_own_page->for_nodes[node].asked;

    mailbox_store_release(asked_word, rounds_of(node) | ASKED_IS_COMING);
    platform_stop_node(node, false);

    uint32_t sent = rounds_of(node) & ~ASKED_IS_COMING;

    /* 0 says that nobody was asked. */
    mailbox_store_release(asked_word, sent != 0 ? sent : ASKED_IS_COMING + 1);
}

bool question_is_said(void)
{
    uint32_t rounds = rounds_of(platform_node());

    for (unsigned i = 0; i < platform_node_count(); i++) {
        const struct status_page *page = platform_status_page((node_id_t)i);
        uint32_t said = mailbox_load(&page->for_nodes[platform_node()].asked);
        uint32_t rounds_max = said & ASKED_IS_COMING ? COMING_ROUNDS_MAX : SENT_ROUNDS_MAX;

        /* What it says may be ahead by the bit, or by the value that stands for 0. */
        if (said != 0 && rounds + 2 - said < rounds_max) {
            return true;
        }
    }
    return false;
}

static void learn_patience(void)
{
    uint64_t wanted_ns = 2 * (asked.last_ns - asked.first_ns);
    uint64_t most_ns = PATIENCE_MAX * question_half_ns;

    wanted_ns = wanted_ns < most_ns ? wanted_ns : most_ns;
    asked.patience_ns = wanted_ns > asked.patience_ns ? wanted_ns : asked.patience_ns;
}

/* Neither reads nor writes what the code that it interrupts may be about to change. */
bool question_answer(uint64_t now_ns)
{
    uint64_t rounds = counter_read(platform_node(), COUNTER_DISPATCH_ROUNDS);
    /* 0: the event loop has not begun, or the node fails. */
    uint64_t patience_ns =
        rounds != 0 ? asked.patience_ns : 2 * question_half_ns * WATCH_GIVE_UP_TIMES;

    counter_increment(COUNTER_QUESTIONS);
    if (question_half_ns == 0) {
        return true;
    }
    if (asked.count == 0 || rounds != asked.rounds) {
        learn_patience();
        asked.rounds = rounds;
        asked.count = 1;
        asked.first_ns = asked.last_ns = now_ns;
    } else if (now_ns - asked.last_ns >= question_half_ns / QUESTION_COUNT / 2) {
        asked.count++;
        asked.last_ns = now_ns;
    }
    return asked.count < QUESTION_COUNT || now_ns - asked.first_ns < patience_ns;
}

void question_expect_no_rounds(void)
{
    if (status_own_page != NULL) {
        counter_set(COUNTER_DISPATCH_ROUNDS, 0);
    }
}

static const struct component question_component = {.steps = {[NODE_READY] = start_answering}};
COMPONENT(question_component);
