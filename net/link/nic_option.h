/* SPDX-License-Identifier: MIT */
/*
 * The command line's word on which of several NIC ports is used: `nic=N`, by number from 0 in the
 * order of their addresses; `nic=[SEGMENT:]BUS:DEVICE.FUNCTION`, in hexadecimal as the log shows
 * it; or `nic=MAC`, six bytes with colons between.
 */
#pragma once

#include "drivers/nic/nic.h"
#include "kernel/base.h"

enum nic_choice { NIC_FIRST, NIC_NUMBER, NIC_NAME, NIC_MAC };

struct nic_option {
    enum nic_choice choice; /* NIC_FIRST when nothing is said; else what says which: */
    unsigned number;
    char name[NIC_PORT_NAME_BYTES]; /* the address in full, as ports are named */
    uint8_t mac[6];
    char text[24]; /* as it was said */
};

/*
 * What `line` asks for.
 *
 * Returns 0. -EINVAL when the word cannot be understood: `reason` then says why in one sentence,
 * and the first port is what *option asks for.
 */
MUST_CHECK int nic_option_parse(struct nic_option *option, const char *line, char *reason,
                                size_t reason_bytes);
