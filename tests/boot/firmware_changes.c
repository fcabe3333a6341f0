/* SPDX-License-Identifier: MIT */
/*
 * A UEFI application that makes the firmware as hard to deal with as \EFI\talus\changes.cfg says,
 * and then starts \EFI\talus\start.efi with the device that it was itself started from:
 *
 *   occupied     boot services' data lies where the image of Talus belongs
 *   reserved     the same, of a kind that the firmware keeps for good
 *   stale-key    the memory map changes just before boot services are left for the first time
 *   stuck        boot services are never left
 *   blt-only     a screen that only the firmware can draw on
 *   large-screen the largest of the screen's modes
 *
 * It uses the application's own files (boot/uefi/) to read and print.
 */
#include "boot/uefi/file_source.h"
#include "boot/uefi/firmware.h"
#include "kernel/limits.h"
#include "kernel/x86/layout.h"

#include <string.h>

#define WORDS_PATH     "\\EFI\\talus\\changes.cfg"
#define PROGRAM_PATH   "\\EFI\\talus\\start.efi"
#define IMAGE_PADDR    0x200000 /* boot/kernel.ld */
#define OCCUPIED_PAGES 256
#define POOL_BYTES     (64 * PAGE_BYTES)
#define SERIAL_PORT    0x3F8

static const EFI_GUID loaded_image_guid = LOADED_IMAGE_PROTOCOL;
static const EFI_GUID screen_guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;

static EFI_EXIT_BOOT_SERVICES exit_boot_services;
static unsigned exit_count;

/* Straight to the port: the firmware's console is gone by then. */
static void say_without_firmware(const char *text)
{
    for (; *text != '\0'; text++) {
        __asm__ volatile("outb %0, %1" : : "a"(*text), "Nd"((uint16_t)SERIAL_PORT));
    }
}

static EFI_STATUS EFIAPI exit_with_a_stale_key(EFI_HANDLE program, UINTN key)
{
    void *pool;

    if (exit_count++ == 0) {
        (void)firmware->BootServices->AllocatePool(EfiBootServicesData, POOL_BYTES, &pool);
    }
    EFI_STATUS status = exit_boot_services(program, key);

    say_without_firmware(status == EFI_SUCCESS ? "boot services left\r\n" : "stale key\r\n");
    return status;
}

static EFI_STATUS EFIAPI never_exit(EFI_HANDLE program, UINTN key)
{
    (void)program;
    (void)key;
    return EFI_INVALID_PARAMETER;
}

/* The pages that are still free. */
static void occupy(EFI_MEMORY_TYPE type)
{
    unsigned count = 0;

    for (unsigned i = 0; i < OCCUPIED_PAGES; i++) {
        EFI_PHYSICAL_ADDRESS paddr = IMAGE_PADDR + i * PAGE_BYTES;

        if (firmware->BootServices->AllocatePages(AllocateAddress, type, 1, &paddr) ==
            EFI_SUCCESS) {
            memset((void *)paddr, 0xCC, PAGE_BYTES);
            count++;
        }
    }
    firmware_print(count > 0 ? "occupied\n" : "nothing was free\n");
}

static void change_screen(const char *word)
{
    EFI_GRAPHICS_OUTPUT_PROTOCOL *screen =
        firmware_protocol(firmware->ConsoleOutHandle, &screen_guid);

    if (screen == NULL) {
        firmware_print("no screen\n");
        return;
    }
    if (strcmp(word, "blt-only") == 0) {
        screen->Mode->Info->PixelFormat = PixelBltOnly;
        return;
    }
    UINT32 largest = 0;
    uint64_t most_pixels = 0;

    for (UINT32 i = 0; i < screen->Mode->MaxMode; i++) {
        EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *mode;
        UINTN bytes;

        if (screen->QueryMode(screen, i, &bytes, &mode) == EFI_SUCCESS &&
            (uint64_t)mode->HorizontalResolution * mode->VerticalResolution > most_pixels) {
            most_pixels = (uint64_t)mode->HorizontalResolution * mode->VerticalResolution;
            largest = i;
        }
    }
    (void)screen->SetMode(screen, largest); /* the test looks at what is shown */
}

static void change_firmware(const char *word)
{
    EFI_BOOT_SERVICES *services = firmware->BootServices;

    if (strcmp(word, "occupied") == 0) {
        occupy(EfiBootServicesData);
    } else if (strcmp(word, "reserved") == 0) {
        occupy(EfiReservedMemoryType);
    } else if (strcmp(word, "stale-key") == 0) {
        services->ExitBootServices = exit_with_a_stale_key;
    } else if (strcmp(word, "stuck") == 0) {
        services->ExitBootServices = never_exit;
    } else {
        change_screen(word);
    }
}

EFI_STATUS efi_main(EFI_HANDLE program_handle, EFI_SYSTEM_TABLE *system)
{
    struct file_source source;
    struct file words;
    struct file file;
    EFI_HANDLE next;

    firmware = system;
    EFI_LOADED_IMAGE *program = firmware_protocol(program_handle, &loaded_image_guid);

    file_source_open(&source, program);
    if (file_read(&source, WORDS_PATH, &words) != EFI_SUCCESS ||
        file_read(&source, PROGRAM_PATH, &file) != EFI_SUCCESS ||
        firmware->BootServices->LoadImage(FALSE, program_handle, NULL, file.start, file.bytes,
                                          &next) != EFI_SUCCESS) {
        firmware_print("the volume lacks something\n");
        return EFI_LOAD_ERROR;
    }
    EFI_LOADED_IMAGE *loaded = firmware_protocol(next, &loaded_image_guid);

    loaded->DeviceHandle = program->DeviceHandle;
    exit_boot_services = firmware->BootServices->ExitBootServices;
    for (char *word = words.start; *word != '\0';) { /* zeros follow in the page */
        size_t length = strcspn(word, " ");

        word[length] = '\0';
        change_firmware(word);
        word += length + 1;
    }
    return firmware->BootServices->StartImage(next, NULL, NULL);
}
