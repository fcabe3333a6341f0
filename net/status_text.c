/* SPDX-License-Identifier: MIT */
/*
 * Texts on status pages. What is read of another node's is checked in a copy: it may change
 * meanwhile, and holds whatever that node has put there.
 */
#include "net/status_text.h"

#include <string.h>

#include "kernel/message/mailbox.h"
#include "kernel/platform.h"

void status_set_text(enum status_text index, const char *text)
{
    ASSERT(index < STATUS_TEXT_COUNT);
    char *own = platform_status_page(platform_node())->texts[index];
    size_t length = strnlen(text, STATUS_TEXT_BYTES - 1);

    memcpy(own, text, length);
    own[length] = '\0';
    mailbox_flush(own, STATUS_TEXT_BYTES);
}

void status_copy_text(node_id_t node, enum status_text index, char text[STATUS_TEXT_BYTES])
{
    ASSERT(index < STATUS_TEXT_COUNT);
    const char *field = platform_status_page(node)->texts[index];

    mailbox_invalidate(field, STATUS_TEXT_BYTES);
    memcpy(text, field, STATUS_TEXT_BYTES);
    text[STATUS_TEXT_BYTES - 1] = '\0';
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text > '~' || *text == '"' || *text == '\\') {
            *text = '?';
        }
    }
}
