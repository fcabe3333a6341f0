/* SPDX-License-Identifier: MIT */
/*
 * The side of fake_virtio.h's card of its rings, commands among them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/world/fake_virtio.h"

static struct fake_virtio *const card = &fake_virtio;

struct descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
};

static uint16_t *words_at(uint64_t address)
{
    return (uint16_t *)address;
}

unsigned fake_virtio_available(unsigned queue)
{
    return (uint16_t)(words_at(card->queues[queue].available)[1] - card->queues[queue].taken);
}

/* The head of the next chain. */
static uint16_t take_head(struct fake_virtio_queue *queue)
{
    uint16_t head = words_at(queue->available)[2 + queue->taken++ % queue->size];

    assert_true(head < queue->size);
    return head;
}

static void put_used(struct fake_virtio_queue *queue, uint32_t id, uint32_t length)
{
    uint32_t entry[2] = {id, length};

    memcpy((uint8_t *)queue->used + 4 + 8 * (queue->returned++ % queue->size), entry, 8);
    words_at(queue->used)[1] = queue->returned;
}

void fake_virtio_return(unsigned queue, uint32_t id, uint32_t length_bytes)
{
    put_used(&card->queues[queue], id, length_bytes);
}

void fake_virtio_skip(unsigned queue, uint16_t count)
{
    card->queues[queue].returned += count;
    words_at(card->queues[queue].used)[1] = card->queues[queue].returned;
}

uint32_t fake_virtio_fill(unsigned index, const void *bytes, uint32_t count, uint16_t *id)
{
    struct fake_virtio_queue *queue = &card->queues[index];
    const struct descriptor *descriptor;

    assert_true(queue->enable == 1 && fake_virtio_available(index) > 0);
    *id = take_head(queue);
    descriptor = (const struct descriptor *)queue->descriptors + *id;
    assert_int_equal(descriptor->flags, 2);
    count = count < descriptor->length ? count : descriptor->length;
    memcpy((void *)descriptor->address, bytes, count);
    return count;
}

uint8_t *fake_virtio_buffer(unsigned index, uint16_t id)
{
    return (uint8_t *)((const struct descriptor *)card->queues[index].descriptors)[id].address;
}

void fake_virtio_receive(unsigned queue, const void *data, uint32_t length_bytes, uint8_t flags,
                         uint16_t buffer_count)
{
    uint8_t bytes[12 + 2048] = {[0] = flags, [10] = (uint8_t)buffer_count};
    uint16_t id;

    memcpy(bytes + 12, data, length_bytes);
    assert_int_equal(fake_virtio_fill(queue, bytes, length_bytes + 12, &id), length_bytes + 12);
    put_used(&card->queues[queue], id, length_bytes + 12);
}

bool fake_virtio_take(unsigned index, struct fake_virtio_sent *sent)
{
    struct fake_virtio_queue *queue = &card->queues[index];
    const struct descriptor *all = (const struct descriptor *)queue->descriptors;
    const struct descriptor *descriptor;
    uint32_t length = 0;

    if (fake_virtio_available(index) == 0) {
        return false;
    }
    sent->id = take_head(queue);
    sent->descriptor_count = 0;
    for (uint16_t at = sent->id;; at = descriptor->next) {
        descriptor = &all[at];
        assert_true(++sent->descriptor_count <= queue->size && descriptor->length > 0);
        assert_int_equal(descriptor->flags & ~1, 0);
        for (uint32_t i = 0; i < descriptor->length; i++, length++) {
            uint8_t byte = ((const uint8_t *)descriptor->address)[i];

            if (length < 12) {
                sent->header[length] = byte;
            } else {
                sent->data[length - 12] = byte;
            }
        }
        if ((descriptor->flags & 1) == 0) {
            break;
        }
    }
    sent->length_bytes = length - 12;
    return true;
}

void fake_virtio_run_command(struct fake_virtio_queue *queue)
{
    const struct descriptor *chain = (const struct descriptor *)queue->descriptors;

    while ((uint16_t)(words_at(queue->available)[1] - queue->taken) > 0) {
        assert_int_equal(take_head(queue), 0);
        uint32_t data_bytes = chain[0].next == 2 ? 0 : chain[1].length;

        assert_int_equal(chain[0].length, 2);
        assert_int_equal(chain[2].length, 1);
        assert_int_equal(chain[2].flags, 2);
        memcpy(card->command, (void *)chain[0].address, 2);
        assert_true(data_bytes <= sizeof(card->command_data));
        if (card->command[0] == 3) { /* an announcement is on its way */
            assert_int_equal(data_bytes, 0);
            card->link_status &= (uint16_t)~2;
        } else {
            assert_in_range(data_bytes, 1, sizeof(card->command_data));
            memcpy(card->command_data, (void *)chain[1].address, data_bytes);
        }
        card->command_count++;
        if (card->command[0] == 1) {
            assert_in_range(chain[1].length, 8, sizeof(card->table));
            memcpy(card->table, (void *)chain[1].address, chain[1].length);
            card->table_bytes = chain[1].length;
        }
        bool is_rss = card->command[0] == 4 && card->command[1] == 1;

        card->rss_count += is_rss;
        if (!card->is_silent) {
            *(uint8_t *)chain[2].address = is_rss ? card->rss_answer : card->answer;
            put_used(queue, 0, 1);
        }
    }
}

uint16_t fake_virtio_used_event(unsigned queue)
{
    return words_at(card->queues[queue].available)[2 + card->queues[queue].size];
}

uint16_t fake_virtio_available_flags(unsigned queue)
{
    return words_at(card->queues[queue].available)[0];
}

void fake_virtio_set_available_event(unsigned queue, uint16_t event)
{
    words_at(card->queues[queue].used)[2 + 4 * card->queues[queue].size] = event;
}

void fake_virtio_set_used_flags(unsigned queue, uint16_t flags)
{
    words_at(card->queues[queue].used)[0] = flags;
}
