/* SPDX-License-Identifier: MIT */
/*
 * The file etc/hosts of the boot modules' archives (hosts(5)): names that need no server. Of
 * several archives that have one the first module's counts, which is the user's. Addresses in
 * network byte order.
 */
#pragma once

#include "net/names/question.h"

/* All addresses of that name (as net/domain_name.h has it), as many as there is room for, with the
 * first name of the first line that has it. Whether there are any. */
bool hosts_find_name(const char *name, struct name_answer *answer);
/* The first name of the first line of that address. Whether there is one. */
bool hosts_find_address(uint32_t address, char name[DOMAIN_NAME_BYTES]);
