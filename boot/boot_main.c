/* SPDX-License-Identifier: MIT */
/*
 * From the loader's data to running nodes: memory found and shared out, tables read, cores called;
 * each core then makes its private image, and all are sent into node_main(). Runs in the pristine
 * image, whose own node_info it uses to be "node 0 of 1" until it leaves it.
 */
#include <errno.h>
#include <string.h>

#include "boot/acpi/acpi.h"
#include "boot/acpi/device_ranges.h"
#include "boot/acpi/holes.h"
#include "boot/acpi/mp_table.h"
#include "boot/boot_info.h"
#include "boot/boot_limits.h"
#include "boot/boot_memory.h"
#include "boot/date.h"
#include "boot/entropy.h"
#include "boot/find_cores.h"
#include "boot/firmware_lapic.h"
#include "boot/image.h"
#include "boot/legacy_pic.h"
#include "boot/node_image.h"
#include "boot/physical.h"
#include "boot/reference_clock.h"
#include "boot/rejoin.h"
#include "boot/start_node.h"
#include "boot/virtio_slots.h"
#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "kernel/x86/interrupt.h"
#include "kernel/x86/layout.h"
#include "kernel/x86/paging.h"
#include "kernel/x86/trap.h"
#include "libc/core/cpu.h"
#include "libc/core/lapic.h"
#include "libc/core/pages.h"
#include "libc/core/version.h"

static BOOT_DATA struct acpi acpi;
static BOOT_DATA struct found_core cores[NODE_MAX];
static unsigned core_count;
static struct node_place own_place; /* until all are known */
static bool is_screen_left_out;     /* there is no log yet when that is seen */
static struct boot_limits limits;
static struct node_layout layout;

/* Boot's own addresses; no node has any of them. */
static const struct node_map own_map = {
    .direct_map = DIRECT_MAP_BASE,
    .direct_bytes = DIRECT_MAP_MAX_BYTES,
    .status_pages = DIRECT_MAP_BASE + DIRECT_MAP_MAX_BYTES,
    .devices = DIRECT_MAP_BASE + 2 * DIRECT_MAP_MAX_BYTES,
    .device_bytes = DEVICES_MAX_BYTES,
};

/* --- What the loader says --- */

static void read_configuration(struct boot_info *info)
{
    for (unsigned i = 0; i < info->module_count; i++) {
        const struct boot_module *module = &info->modules[i];
        const char *text = boot_info_data(module->paddr, module->bytes);

        if (strcmp(module->name, BOOT_CONFIGURATION_NAME) != 0) {
            continue;
        }
        if (text == NULL) {
            info->dropped_module_count++;
        } else {
            boot_info_add_configuration(info, text, module->bytes);
        }
    }
}

/* What differs from machine to machine and from boot to boot, as far as the loader knows. */
static void add_loader_entropy(const struct boot_info *info)
{
    entropy_add(info->seed, sizeof(info->seed));
    entropy_add(info->ranges, info->range_count * sizeof(info->ranges[0]));
    entropy_add(info->command_line, strlen(info->command_line));
}

/* --- Memory --- */

static _Noreturn void halt_before_log(const char *text)
{
    platform_console->write(text, strlen(text));
    cpu_halt_for_ever();
}

/* From here on boot has a log. */
static void start_boot_services(const struct boot_info *info)
{
    struct status_page *status;

    node_info.node_count = 1;
    node_info.page_table_root = image_paddr(boot_pml4);
    boot_memory_start_pages(info);
    status = pages_allocate(STATUS_PAGE_BYTES(1) / PAGE_BYTES);
    if (status == NULL || address_space_map(paging_own_space(), node_info.map.status_pages,
                                            (uintptr_t)status - DIRECT_MAP_BASE,
                                            STATUS_PAGE_BYTES(1), PAGING_WRITE) != 0) {
        halt_before_log(info->range_count == 0 ? "Talus: the loader gave no map of the memory\n"
                                               : "Talus: no memory to boot in\n");
    }
    status_initialise();
    status_set_state(NODE_STARTING);
    components_run(BOOT_MEMORY);
}

/* --- Cores --- */

