# Flags of single files of libc/.

# These define what the compiler believes to know: it must not replace their bodies by calls of
# what they define, or by knowledge of it.
LIBC_BUILTINS := core/ctype core/string core/strtol posix/malloc posix/stdio posix/stdlib
$(LIBC_BUILTINS:%=$(BUILD)/obj/libc/%.c.o): CFLAGS += -fno-builtin -fno-tree-loop-distribute-patterns

# The compiler calls these on its own account, after it has decided what the program needs.
$(BUILD)/obj/libc/core/string.c.o: CFLAGS += -fno-lto
