/* SPDX-License-Identifier: MIT */
#include "net/transport/unreachable.h"

#include <errno.h>

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "net/counters.h"
#include "net/transport/active.h"
#include "net/transport/admission.h"
#include "net/transport/ephemeral.h"
#include "net/transport/forward/rules.h"
#include "net/transport/frames.h"
#include "net/transport/path_mtu.h"

#include "lwip/pbuf.h"

/* By ICMP's code (RFC 1122 3.2.2.1), as Linux has them. */
static const uint8_t errors[] = {
    ENETUNREACH,  EHOSTUNREACH, ENOPROTOOPT,  ECONNREFUSED, EMSGSIZE,     EOPNOTSUPP,
    ENETUNREACH,  EHOSTDOWN,    ENONET,       ENETUNREACH,  EHOSTUNREACH, ENETUNREACH,
    EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH, EHOSTUNREACH,
};

/* Who opens flows from a port of ours, unless others come to it. */
bool unreachable_pass_on(const struct pbuf *packet, const struct flow *flow)
{
    uint16_t port = swap16(flow->local_port);
    node_id_t opener = ephemeral_owner(port);

    if (opener != NODE_NONE && admission_of_port(port) != ADMISSION_SERVED &&
        forward_rules_find(port) == NULL) {
        return frames_pass_to(packet, opener);
    }
    return frames_pass_on(packet, flow);
}

void unreachable_receive(struct pbuf *packet)
{
    unsigned code = ((const uint8_t *)packet->payload)[1];
    struct path_mtu_quote quote;

    if (code >= ARRAY_COUNT(errors) || !path_mtu_read_quote(packet, &quote)) {
        counter_increment(COUNTER_DROP_PROTOCOL);
        pbuf_free(packet);
        return;
    }
    if (!active_is_unreachable(&quote.flow, quote.sequence, errors[code]) &&
        !unreachable_pass_on(packet, &quote.flow)) {
        counter_increment(COUNTER_DROP_PROTOCOL); /* of a connection, or made up */
    }
    pbuf_free(packet);
}