static void read_tables(const struct boot_info *info)
{
    /* What the loader names, or else what a BIOS has left in low memory. */
    if ((info->rsdp == 0 || acpi_parse(&acpi, info->rsdp, boot_memory_read, NULL) != 0) &&
        acpi_parse(&acpi, acpi_find_rsdp(boot_memory_read, NULL), boot_memory_read, NULL) != 0) {
        log_warning("boot", "no ACPI tables: no power-off, and %s",
                    mp_table_parse(&acpi, boot_memory_read, NULL) == 0
                        ? "cores by the older MP table"
                        : "one core");
    }
    acpi_find_holes(&acpi.machine, &acpi, info, boot_memory_address_bits());
    acpi_allow_devices(&acpi, info, boot_memory_address_bits());
    virtio_slots_read(&acpi.machine, info, boot_memory_address_bits());
    node_info.machine = acpi.machine;
    if (node_info.machine.iommu_count > 0) {
        boot_memory_add_pages();
    }
}

static void start_own_lapic(void)
{
    interrupt_initialise();
    node_info.has_x2apic = lapic_has_x2apic();
    firmware_lapic_take_over();
    own_place.apic_id = firmware_lapic_id();
    node_info.places = &own_place;
}

/* --- Sharing out --- */

static void add_module(const char *name, paddr_t paddr, uint64_t bytes)
{
    struct module *module = &node_info.modules[node_info.module_count];

    if (bytes == 0 || node_info.module_count == MODULE_MAX) {
        return;
    }
    memcpy(module->name, name, strnlen(name, MODULE_NAME_BYTES - 1));
    module->paddr = paddr;
    module->shown = (struct platform_module){
        .name = module->name,
        .start = (const void *)(uintptr_t)node_info.archive_bytes, /* in the archive, as yet */
        .bytes = bytes,
    };
    node_info.module_count++;
    node_info.archive_bytes += ALIGN_UP(bytes, (uint64_t)PAGE_BYTES);
}

/* Modules are read where the loader put them, if that is page-aligned memory we know of. */
static void collect_modules(const struct boot_info *info)
{
    for (unsigned i = 0; i < info->module_count; i++) {
        const struct boot_module *module = &info->modules[i];
        paddr_t paddr = module->paddr;

        if (!boot_memory_is_mapped(paddr, module->bytes)) {
            log_warning("boot", "module %s lies outside memory, ignored", module->name);
            continue;
        }
        if (paddr % PAGE_BYTES != 0) {
            paddr = physical_allocate(module->bytes, DIRECT_MAP_MAX_BYTES);
            if (paddr == 0) {
                log_warning("boot", "no memory to align module %s, ignored", module->name);
                continue;
            }
            memcpy((void *)(DIRECT_MAP_BASE + paddr),
                   (const void *)(DIRECT_MAP_BASE + module->paddr), module->bytes);
        }
        add_module(module->name, paddr, module->bytes);
    }
    add_module("builtin.tar", image_paddr(archive_start),
               bytes_between(archive_start, archive_end));
}

/* As many nodes as there are cores, unless memory is too small for so many. */
static void choose_node_count(void)
{
    uint64_t most = physical_free_bytes() / NODE_MEMORY_MIN_BYTES;

    if (most == 0) {
        PANIC("%lu KiB of memory are too little for one node", physical_free_bytes() / KIB);
    }
    if (core_count > most) {
        log_warning("boot", "memory suffices for %lu nodes, %lu cores left out", most,
                    core_count - most);
        core_count = (unsigned)most;
    }
}

/* What all nodes are built by, to be filled in. */
static void allocate_layout(void)
{
    paddr_t places = physical_allocate_low(core_count * sizeof(struct node_place));
    paddr_t plans = physical_allocate_low(core_count * sizeof(struct node_plan));
    paddr_t addresses = physical_allocate_low(core_count * sizeof(struct addresses));

    if (places == 0 || plans == 0 || addresses == 0) {
        PANIC("no memory for the plans of %u nodes", core_count);
    }
    layout.node_count = core_count;
    layout.places = (struct node_place *)(DIRECT_MAP_BASE + places);
    layout.plans = (struct node_plan *)(DIRECT_MAP_BASE + plans);
    layout.addresses = (struct addresses *)(DIRECT_MAP_BASE + addresses);
    layout.has_fixed_addresses = limits.has_fixed_addresses;
#ifdef TALUS_TEST_SHARED_PAGE
    layout.test_page = physical_allocate(PAGE_BYTES, DIRECT_MAP_MAX_BYTES);
#endif
}

