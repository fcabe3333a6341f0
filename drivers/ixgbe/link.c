/* SPDX-License-Identifier: MIT */
/*
 * The link (datasheet 4.6.4, 8.2.3.22). The NVM holds the mode that suits the card, so all there
 * is to do is to switch on the laser of optical cards and to start the negotiation.
 */
#include "drivers/ixgbe/ixgbe.h"

#include "drivers/ixgbe/regs.h"

void ixgbe_link_start(struct ixgbe *nic)
{
    if (ixgbe_has_optics(nic->device_id)) {
        uint32_t pins = ixgbe_read(nic->registers, IXGBE_ESDP);

        ixgbe_write(nic->registers, IXGBE_ESDP, (pins | ESDP_SDP3_OUTPUT) & ~ESDP_SDP3_LASER_OFF);
    }
    ixgbe_set(nic->registers, IXGBE_AUTOC, AUTOC_RESTART_AN);
}

struct ixgbe_link ixgbe_link_read(struct ixgbe *nic)
{
    uint32_t links = ixgbe_read(nic->registers, IXGBE_LINKS);
    struct ixgbe_link link = {.is_up = (links & LINKS_UP) != 0};

    if (link.is_up) {
        switch (FIELD_GET(LINKS_SPEED, links)) {
        case LINKS_SPEED_10G:
            link.megabits = 10000;
            break;
        case LINKS_SPEED_1G:
            link.megabits = 1000;
            break;
        case LINKS_SPEED_100M:
            link.megabits = 100;
            break;
        default:
            break;
        }
    }
    return link;
}
