/* SPDX-License-Identifier: MIT */
/*
 * RSDP, screen and memory map from the firmware. The calls of boot_info.h check what is said.
 */
#include "boot/uefi/machine.h"

#include <string.h>

#include "boot/date.h"
#include "boot/uefi/firmware.h"

static const EFI_GUID rsdp_guids[] = {ACPI_20_TABLE_GUID, ACPI_TABLE_GUID}; /* the better first */
static const EFI_GUID screen_guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;

/* UEFI 2.10, 37.5: random numbers of the firmware's, and GetRNG() as far as it is used here. */
static const EFI_GUID random_guid = {
    0x3152bca5, 0xeade, 0x433d, {0x86, 0x2e, 0xc0, 0x1c, 0xdc, 0x29, 0x1f, 0x44}};
struct random_protocol {
    void *get_info;
    EFI_STATUS(EFIAPI *get)
    (struct random_protocol *self, const EFI_GUID *algorithm, UINTN bytes, uint8_t *values);
};
/* A table of loaders for Linux (systemd, "Boot Loader Interface"): how many, and so many bytes. */
static const EFI_GUID seed_guid = {
    0x1ce1e5bc, 0x7ceb, 0x42f2, {0x81, 0xe5, 0x8a, 0xad, 0xf1, 0x80, 0xf5, 0x7b}};

static paddr_t find_table(const EFI_GUID *guid)
{
    for (UINTN i = 0; i < firmware->NumberOfTableEntries; i++) {
        const EFI_CONFIGURATION_TABLE *table = &firmware->ConfigurationTable[i];

        if (memcmp(&table->VendorGuid, guid, sizeof(*guid)) == 0) {
            return (paddr_t)table->VendorTable;
        }
    }
    return 0;
}

static struct framebuffer_channel channel_of_mask(uint32_t mask)
{
    struct framebuffer_channel channel = {0};

    if (mask != 0) {
        channel.position = (uint8_t)__builtin_ctz(mask);
        channel.bits = (uint8_t)(32 - __builtin_clz(mask) - channel.position);
    }
    return channel;
}

static bool get_pixel_masks(const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *mode,
                            EFI_PIXEL_BITMASK *masks)
{
    switch (mode->PixelFormat) {
    case PixelRedGreenBlueReserved8BitPerColor:
        *masks = (EFI_PIXEL_BITMASK){0xFF, 0xFF00, 0xFF0000, 0xFF000000};
        return true;
    case PixelBlueGreenRedReserved8BitPerColor:
        *masks = (EFI_PIXEL_BITMASK){0xFF0000, 0xFF00, 0xFF, 0xFF000000};
        return true;
    case PixelBitMask:
        *masks = mode->PixelInformation;
        return true;
    default:
        return false; /* pixels that only the firmware can write */
    }
}

/* The screen of the firmware's own console, or any. */
static EFI_GRAPHICS_OUTPUT_PROTOCOL *find_screen(void)
{
    EFI_GUID guid = screen_guid;
    void *screen = firmware_protocol(firmware->ConsoleOutHandle, &screen_guid);

    if (screen == NULL &&
        firmware->BootServices->LocateProtocol(&guid, NULL, &screen) != EFI_SUCCESS) {
        return NULL;
    }
    return screen;
}

static void describe_screen(struct boot_info *info)
{
    EFI_GRAPHICS_OUTPUT_PROTOCOL *screen = find_screen();
    EFI_PIXEL_BITMASK masks;

    if (screen == NULL || screen->Mode == NULL || screen->Mode->Info == NULL ||
        !get_pixel_masks(screen->Mode->Info, &masks)) {
        return;
    }
    const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *mode = screen->Mode->Info;
    uint32_t all = masks.RedMask | masks.GreenMask | masks.BlueMask | masks.ReservedMask;

    if (all == 0) {
        return;
    }
    /* A pixel is as long as its masks together reach (UEFI 2.10, 12.9). */
    uint8_t depth = (uint8_t)(32 - __builtin_clz(all));
    uint32_t pixel_bytes = (depth + 7u) / 8;

    if (mode->PixelsPerScanLine > UINT32_MAX / sizeof(uint32_t)) {
        return;
    }
    boot_info_set_framebuffer(info, &(struct framebuffer_info){
                                        .paddr = screen->Mode->FrameBufferBase,
                                        .width = mode->HorizontalResolution,
                                        .height = mode->VerticalResolution,
                                        .pitch_bytes = mode->PixelsPerScanLine * pixel_bytes,
                                        .bits_per_pixel = depth,
                                        .red = channel_of_mask(masks.RedMask),
                                        .green = channel_of_mask(masks.GreenMask),
                                        .blue = channel_of_mask(masks.BlueMask),
                                    });
}

/* Half of it from each, as far as they are there. */
static void describe_seed(struct boot_info *info)
{
    const size_t half = sizeof(info->seed) / 2;
    const uint32_t *table = (const uint32_t *)find_table(&seed_guid);
    struct random_protocol *random;
    EFI_GUID guid = random_guid;

    if (firmware->BootServices->LocateProtocol(&guid, NULL, (void **)&random) == EFI_SUCCESS &&
        random->get(random, NULL, half, info->seed) != EFI_SUCCESS) {
        memset(info->seed, 0, half);
    }
    if (table != NULL) {
        memcpy(info->seed + half, table + 1, table[0] < half ? table[0] : half);
    }
}

/* Firmware's time is that of a zone, which it may know. */
static void describe_date(struct boot_info *info)
{
    EFI_TIME time;

    if (firmware->RuntimeServices->GetTime(&time, NULL) != EFI_SUCCESS) {
        return;
    }
    info->epoch_s = date_in_zone_epoch_s(
        &(struct date){
            .year = time.Year,
            .month = time.Month,
            .day = time.Day,
            .hour = time.Hour,
            .minute = time.Minute,
            .second = time.Second,
        },
        time.TimeZone);
}

void machine_describe(struct boot_info *info)
{
    describe_seed(info);
    describe_date(info);
    for (unsigned i = 0; i < ARRAY_COUNT(rsdp_guids) && info->rsdp == 0; i++) {
        info->rsdp = find_table(&rsdp_guids[i]);
    }
    describe_screen(info);
    if (info->framebuffer.paddr == 0) {
        /* The last that the firmware's own console shows, wherever that is. */
        firmware_print("Talus: no screen that it can draw on, going on with the serial port\n");
    }
}

bool machine_is_free_later(uint32_t type)
{
    switch (type) {
    case EfiLoaderCode:
    case EfiLoaderData:
    case EfiBootServicesCode:
    case EfiBootServicesData:
    case EfiConventionalMemory:
        return true;
    default:
        return false;
    }
}

void machine_add_memory(struct boot_info *info, const void *map, size_t bytes, size_t entry_bytes)
{
    for (size_t offset = 0; offset + sizeof(EFI_MEMORY_DESCRIPTOR) <= bytes;
         offset += entry_bytes) {
        EFI_MEMORY_DESCRIPTOR entry;

        memcpy(&entry, (const char *)map + offset, sizeof(entry));
        uint64_t range_bytes = entry.NumberOfPages > UINT64_MAX / PAGE_BYTES
                                   ? UINT64_MAX
                                   : entry.NumberOfPages * PAGE_BYTES;

        /* Memory that cannot be cached is none to run in. */
        boot_info_add_range(info, entry.PhysicalStart, range_bytes,
                            machine_is_free_later(entry.Type) &&
                                (entry.Attribute & EFI_MEMORY_WB) != 0);
    }
}
