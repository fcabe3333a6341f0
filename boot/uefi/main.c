/* SPDX-License-Identifier: MIT */
/*
 * The UEFI application: finds Talus beside itself, tells it what the firmware knows, and leaves the
 * firmware for it. Nothing is ever written to the volume.
 */
#include "boot/boot_info.h"
#include "boot/uefi/elf.h"
#include "boot/uefi/firmware.h"
#include "boot/uefi/handoff.h"
#include "boot/uefi/load_options.h"
#include "boot/uefi/machine.h"

#include <string.h>

#define IMAGE_PATH         "\\EFI\\talus\\talus.elf"
#define CONFIGURATION_PATH "\\EFI\\talus\\talus.cfg"
#define ROOT_PATH          "\\EFI\\talus\\root.tar"
#define ROOT_NAME          "root.tar"
#define ENTRY_SYMBOL       "boot_entry_efi_paddr"

static const EFI_GUID loaded_image_guid = LOADED_IMAGE_PROTOCOL;

/* A complaint is one line: the name of what is meant, and what is wrong with it. */
static bool complain(const char *name, const char *fault)
{
    firmware_print("Talus cannot start: ");
    firmware_print(name);
    firmware_print(" ");
    firmware_print(fault);
    firmware_print("\n");
    return false;
}

static bool complain_of_file(const struct file_source *source, const char *path, EFI_STATUS status)
{
    firmware_print("Talus cannot start: ");
    firmware_print(path);
    if (status == EFI_OUT_OF_RESOURCES) {
        firmware_print(" does not fit into memory");
    } else {
        firmware_print(status == EFI_NOT_FOUND ? " is not on " : " cannot be read from ");
        firmware_print(file_source_name(source));
    }
    firmware_print("\n");
    return false;
}

/* Absent is as good as empty. */
static bool read_optional(struct file_source *source, const char *path, struct file *file)
{
    EFI_STATUS status = file_read(source, path, file);

    return status == EFI_SUCCESS || status == EFI_NOT_FOUND
               ? true
               : complain_of_file(source, path, status);
}

/* It was read before its place was known, and may lie there. */
static bool move_aside(const struct elf_image *image, struct file *file)
{
    paddr_t start = (paddr_t)file->start;

    if (start >= image->end || start + file->bytes <= image->start) {
        return true;
    }
    void *other = firmware_allocate(file->bytes, EfiLoaderData);

    if (other == NULL) {
        return false;
    }
    memcpy(other, file->start, file->bytes);
    file->start = other;
    return true;
}

static bool load_image(struct file_source *source, struct elf_image *image, struct file *file)
{
    EFI_STATUS status = file_read(source, IMAGE_PATH, file);

    if (status != EFI_SUCCESS) {
        return complain_of_file(source, IMAGE_PATH, status);
    }
    const char *fault = elf_read(image, file->start, file->bytes, ENTRY_SYMBOL);

    if (fault != NULL) {
        return complain(IMAGE_PATH, fault);
    }
    if (!handoff_claim(image) || !move_aside(image, file)) {
        return complain(IMAGE_PATH, "wants memory that the firmware keeps to itself");
    }
    return true;
}

/* Words of the boot entry or the shell stand behind those of the file, and win. */
static bool read_words(struct file_source *source, const EFI_LOADED_IMAGE *program,
                       struct boot_info *info)
{
    static char options[COMMAND_LINE_MAX_BYTES];
    struct file configuration;

    if (!load_options_read(options, sizeof(options), program->LoadOptions,
                           program->LoadOptions == NULL ? 0 : program->LoadOptionsSize)) {
        firmware_print("Talus: load options that are not text, ignored\n");
    }
    boot_info_set_command_line(info, options, sizeof(options));
    if (!read_optional(source, CONFIGURATION_PATH, &configuration)) {
        return false;
    }
    if (configuration.bytes > 0) {
        boot_info_add_configuration(info, configuration.start, configuration.bytes);
    }
    return true;
}

static bool read_root(struct file_source *source, struct boot_info *info)
{
    struct file root;

    if (!read_optional(source, ROOT_PATH, &root)) {
        return false;
    }
    if (root.bytes > 0) {
        boot_info_add_module(info, (paddr_t)root.start, root.bytes, ROOT_NAME, sizeof(ROOT_NAME));
    }
    return true;
}

/* Returns only when something is missing, which has been said. */
static void start(EFI_HANDLE program_handle)
{
    EFI_LOADED_IMAGE *program = firmware_protocol(program_handle, &loaded_image_guid);
    struct file_source source;
    struct elf_image image;
    struct file image_file;

    if (program == NULL) {
        complain("the firmware", "does not say what it started this program from");
        return;
    }
    file_source_open(&source, program->DeviceHandle);
    if (!load_image(&source, &image, &image_file)) {
        return;
    }
    struct boot_info *info = firmware_allocate(sizeof(*info), EfiLoaderData);

    if (info == NULL) {
        complain(IMAGE_PATH, "finds too little free memory");
        return;
    }
    boot_info_initialise(info, "UEFI");
    if (!read_words(&source, program, info) || !read_root(&source, info)) {
        return;
    }
    machine_describe(info);
    complain(IMAGE_PATH, handoff(&image, image_file.start, info, program_handle));
}

EFI_STATUS efi_main(EFI_HANDLE program, EFI_SYSTEM_TABLE *system)
{
    firmware = system;
    /* It would reset the machine five minutes from now, in the middle of a question. */
    (void)firmware->BootServices->SetWatchdogTimer(0, 0, 0, NULL);
    start(program);
    firmware_wait_for_key("Press a key to go back to the firmware.\n");
    return EFI_LOAD_ERROR;
}
