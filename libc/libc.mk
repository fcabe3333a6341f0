# Flags of single files of libc/.

# These loops are memcpy() and its kin: the compiler must not turn them into calls of themselves.
$(BUILD)/obj/libc/string.c.o: CFLAGS += -fno-tree-loop-distribute-patterns
