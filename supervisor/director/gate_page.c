#include "gate_page.h"

#include "../lib/log.h"
#include "keeper_link.h"
#include <fcntl.h>
#include <interrex/gate_page.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* since 6.3; some hosts make no memfd without it */
#endif

_Static_assert(MACHINE_NO_HEIGHT == INTERREX_GATE_OPEN, "an open gate is written as it is");

static int open_memory(void) {
        int fd = memfd_create("interrex-gate", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
        return fd >= 0 || errno != EINVAL ? fd : memfd_create("interrex-gate", MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

int gate_page_create(uint64_t limit, int *ret_fd, int *ret_read_only_fd) {
        struct interrex_gate_page page = {.magic = INTERREX_GATE_MAGIC,
                        .version = INTERREX_GATE_VERSION,
                        .size = sizeof(page),
                        .limit = limit};
        char path[64];
        _cleanup_close_ int fd = open_memory();
        if (fd < 0 || pwrite(fd, &page, sizeof(page), 0) != (ssize_t) sizeof(page) || fchmod(fd, 0444) < 0 ||
                        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
                return -errno;
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        int read_only = open(path, O_RDONLY | O_CLOEXEC);
        if (read_only < 0)
                return -errno;
        *ret_read_only_fd = read_only;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static struct shared_page *find(struct director *director, uint64_t generation) {
        for (size_t i = 0; generation != 0 && i < UNITS_MAX; i++)
                if (director->gate_pages[i].generation == generation)
                        return &director->gate_pages[i];
        return NULL;
}

/* A mapping outlives its descriptor, so only the keeper holds one. */
static int map_page(struct director *director, uint64_t generation, int fd) {
        struct stat status;
        struct shared_page *page = NULL;
        for (size_t i = 0; i < UNITS_MAX && !page; i++)
                if (director->gate_pages[i].generation == 0)
                        page = &director->gate_pages[i];
        if (!page)
                return -ENOSPC;
        if (fstat(fd, &status) < 0 || status.st_size < (off_t) sizeof(*page->memory))
                return -EBADMSG;
        void *memory = mmap(NULL, sizeof(*page->memory), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED)
                return -errno;
        *page = (struct shared_page){.generation = generation, .memory = memory};
        return 0;
}

static void name_page(uint64_t generation, char *name, size_t size) {
        (void) snprintf(name, size, "gate.page.%lu", generation);
}

int gate_page_make(struct director *director, uint64_t generation, uint64_t limit, int *ret_read_only_fd) {
        _cleanup_close_ int fd = -1, read_only = -1;
        char name[KEEPER_NAME_MAX];
        int r = gate_page_create(limit, &fd, &read_only);
        if (r >= 0)
                r = map_page(director, generation, fd);
        if (r < 0)
                return r;
        name_page(generation, name, sizeof(name));
        keeper_store(director, name, fd);
        *ret_read_only_fd = TAKE_FD(read_only);
        return 0;
}

int gate_page_adopt_stored(struct director *director, const char *name, int fd) {
        uint64_t generation;
        if (sscanf(name, "gate.page.%lu", &generation) != 1)
                return 0;
        _cleanup_close_ int page_fd = fd;
        int r = map_page(director, generation, page_fd);
        if (r < 0)
                log_errno(r, "the gate of generation %lu cannot be moved from where it stands", generation);
        return 1;
}

/* The sequence after the limit: who sees the new word sees the new limit. */
static void say(struct interrex_gate_page *page, uint64_t limit) {
        __atomic_store_n(&page->limit, limit, __ATOMIC_RELEASE);
        (void) __atomic_add_fetch(&page->sequence, 1, __ATOMIC_RELEASE);
        (void) syscall(SYS_futex, &page->sequence, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

void gate_page_set(struct director *director, uint64_t generation, uint64_t limit) {
        struct shared_page *page = find(director, generation);
        if (page)
                say(page->memory, limit);
}

void gate_page_ask_again(struct director *director) {
        for (size_t i = 0; i < UNITS_MAX; i++)
                if (director->gate_pages[i].generation != 0)
                        say(director->gate_pages[i].memory, director->gate_pages[i].memory->limit);
}

void gate_page_forget(struct director *director, uint64_t generation) {
        struct shared_page *page = find(director, generation);
        char name[KEEPER_NAME_MAX];
        if (!page)
                return;
        name_page(generation, name, sizeof(name));
        keeper_drop(director, name);
        (void) munmap(page->memory, sizeof(*page->memory));
        *page = (struct shared_page){0};
}
