/* SPDX-License-Identifier: MIT */
/*
 * Reads without= from the command line, on each node of the image that has it: names of
 * specialisations to leave out (libc/core/ablation.h), with commas between. A name that is none
 * stops the machine, because its figures would pass for another's. When roles start the log says
 * that the word is ignored, since no other image knows it; it has been read by then.
 */
#include <string.h>

#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "libc/core/ablation.h"
#include "libc/core/command_line.h"

#define X(name) #name,
static const char *const names[] = {ABLATIONS(X)};
#undef X

bool ablation_is_without[ABLATION_COUNT];

static void leave_out(const char *name, size_t bytes)
{
    for (unsigned i = 0; i < ABLATION_COUNT; i++) {
        if (strlen(names[i]) == bytes && memcmp(names[i], name, bytes) == 0) {
            ablation_is_without[i] = true;
            log_info("ablation", "without %s", names[i]);
            return;
        }
    }
    PANIC("without=: there is no %.*s", (int)bytes, name);
}

static void read_words(void)
{
    const char *name;
    int length = command_line_find(platform_command_line(), "without", &name);

    while (length > 0) {
        const char *comma = memchr(name, ',', (size_t)length);
        size_t bytes = comma != NULL ? (size_t)(comma - name) : (size_t)length;

        leave_out(name, bytes);
        name += bytes + 1;
        length -= (int)bytes + 1;
    }
}

static const struct component ablation_words = {.steps = {[NODE_READY] = read_words}};
COMPONENT(ablation_words);
