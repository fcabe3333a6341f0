/* SPDX-License-Identifier: MIT */
/*
 * Questions for names: see question.h. The speaker is asked again every few seconds, and at once
 * when another speaks: what was lost on the way, or died with it, is made up for. It takes the same
 * number of ours for the same question.
 */
#include "net/names/question.h"

#include <string.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/pool.h"
#include "libc/core/timer.h"
#include "net/configuration.h"
#include "net/handlers.h"
#include "net/messages.h"

#define QUESTION_MAX 64u
/* Longer than a name server that answers takes. Chosen. */
#define REPEAT_NS    (5 * NS_PER_S)

struct name_question {
    struct pool_object place;
    struct name_question *next;
    void (*answered)(void *owner, const struct name_answer *answer);
    void *owner;
    uint64_t end_ns; /* of our patience */
    uint32_t number;
    enum resolve_kind kind;
    char name[DOMAIN_NAME_BYTES];
};

POOL(questions, "name_question", struct name_question, QUESTION_MAX);

static struct name_question *first;
static uint32_t last_number;
static struct timer timer; /* the next time to ask again, while there are questions */

/* Lost without room: it is asked again. */
static void send_question(const struct name_question *question)
{
    size_t name_bytes = strlen(question->name);
    struct resolve *message = message_reserve_payload(configuration_current()->speaker, RESOLVE,
                                                      sizeof(*message), name_bytes);

    if (message != NULL) {
        message->request_number = question->number;
        message->kind = question->kind;
        memcpy(message + 1, question->name, name_bytes);
        message_publish();
    }
}

static void end_question(struct name_question **link, const struct name_answer *answer)
{
    struct name_question *question = *link;

    *link = question->next;
    question->answered(question->owner, answer);
    pool_release(&questions, question);
    if (first == NULL) {
        timer_stop(&timer);
    }
}

static void start_timer(void)
{
    if (first != NULL && timer_start(&timer, dispatch_now_ns() + REPEAT_NS) != 0) {
        PANIC("no memory for the timer of names");
    }
}

static void ask_again(struct timer *expired)
{
    static const struct name_answer later = {.result = RESOLVED_AGAIN};
    struct name_question **link = &first;

    (void)expired;
    while (*link != NULL) {
        if (dispatch_now_ns() >= (*link)->end_ns) {
            end_question(link, &later);
        } else {
            send_question(*link);
            link = &(*link)->next;
        }
    }
    start_timer();
}

struct name_question *name_ask(enum resolve_kind kind, const char *name,
                               void (*answered)(void *owner, const struct name_answer *answer),
                               void *owner)
{
    struct name_question *question = pool_take(&questions);

    if (question == NULL) {
        return NULL;
    }
    ASSERT(strlen(name) <= DOMAIN_NAME_MAX_BYTES);
    question->answered = answered;
    question->owner = owner;
    question->end_ns = platform_now_ns() + NAME_PATIENCE_NS - REPEAT_NS;
    question->number = ++last_number;
    question->kind = kind;
    strcpy(question->name, name);
    question->next = first;
    first = question;
    send_question(question);
    if (!timer_is_set(&timer)) {
        start_timer();
    }
    return question;
}

/* --- Answers --- */

static bool read_answer(const struct resolved *message, struct message_payload payload,
                        struct name_answer *answer)
{
    size_t address_bytes = message->address_count * sizeof(answer->addresses[0]);
    bool is_found = message->result == RESOLVED_FOUND;

    if (message->result > RESOLVED_LIMIT || message->address_count > RESOLVED_ADDRESS_MAX ||
        payload.length_bytes != address_bytes + message->name_bytes ||
        is_found != (message->name_bytes != 0)) {
        return false;
    }
    *answer = (struct name_answer){.result = (enum resolve_result)message->result,
                                   .address_count = message->address_count};
    memcpy(answer->addresses, payload.bytes, address_bytes);
    return !is_found || domain_name_copy(answer->name, (const char *)payload.bytes + address_bytes,
                                         message->name_bytes);
}

static void handle_resolved(node_id_t from, const struct message *message,
                            struct message_payload payload)
{
    const struct resolved *resolved = (const struct resolved *)message;
    struct name_question **link = &first;
    struct name_answer answer;

    while (*link != NULL && (*link)->number != resolved->request_number) {
        link = &(*link)->next;
    }
    if (!configuration_may_speak(from) || !read_answer(resolved, payload, &answer)) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
    } else if (*link != NULL && answer.result == RESOLVED_FOUND &&
               ((*link)->kind == RESOLVE_ADDRESSES) != (answer.address_count != 0)) {
        counter_increment(COUNTER_DROP_BAD_MESSAGE);
    } else if (*link != NULL) { /* else it has been answered before, or for too long not */
        end_question(link, &answer);
    }
}

static void note_node_down(node_id_t node)
{
    (void)node; /* who speaks now may be another; who does still takes it for the same */
    for (const struct name_question *question = first; question != NULL;
         question = question->next) {
        send_question(question);
    }
}

void names_start(void)
{
    timer_initialise(&timer, ask_again);
    net_register_payload_message(RESOLVED, handle_resolved);
    dispatch_register_node_down(note_node_down);
}
