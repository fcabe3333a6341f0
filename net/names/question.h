/* SPDX-License-Identifier: MIT */
/*
 * Questions of this application for names, which the speaker answers (net/transport/dns/). Each is
 * answered in bounded time, whoever dies meanwhile; nothing here blocks.
 */
#pragma once

#include "net/domain_name.h"
#include "net/name_messages.h"

struct name_question;

/* As struct resolved. */
struct name_answer {
    enum resolve_result result;
    unsigned address_count;
    uint32_t addresses[RESOLVED_ADDRESS_MAX];
    char name[DOMAIN_NAME_BYTES];
};

/* Register what an application receives of it. On its node, before the application is started. */
void names_start(void);

/*
 * Ask. `answered` is called once, later, with what has come; after NAME_PATIENCE_NS at the latest,
 * with RESOLVED_AGAIN. It must not ask or withdraw.
 *
 * name  as domain_name_copy() makes it
 *
 * Returns NULL without room, which there is for 64 at a time: then it is not called.
 */
struct name_question *name_ask(enum resolve_kind kind, const char *name,
                               void (*answered)(void *owner, const struct name_answer *answer),
                               void *owner);

/* Three servers that are silent, asked by a speaker that dies in between. */
#define NAME_PATIENCE_NS (40 * NS_PER_S)
