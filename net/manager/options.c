/* SPDX-License-Identifier: MIT */
/*
 * Reads the command line's words on connection managers.
 */
#include "net/manager/options.h"

#include <errno.h>
#include <string.h>

#include "libc/core/command_line.h"
#include "libc/core/format.h"
#include "libc/core/numbers.h"
#include "net/manager/manager.h"

static bool take_unit(const char **text, size_t *length, const char *unit)
{
    size_t unit_length = strlen(unit);

    if (*length < unit_length || memcmp(*text + *length - unit_length, unit, unit_length) != 0) {
        return false;
    }
    *length -= unit_length;
    return true;
}

/* 1 .. OFFER_PERIOD_MAX_US. */
static int parse_period(const char *text, size_t length, uint64_t *period_us)
{
    uint64_t unit_us = 1, number;

    if (take_unit(&text, &length, "ms")) {
        unit_us = 1000;
    } else {
        (void)take_unit(&text, &length, "us");
    }
    if (number_parse(text, length, 10, OFFER_PERIOD_MAX_US / unit_us, &number) != 0 ||
        number == 0) {
        return -EINVAL;
    }
    *period_us = number * unit_us;
    return 0;
}

int manager_options_parse(struct manager_options *options, const char *line, uint64_t seed,
                          char *reason, size_t reason_bytes)
{
    uint64_t period_us = OFFER_PERIOD_DEFAULT_US;
    const char *value;
    int length = command_line_find(line, "balance", &value);
    int error = 0;

    balance_initialise(&options->balance, seed);
    if (length >= 0 && balance_parse(&options->balance, value, (size_t)length) != 0) {
        (void)format_text(reason, reason_bytes,
                          "balance=%.*s is not naive, unfiltered:T, filtered:T, tournament:T, "
                          "sharp:T or least, T from 1 to %u; it is tournament:%u",
                          length, value, TARIFF_MAX, TARIFF_DEFAULT);
        error = -EINVAL;
    }
    length = command_line_find(line, "offer-period", &value);
    if (length >= 0 && parse_period(value, (size_t)length, &period_us) != 0) {
        size_t used = error == 0 ? 0 : strlen(reason);

        (void)format_text(reason + used, reason_bytes - used,
                          "%soffer-period=%.*s is not 1us to %ums; it is %uus",
                          used == 0 ? "" : "; ", length, value, OFFER_PERIOD_MAX_US / 1000,
                          OFFER_PERIOD_DEFAULT_US);
        error = -EINVAL;
    }
    options->offer_period_ns = period_us * NS_PER_US;
    return error;
}
