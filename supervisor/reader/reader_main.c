#include "reader.h"

#include "../lib/minisign.h"
#include "../lib/sandbox.h"
#include "../lib/schedule_reading.h"
#include <jansson.h>
#include <sodium.h>

#define MEMORY_MAX ((size_t)1024 * 1024 * 1024)
#define SECONDS_MAX 5
#define DESCRIPTORS_MAX 16

struct lists {
        char **keys, **names, **compatible;
};

static int parse(int argc, char **argv, struct reading_order *order, struct lists *lists,
                bool *ret_is_signed);
static int confine(void);
static int read_and_write(
                const struct reading_order *order, bool is_signed, struct schedule_reading *reading);

int reader_main(int argc, char **argv) {
        struct reading_order order = {0};
        struct lists lists = {0};
        bool is_signed = false;
        _cleanup_free_ struct schedule_reading *reading = calloc(1, sizeof(*reading));
        int r = reading ? sandbox_limit(MEMORY_MAX, SECONDS_MAX, sizeof(*reading), DESCRIPTORS_MAX)
                        : -ENOMEM;
        if (r >= 0)
                r = parse(argc, argv, &order, &lists, &is_signed);
        /* Behind the filter neither could open /dev/urandom. */
        if (r >= 0 && sodium_init() < 0)
                r = -EIO;
        json_object_seed(0);
        if (r >= 0)
                r = confine();
        if (r >= 0)
                r = read_and_write(&order, is_signed, reading);
        strv_free(lists.keys);
        strv_free(lists.names);
        strv_free(lists.compatible);
        return r < 0 ? 1 : 0;
}

static int parse(int argc, char **argv, struct reading_order *order, struct lists *lists,
                bool *ret_is_signed) {
        int kind = argc > 2 ? reading_kind_find(argv[1]) : -EINVAL, r = 0;
        if (kind < 0)
                return kind;
        for (int i = 3; r >= 0 && i < argc; i++) {
                char ***list = strcmp(argv[i], "--key") == 0          ? &lists->keys
                               : strcmp(argv[i], "--name") == 0       ? &lists->names
                               : strcmp(argv[i], "--compatible") == 0 ? &lists->compatible
                                                                      : NULL;
                if (list)
                        r = ++i < argc ? strv_push(list, argv[i]) : -EINVAL;
                else if (strcmp(argv[i], "--sequence") == 0)
                        order->needs_sequence = true;
                else if (strcmp(argv[i], "--signature") == 0)
                        *ret_is_signed = true;
                else
                        r = -EINVAL;
        }
        order->kind = (enum reading_kind)kind;
        order->node = argv[2];
        order->keys = lists->keys;
        order->names = lists->names;
        order->compatible = lists->compatible;
        return r;
}

/* What is there is read, what is asked for is written, and memory is had. */
static int confine(void) {
        static const char *const allowed[] = {"read", "pread64", "pwrite64", "fstat", "newfstatat", "mmap",
                        "munmap", "mremap", "mprotect", "madvise", "brk", "futex", "getrandom",
                        "clock_gettime", "lseek", "rt_sigreturn", "rt_sigprocmask", "exit", "exit_group",
                        "restart_syscall", "close", NULL};
        return sandbox_allow_calls(allowed, NULL);
}

static int read_and_write(
                const struct reading_order *order, bool is_signed, struct schedule_reading *reading) {
        _cleanup_free_ char *document = NULL, *signature = NULL;
        size_t length = 0, signature_length = 0, written = 0;
        int r = schedule_reading_load(READER_DOCUMENT, SCHEDULE_DOCUMENT_SIZE_MAX, &document, &length);
        if (r >= 0 && is_signed)
                r = schedule_reading_load(
                                READER_SIGNATURE, MINISIGN_TEXT_MAX - 1, &signature, &signature_length);
        if (r < 0)
                schedule_reading_fail(r, reading);
        else
                schedule_reading_make(order, document, length, signature, reading);
        while (written < sizeof(*reading)) {
                ssize_t n = pwrite(READER_RESULT, (const char *)reading + written,
                                sizeof(*reading) - written, (off_t)written);
                if (n <= 0)
                        return -EIO;
                written += (size_t)n;
        }
        return 0;
}
