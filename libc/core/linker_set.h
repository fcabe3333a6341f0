/* SPDX-License-Identifier: MIT */
/*
 * Tables that the linker puts together. A lower layer declares a set and goes through it; a higher
 * one adds entries from its own files. So the lower layer calls nobody by name that stands above
 * it, and nothing has to run first for an entry to be there.
 *
 * An entry is a pointer to a constant struct. Entries have no order among themselves; a set may be
 * empty. boot/kernel.ld gathers each set; on the host the linker does so by itself.
 */
#pragma once

/* In the header of whoever goes through it. */
#define LINKER_SET_DECLARE(set, type)                                                              \
    extern const type *const __start_set_##set[] __attribute__((weak));                            \
    extern const type *const __stop_set_##set[] __attribute__((weak))

/* In the file of whoever adds `entry`, a constant of that type with static storage. */
#define LINKER_SET_ADD(set, type, entry)                                                           \
    static const type *const set##_entry_##entry __attribute__((used, section("set_" #set))) =     \
        &(entry)

/* The same of a part of something. */
#define LINKER_SET_ADD_PART(set, type, whole, part)                                                \
    static const type *const set##_entry_##whole __attribute__((used, section("set_" #set))) =     \
        &(whole).part

/* `item` points to each entry's pointer in turn. */
#define LINKER_SET_EACH(set, type, item)                                                           \
    for (const type *const *item = __start_set_##set; item != __stop_set_##set; item++)
