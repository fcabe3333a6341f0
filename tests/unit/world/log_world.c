/* SPDX-License-Identifier: MIT */
/* sources: kernel/log.c drivers/console/log_printer.c libc/core/format.c kernel/message/status.c */
/* sources: kernel/message/channel.c tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
#include "tests/unit/world/log_world.h"

#include "drivers/console/log_printer.h"
#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "tests/unit/world/fake_platform.h"

static const struct platform_console printer = {
    .print = log_printer_print,
    .write = fake_console_write,
};

void become(node_id_t node, unsigned node_count)
{
    fake_platform_reset(node, node_count);
    platform_console = &printer;
    log_printer_start();
    log_defer_printing(false);
    log_set_filter(LOG_INFO, NULL);
    (void)log_take_unannounced();
}

void write_as(node_id_t node, const char *line)
{
    struct status_page *page = fake_status_page(node);

    for (; *line != '\0'; line++) {
        page->log[page->log_written++ % STATUS_LOG_BYTES] = *line;
    }
}

unsigned count_lines(const char *text)
{
    unsigned count = 0;

    for (; *text != '\0'; text++) {
        count += *text == '\n';
    }
    return count;
}
