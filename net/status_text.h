/* SPDX-License-Identifier: MIT */
/*
 * What the texts on a node's status page say (kernel/message/status.h), which all nodes read.
 * Empty: this node does not know.
 */
#pragma once

#include "kernel/message/status.h"

enum status_text {
    STATUS_TEXT_ROLES,   /* "LS TS CM", "httpd" */
    STATUS_TEXT_ADDRESS, /* of the machine, "192.0.2.10/24" */
    STATUS_TEXT_GATEWAY,
    STATUS_TEXT_LINK,    /* of the network card, with its address */
    STATUS_TEXT_BALANCE, /* how a connection manager gives out connections */
};

_Static_assert(STATUS_TEXT_BALANCE < STATUS_TEXT_COUNT, "the page has room");

/* One of this node's; cut to STATUS_TEXT_BYTES - 1. */
void status_set_text(enum status_text index, const char *text);
/* The same of any node, zero-terminated; what is not printable or would end a quoted text becomes
 * `?`. */
void status_copy_text(node_id_t node, enum status_text index, char text[STATUS_TEXT_BYTES]);
