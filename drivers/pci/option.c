/* SPDX-License-Identifier: MIT */
/*
 * Reads pci= from the command line.
 */
#include "drivers/pci/option.h"

#include <string.h>

#include "kernel/log.h"
#include "kernel/platform.h"
#include "libc/core/command_line.h"

static const char assign[] = "assign";

/* The value's length; negative when there is none. */
static int find_value(const char **value)
{
    return command_line_find(platform_command_line(), "pci", value);
}

bool pci_is_assign_asked_for(void)
{
    const char *value;
    int length = find_value(&value);

    return length == (int)sizeof(assign) - 1 && memcmp(value, assign, sizeof(assign) - 1) == 0;
}

void pci_report_unknown_option(void)
{
    const char *value;
    int length = find_value(&value);

    if (length >= 0 && !pci_is_assign_asked_for()) {
        log_warning("pci", "pci=%.*s is not pci=assign: ignored", length, value);
    }
}
