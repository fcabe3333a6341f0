/* SPDX-License-Identifier: MIT */
/*
 * The drivers that are linked in, one after the other; and what any card's caller must keep to.
 */
#include "drivers/nic/nic.h"

#include <errno.h>

#include "kernel/platform.h"
#include "libc/core/format.h"

unsigned nic_find(struct nic_port *ports, unsigned port_max)
{
    unsigned count = 0;

    ASSERT(port_max <= NIC_PORT_MAX);
    LINKER_SET_EACH(nic_drivers, struct nic_driver, driver)
    {
        unsigned room = count < port_max ? port_max - count : 0;
        unsigned found = (*driver)->find(ports + (port_max - room), room);

        for (unsigned i = 0; i < found && i < room; i++) {
            ASSERT(ports[count + i].name[0] != '\0'); /* nic= goes by it */
            ports[count + i].driver = *driver;
        }
        count += found;
    }
    return count;
}

void nic_list_drivers(char *text, size_t text_bytes)
{
    size_t length = 0;

    ASSERT(text_bytes > 0);
    text[0] = '\0';
    LINKER_SET_EACH(nic_drivers, struct nic_driver, driver)
    {
        int added = format_text(text + length, text_bytes - length, "%s%s",
                                length == 0 ? "" : " or ", (*driver)->cards);

        length += (size_t)added;
        if (length >= text_bytes) {
            return; /* cut short: it is for people */
        }
    }
}

int nic_read_mac(const struct nic_port *port, uint8_t mac[6])
{
    return port->driver->read_mac == NULL ? -ENODEV : port->driver->read_mac(port, mac);
}

bool nic_folds_ports(void)
{
    LINKER_SET_EACH(nic_drivers, struct nic_driver, driver)
    {
        if ((*driver)->folds_ports != NULL && (*driver)->folds_ports()) {
            return true;
        }
    }
    return false;
}

void nic_quieten(void)
{
    LINKER_SET_EACH(nic_drivers, struct nic_driver, driver)
    {
        if ((*driver)->quieten != NULL) {
            (*driver)->quieten();
        }
    }
}

int nic_start(const struct nic_port *port, const node_id_t *nodes, unsigned node_count,
              struct nic_grouping grouping, struct nic **nic)
{
    int result;

    ASSERT(node_count >= 1 && node_count <= NIC_QUEUE_MAX);
    result = port->driver->start(port, nodes, node_count, grouping, nic);
    if (result != 0) {
        return result;
    }
    (*nic)->driver = port->driver;
    ASSERT((*nic)->queue_count >= 1 && (*nic)->queue_count <= node_count);
    ASSERT((*nic)->group_count == 0 || IS_POWER_OF_TWO((*nic)->group_count));
    ASSERT((*nic)->group_count <= nic_group_count(grouping));
    ASSERT((*nic)->group_count == 0 || (*nic)->operations->steer != NULL || nic_has_table(*nic));
    ASSERT(nic_takes_prepared(*nic) == (port->driver->prepare_queue != NULL));
    ASSERT(((*nic)->mac[0] & 1) == 0); /* one station's, not a group's */
    return 0;
}

/* Every node runs the same image, so the set has the same order on each. */
static unsigned number_of(const struct nic_driver *wanted)
{
    unsigned number = 0;

    LINKER_SET_EACH(nic_drivers, struct nic_driver, driver)
    {
        if (*driver == wanted) {
            return number;
        }
        number++;
    }
    PANIC("the driver %s is in no table", wanted->name);
}

void nic_make_queue_key(const struct nic *nic, unsigned index, struct nic_queue_key *key)
{
    ASSERT(index < nic->queue_count);
    *key = (struct nic_queue_key){.driver_number = (uint16_t)number_of(nic->driver),
                                  .queue_index = (uint16_t)index};
    if (nic->operations->make_queue_key != NULL) {
        nic->operations->make_queue_key(nic, index, key);
    }
}

void nic_spread(struct nic *nic, const uint8_t *queues, unsigned count)
{
    ASSERT(nic->queue_count > 1);
    ASSERT(count >= 1 && count <= nic->queue_count);
    if (nic->operations->spread != NULL) {
        nic->operations->spread(nic, queues, count);
    }
}

int nic_steer(struct nic *nic, unsigned queue, const uint16_t *groups, unsigned count)
{
    ASSERT(queue < nic->queue_count);
    for (unsigned i = 0; i < count; i++) {
        ASSERT(groups[i] < nic->group_count);
    }
    return nic->operations->steer(nic, queue, groups, count);
}

int nic_steer_table(struct nic *nic, const uint8_t *queues, unsigned others)
{
    ASSERT(others < nic->queue_count);
    for (unsigned i = 0; i < nic->group_count; i++) {
        ASSERT(queues[i] < nic->queue_count);
    }
    return nic->operations->steer_table(nic, queues, others);
}

int nic_give_queue(struct nic *nic, unsigned index, const struct nic_queue_report *report)
{
    ASSERT(index < nic->queue_count);
    return nic->operations->give_queue(nic, index, report);
}

/* NULL when there is no driver of that number. */
static const struct nic_driver *driver_of(const struct nic_queue_key *key)
{
    unsigned number = 0;

    LINKER_SET_EACH(nic_drivers, struct nic_driver, driver)
    {
        if (number++ == key->driver_number) {
            return *driver;
        }
    }
    return NULL;
}

int nic_adopt(const struct nic_queue_key *key, struct nic_grouping grouping, struct nic **nic)
{
    const struct nic_driver *driver = driver_of(key);
    int result;

    if (driver == NULL) {
        return -EINVAL;
    }
    if (driver->adopt == NULL) {
        return -ENODEV;
    }
    result = driver->adopt(key, grouping, nic);
    if (result == 0) {
        (*nic)->driver = driver;
        ASSERT((*nic)->queue_count > key->queue_index);
    }
    return result;
}

bool nic_queue_is_prepared(const struct nic_queue_key *key)
{
    const struct nic_driver *driver = driver_of(key);

    return driver != NULL && driver->prepare_queue != NULL;
}

int nic_queue_prepare(const struct nic_queue_key *key, struct nic_queue **queue,
                      struct nic_queue_report *report)
{
    const struct nic_driver *driver = driver_of(key);
    int result;

    if (driver == NULL || driver->prepare_queue == NULL) {
        return -EINVAL;
    }
    result = driver->prepare_queue(key, queue, report);
    ASSERT(result != 0 || (*queue)->operations->run != NULL);
    return result;
}

int nic_queue_open(const struct nic_queue_key *key, struct nic_queue **queue)
{
    const struct nic_driver *driver = driver_of(key);
    int result;

    if (driver == NULL) {
        return -EINVAL;
    }
    result = driver->open_queue(key, queue);
    ASSERT(result != 0 || (*queue)->operations != NULL);
    return result;
}
