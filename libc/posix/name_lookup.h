/* SPDX-License-Identifier: MIT */
/*
 * What a name or an address stands for, wherever that is written: localhost (RFC 6761 6.3), then
 * etc/hosts, then the name servers. These calls wait, only in a thread, for less than a minute.
 */
#pragma once

#include "net/names/question.h"

/* Fills in the addresses, and the name that has them. Returns 0, or EAI_NONAME, EAI_NODATA,
 * EAI_AGAIN, EAI_MEMORY. */
int name_look_up(const char *name, struct name_answer *answer);
/* Address in network byte order. The same. */
int name_look_up_address(uint32_t address, char name[DOMAIN_NAME_BYTES]);