/* A line for each domain that has nodes, where there are several. */
static void log_domains(void)
{
    const struct node_place *places = layout.places;

    for (unsigned i = 0; i < core_count; i++) {
        uint64_t bytes = 0;
        uint64_t local_bytes = 0;
        unsigned count = 0;
        bool is_first = true;

        for (unsigned j = 0; j < core_count; j++) {
            if (places[j].domain == places[i].domain) {
                is_first = is_first && j >= i;
                count++;
                bytes += node_image_memory_bytes(&places[j]);
                local_bytes += places[j].local_bytes;
            }
        }
        if (is_first && count < core_count) {
            log_info("boot", "domain %u: %u nodes, %lu MiB of its own memory and %lu of others'",
                     places[i].domain, count, local_bytes / MIB, (bytes - local_bytes) / MIB);
        }
    }
}

static void share_memory(void)
{
    for (unsigned i = 0; i < acpi.memory_affinity_count; i++) {
        physical_set_domain(acpi.memory_affinities[i].range, acpi.memory_affinities[i].domain);
    }
    for (unsigned i = 0; i < core_count; i++) {
        layout.places[i] = (struct node_place){.apic_id = cores[i].listed.apic_id,
                                               .domain = cores[i].listed.domain};
    }
    uint64_t free_bytes = physical_free_bytes();

    log_info("boot", "%lu MiB of memory for %u nodes", free_bytes / MIB, core_count);
    physical_share(core_count, layout.places);
    log_domains();
    node_info.places = layout.places;
    node_info.machine.node_count = core_count;
    components_run(BOOT_SHARED);
}

/* --- Nodes --- */

static void plan_nodes(void)
{
    for (unsigned i = 0; i < core_count; i++) {
        struct node_plan *plan = &layout.plans[i];

        entropy_draw(plan->random_seed);
        entropy_draw(plan->kept_secret);
        if (node_image_plan(&layout, i) != 0) {
            PANIC("no memory to build node %u", i);
        }
        plan->incarnation = 1;
        plan->died_ns = 0;
        plan->history = (struct rejoin_history){0};
        plan->nmi_line = find_nmi_line(cores, core_count, i);
        plan->tsc_offset = cores[i].tsc_offset;
        /* Before any node runs: none may take another for absent. */
        node_image_status(plan)->start_order = 0;
        node_image_status(plan)->incarnation = 1;
        node_image_status(plan)->state = NODE_STARTING;
    }
    if (limits.restart != RESTART_NO) {
        rejoin_prepare(&layout, limits.restart == RESTART_ALWAYS);
    }
}

paddr_t boot_build_node(uint32_t node)
{
    return node_image_build(&layout, node);
}

_Noreturn void boot_enter_node(uint32_t node)
{
    node_image_enter(&layout, node);
}

/* What boot has logged, and printed, is node 0's: whoever reads the log later finds all of it. */
static void hand_over_log(void)
{
    struct status_page *first = node_image_status(&layout.plans[0]);

    memcpy(first->log, status_own_page->log, sizeof(first->log));
    first->log_written = status_own_page->log_written;
    first->for_nodes[0].log_printed = status_own_page->for_nodes[0].log_printed;
}

/* Every node on its own core, all at once. Returns when those are built that can be: they may read
 * each other's status pages. */
static void build_nodes(void)
{
    for (unsigned i = 1; i < core_count; i++) {
        start_node_build(cores[i].start_index, i, node_image_stack_top(&layout.plans[i]));
    }
    if (boot_build_node(0) == 0) {
        PANIC("no memory to build node 0");
    }
    for (unsigned i = 1; i < core_count; i++) {
        if (!start_node_wait_built(cores[i].start_index)) {
            log_error("boot", "node %u has not started", i);
            node_image_clear_status(&layout, i);
            node_image_status(&layout.plans[i])->state = NODE_DEAD;
        }
    }
    node_image_hand_over(&layout.plans[0]);
    hand_over_log();
}

