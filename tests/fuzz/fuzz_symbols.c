/* Hostile ELF files. The first two bytes choose the argument and the name's length, the name follows, then
 * the file. `make fuzz` builds and runs it. */
#include "../../supervisor/director/symbols.h"
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int fd_of(const uint8_t *data, size_t size) {
        int fd = memfd_create("fuzz", MFD_CLOEXEC);
        INVARIANT(fd >= 0);
        while (size > 0) {
                ssize_t n = write(fd, data, size);
                INVARIANT(n > 0);
                data += n;
                size -= (size_t)n;
        }
        return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct symbol_location symbol;
        struct usdt_location probe;
        char name[64];
        _cleanup_free_ char *symbol_error = NULL, *usdt_error = NULL, *match_error = NULL;
        if (size < 2)
                return 0;
        unsigned argument = data[0];
        size_t length = data[1] % (sizeof(name) - 1);
        if (size < 2 + length)
                return 0;
        memcpy(name, data + 2, length);
        name[length] = '\0';
        size_t file_size = size - 2 - length;
        _cleanup_close_ int fd = fd_of(data + 2 + length, file_size);
        if (symbol_find(fd, name, &symbol, &symbol_error) == 0)
                INVARIANT(symbol.offset < file_size);
        else
                INVARIANT(symbol_error);
        /* The expression is the operator's, and the configuration has seen to it that it is harmless. */
        if (symbol_find_matching(fd, argument % 2 ? "^commit_[a-z]+$" : "[a-f0-9]{4}|main", &symbol,
                            &match_error) == 0)
                INVARIANT(symbol.offset < file_size);
        else
                INVARIANT(match_error);
        (void)usdt_find(fd, name, argument, &probe, &usdt_error);
        return 0;
}
