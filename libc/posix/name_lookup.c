/* SPDX-License-Identifier: MIT */
/*
 * Names looked up, with waiting: see name_lookup.h.
 */
#include "libc/posix/name_lookup.h"

#include <netdb.h>
#include <string.h>

#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "libc/posix/hosts.h"

#define LOCAL_NAME   "localhost"
#define LOCAL_DOMAIN "." LOCAL_NAME

struct waiting {
    struct thread *thread;
    bool is_answered;
    struct name_answer *answer;
};

static void answered(void *owner, const struct name_answer *answer)
{
    struct waiting *waiting = owner;

    *waiting->answer = *answer;
    waiting->is_answered = true;
    thread_wake(waiting->thread);
}

static int error_of(enum resolve_result result)
{
    switch (result) {
    case RESOLVED_FOUND:
        return 0;
    case RESOLVED_NO_NAME:
        return EAI_NONAME;
    case RESOLVED_NO_DATA:
        return EAI_NODATA;
    default:
        return EAI_AGAIN;
    }
}

static int ask_servers(enum resolve_kind kind, const char *name, struct name_answer *answer)
{
    struct waiting waiting = {.thread = thread_self(), .answer = answer};

    ASSERT(waiting.thread != NULL);
    if (name_ask(kind, name, answered, &waiting) == NULL) {
        return EAI_MEMORY;
    }
    while (!waiting.is_answered) {
        thread_block(); /* it is answered, in bounded time */
    }
    return error_of(answer->result);
}

static bool is_local(const char *name)
{
    size_t bytes = strlen(name), domain_bytes = strlen(LOCAL_DOMAIN);

    return strcmp(name, LOCAL_NAME) == 0 ||
           (bytes > domain_bytes && strcmp(name + bytes - domain_bytes, LOCAL_DOMAIN) == 0);
}

int name_look_up(const char *name, struct name_answer *answer)
{
    char domain_name[DOMAIN_NAME_BYTES];

    if (!domain_name_copy(domain_name, name, strlen(name))) {
        return EAI_NONAME;
    }
    if (hosts_find_name(domain_name, answer)) {
        return 0;
    }
    if (is_local(domain_name)) {
        *answer = (struct name_answer){.address_count = 1, .addresses = {htonl(INADDR_LOOPBACK)}};
        strcpy(answer->name, domain_name);
        return 0;
    }
    return ask_servers(RESOLVE_ADDRESSES, domain_name, answer);
}

int name_look_up_address(uint32_t address, char name[DOMAIN_NAME_BYTES])
{
    char question[DOMAIN_NAME_BYTES];
    struct name_answer answer;
    int error;

    if (hosts_find_address(address, name)) {
        return 0;
    }
    if ((uint8_t)address == 127) { /* of 127.0.0.0/8 only this is certain */
        strcpy(name, LOCAL_NAME);
        return address == htonl(INADDR_LOOPBACK) ? 0 : EAI_NONAME;
    }
    domain_name_of_address(question, address);
    error = ask_servers(RESOLVE_NAME, question, &answer);
    if (error == 0) {
        strcpy(name, answer.name);
    }
    return error;
}
