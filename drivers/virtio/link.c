/* SPDX-License-Identifier: MIT */
/*
 * What the device says of itself while it runs: whether it works, what its link is like, and that
 * the machine has been moved (VIRTIO 2.1.2, 5.1.4, 5.1.6.5.4).
 */
#include "drivers/virtio/card.h"
#include "kernel/log.h"

/* The first time that it does not, it is logged. It stays so until the card is started anew. */
static bool is_working(struct virtio_card *card)
{
    if (!card->is_broken && virtio_is_broken(&card->device)) {
        card->is_broken = true;
        counter_increment(COUNTER_NIC_QUEUES_STOPPED);
        log_error("virtio", "the card has given up: it moves no more frames");
    }
    return !card->is_broken;
}

struct nic_link virtio_link_check(struct virtio_card *card)
{
    struct nic_link link = {.is_up = is_working(card)};

    if (!link.is_up) {
        link.has_given_up = true; /* what else it says is of no use */
        return link;
    }
    if (virtio_has(&card->device, VIRTIO_NET_F_STATUS)) {
        uint16_t status = virtio_config_read16(&card->device, CONFIG_STATUS);

        link.is_up = (status & LINK_UP) != 0;
        /* One that takes no commands could not be told that it has got it, and asked for ever. */
        link.is_announcement_wanted = virtio_has(&card->device, VIRTIO_NET_F_ANNOUNCE) &&
                                      card->control.is_open && (status & ANNOUNCEMENT_WANTED) != 0;
    }
    if (link.is_up && virtio_has(&card->device, VIRTIO_NET_F_SPEED_DUPLEX)) {
        uint32_t megabits = virtio_config_read32(&card->device, CONFIG_SPEED);

        link.megabits = megabits == SPEED_UNKNOWN ? 0 : megabits;
    }
    return link;
}

/* Refused or not answered: that has been logged. */
void virtio_link_note_announced(struct virtio_card *card)
{
    (void)virtio_command(&card->control, COMMAND_ANNOUNCEMENT, ANNOUNCEMENT_DONE, NULL, 0);
}