static void start_nodes(void)
{
    for (unsigned i = 1; i < core_count; i++) {
        if (node_image_status(&layout.plans[i])->state != NODE_DEAD) {
            start_node_enter(cores[i].start_index);
        }
    }
}

/* The processor's own name for itself, 48 characters or fewer (SDM 2A, CPUID 80000002H). */
static void read_cpu_name(char name[49])
{
    const char *start = name;

    for (uint32_t i = 0; i < 3; i++) {
        struct cpuid id = cpu_id(0x80000002 + i, 0);

        memcpy(name + i * sizeof(id), &id, sizeof(id));
    }
    name[48] = '\0';
    /* Some pad it on the left. */
    while (*start == ' ') {
        start++;
    }
    memmove(name, start, strlen(start) + 1);
}

static void log_machine(const struct boot_info *info)
{
    char cpu_name[49];

    for (unsigned i = 0; i < acpi.problem_count; i++) {
        log_warning("boot", "ACPI table %s: %s", acpi.problems[i].signature, acpi.problems[i].text);
    }
    if (info->dropped_range_count > 0 || info->dropped_module_count > 0 ||
        info->is_command_line_cut) {
        log_warning("boot", "from the loader: %u memory ranges and %u modules ignored%s",
                    info->dropped_range_count, info->dropped_module_count,
                    info->is_command_line_cut ? ", command line cut" : "");
    }
    if (is_screen_left_out) {
        log_warning("boot", "from the loader: a screen in the middle of memory ignored");
    }
    boot_memory_log();
    entropy_report();
    read_cpu_name(cpu_name);
    log_info("boot", "%s, %u %s, %s, TSC %lu.%03lu MHz by %s", cpu_name, core_count,
             core_count == 1 ? "core" : "cores", node_info.has_x2apic ? "x2APIC" : "xAPIC",
             node_info.clock.tsc_hz / 1000000, node_info.clock.tsc_hz / 1000 % 1000,
             reference_clock_name());
}

_Noreturn void boot_main(struct boot_info *info)
{
    node_info.clock.tsc_at_zero = cpu_read_tsc();
    node_info.map = own_map;
    panic_initialise();
    trap_initialise();
    trap_use_fault_stack((uintptr_t)boot_fault_stack_top);
    is_screen_left_out = !boot_info_check_framebuffer(info);
    node_info.framebuffer = info->framebuffer;
    read_configuration(info);
    memcpy(node_info.command_line, info->command_line, sizeof(node_info.command_line));
    components_run(BOOT_FIRST);
    boot_memory_collect(info,
                        (struct memory_range){IMAGE_PADDR, image_paddr(loaded_end) - IMAGE_PADDR});
    start_boot_services(info);
    limits = boot_limits_read(info->command_line);
    boot_memory_map(info);

    entropy_start();
    add_loader_entropy(info);
    read_tables(info);
    entropy_add(&acpi.machine, sizeof(acpi.machine));
    components_run(BOOT_TABLES);
    start_own_lapic();
    legacy_pic_disable();
    reference_clock_start(&acpi);
    find_cores_call(&acpi, firmware_lapic_id(), limits.node_count);
    /* The clocks are measured while the cores reset. */
    reference_clock_finish(&node_info.clock, &node_info.machine.reference);
    /* Firmware knows the zone of the battery-backed clock. */
    node_info.clock.boot_epoch_s =
        info->epoch_s != 0 ? info->epoch_s : date_read_rtc_epoch_s(acpi.rtc_century);
    entropy_add(&node_info.clock, sizeof(node_info.clock)); /* with the date */
    log_info("boot", "Talus %s, started by %s", talus_version, info->loader);
    core_count = find_cores_await(cores);
    log_machine(info);
    find_cores_compare_tscs(cores, core_count);
    components_run(BOOT_DEVICES);
    collect_modules(info);
    physical_limit(limits.memory_bytes);
    choose_node_count();
    if (!node_image_can_be_moved()) {
        PANIC("the table of relocations does not fit the image");
    }
    allocate_layout();
    share_memory();
    plan_nodes();
    build_nodes();
    start_nodes();
    node_image_enter(&layout, 0);
}
