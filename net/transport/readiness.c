/* SPDX-License-Identifier: MIT */
/*
 * What a TS must know before it serves again: see readiness.h.
 */
#include "net/transport/readiness.h"

#include "net/returning.h"
#include "net/transport/admission.h"
#include "net/transport/lwip/interface.h"

#include "lwip/netif.h"

void readiness_check(void)
{
    if (returning_is_due(ROLE_TS) && admission_has_ports() && interface_has_mac() &&
        netif_ip4_addr(interface_netif())->addr != 0) {
        returning_announce(ROLE_TS);
    }
}
