/* SPDX-License-Identifier: MIT */
/*
 * Reads rto-min= from the command line.
 */
#include "net/transport/tcp/rto_option.h"

#include <errno.h>

#include "kernel/log.h"
#include "libc/core/command_line.h"

uint32_t rto_option_min_us(const char *line)
{
    uint64_t min_ms = 0;
    int error = command_line_number(line, "rto-min", RTO_MIN_MOST_MS, &min_ms);

    if (error == 0 && min_ms >= RTO_MIN_LEAST_MS) {
        return (uint32_t)min_ms * 1000;
    }
    if (error != -ENOENT) {
        log_warning("ts", "rto-min= is not a number of milliseconds from %u to %u; it is %u",
                    RTO_MIN_LEAST_MS, RTO_MIN_MOST_MS, RTO_MIN_DEFAULT_MS);
    }
    return RTO_MIN_DEFAULT_MS * 1000;
}
