/* SPDX-License-Identifier: MIT */
/*
 * Reads claim-timeout= from the command line.
 */
#include "net/transport/claim_option.h"

#include <errno.h>

#include "kernel/log.h"
#include "libc/core/command_line.h"

uint64_t claim_option_timeout_ns(const char *line)
{
    uint64_t timeout_ms = 0;
    int error = command_line_number(line, "claim-timeout", CLAIM_TIMEOUT_MAX_MS, &timeout_ms);

    if (error == 0 && timeout_ms != 0) {
        return timeout_ms * NS_PER_MS;
    }
    if (error != -ENOENT) {
        log_warning("ts", "claim-timeout= is not a number of milliseconds from 1 to %u; it is %u",
                    CLAIM_TIMEOUT_MAX_MS, (unsigned)(CLAIM_TIMEOUT_DEFAULT_NS / NS_PER_MS));
    }
    return CLAIM_TIMEOUT_DEFAULT_NS;
}
