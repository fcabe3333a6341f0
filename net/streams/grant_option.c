/* SPDX-License-Identifier: MIT */
/*
 * Reads grants= from the command line.
 */
#include "net/streams/grant_option.h"

#include <errno.h>

#include "kernel/log.h"
#include "libc/core/command_line.h"
#include "net/messages.h"

uint32_t grant_option_most(const char *line)
{
    uint64_t most = GRANT_MAX;

    if (command_line_number(line, "grants", GRANT_MAX, &most) == -EINVAL) {
        log_warning("socket", "grants= is not a number from 0 to %u; it is %u", GRANT_MAX,
                    GRANT_MAX);
    }
    return (uint32_t)most;
}
