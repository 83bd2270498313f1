#include <interrex/gate_page.h>
#include <interrex/interrex.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define TELL_AGAIN_MS 100 /* where the supervisor could not be told that a height waits */
#define NSEC_PER_SEC INT64_C(1000000000)
#define NSEC_PER_MSEC INT64_C(1000000)

/* The page is mapped read-only, and only a load that is one instruction does not write. */
_Static_assert(sizeof(void *) == 8 && __atomic_always_lock_free(sizeof(uint64_t), NULL),
                "64-bit machines only");

/* Written once, under `once`. */
static struct {
        struct sockaddr_un address;
        socklen_t address_size; /* 0: nobody to tell */
        const struct interrex_gate_page *page;
        int gate_error;
} supervisor;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint64_t attachment_told_at; /* atomic; the page's sequence then, and 1; 0: it was not */

/* What a thread has told of its waiting, so that asking again and again does not tell it as often. */
struct waiting {
        bool was_told;
        uint32_t sequence;
        uint64_t height;
};
static _Thread_local struct waiting of_this_thread;

static void find_notify_socket(void) {
        const char *path = getenv("NOTIFY_SOCKET");
        size_t length = path ? strlen(path) : 0;
        if (length < 2 || length >= sizeof(supervisor.address.sun_path) || (*path != '/' && *path != '@'))
                return;
        supervisor.address.sun_family = AF_UNIX;
        memcpy(supervisor.address.sun_path, path, length + 1);
        if (*path == '@')
                supervisor.address.sun_path[0] = '\0';
        supervisor.address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

/* Sealed against shrinking: else whoever has it could end this process by truncating it. */
static int map_page(int fd, const struct interrex_gate_page **ret_page) {
        struct stat status;
        if (fstat(fd, &status) < 0)
                return -errno;
        int seals = fcntl(fd, F_GET_SEALS);
        if (seals < 0 || !(seals & F_SEAL_SHRINK) || status.st_size < (off_t)sizeof(**ret_page))
                return -EPROTO;
        const struct interrex_gate_page *page = mmap(NULL, sizeof(*page), PROT_READ, MAP_SHARED, fd, 0);
        if (page == MAP_FAILED)
                return -errno;
        if (page->magic != INTERREX_GATE_MAGIC || page->version != INTERREX_GATE_VERSION ||
                        page->size < sizeof(*page) || page->size > (uint64_t)status.st_size) {
                (void)munmap((void *)page, sizeof(*page));
                return -EPROTO;
        }
        *ret_page = page;
        return 0;
}

static void find_gate(void) {
        const char *text = getenv("INTERREX_GATE");
        char *end = NULL;
        if (!text)
                return;
        errno = 0;
        long fd = strtol(text, &end, 10);
        bool is_number = *text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && fd <= INT32_MAX;
        supervisor.gate_error = is_number ? map_page((int)fd, &supervisor.page) : -EPROTO;
}

static void find_supervisor(void) {
        find_notify_socket();
        find_gate();
}

static int tell(const char *text) {
        if (supervisor.address_size == 0)
                return 0;
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        ssize_t n = sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
                        (const struct sockaddr *)&supervisor.address, supervisor.address_size);
        int r = n < 0 ? -errno : 0;
        (void)close(fd);
        return r;
}

static int tell_number(const char *name, uint64_t number) {
        char text[64];
        (void)snprintf(text, sizeof(text), "%s=%" PRIu64, name, number);
        return tell(text);
}

/* Again after each word of the supervisor: who heard it may have died before it was written down. */
static void tell_attachment(const struct interrex_gate_page *page) {
        uint64_t at = (uint64_t)__atomic_load_n(&page->sequence, __ATOMIC_ACQUIRE) + 1;
        if (__atomic_load_n(&attachment_told_at, __ATOMIC_RELAXED) != at &&
                        tell("X_INTERREX_GATE=attached") >= 0)
                __atomic_store_n(&attachment_told_at, at, __ATOMIC_RELAXED);
}

static void tell_waiting(struct waiting *waiting, uint64_t height, uint32_t sequence) {
        if (waiting->was_told && waiting->sequence == sequence && waiting->height == height)
                return;
        waiting->was_told = tell_number("X_INTERREX_GATE", height) >= 0;
        waiting->sequence = sequence;
        waiting->height = height;
}

static int64_t now(void) {
        struct timespec time;
        (void)clock_gettime(CLOCK_MONOTONIC, &time);
        return time.tv_sec * NSEC_PER_SEC + time.tv_nsec;
}

/* Until the sequence is another one or, at the latest, until the time UNTIL. */
static int wait_for_word(const struct interrex_gate_page *page, uint32_t sequence, int64_t until) {
        struct timespec time = {.tv_sec = until / NSEC_PER_SEC, .tv_nsec = until % NSEC_PER_SEC};
        long r = syscall(SYS_futex, &page->sequence, FUTEX_WAIT_BITSET, sequence,
                        until == INT64_MAX ? NULL : &time, NULL, FUTEX_BITSET_MATCH_ANY);
        return r < 0 && errno != EAGAIN && errno != ETIMEDOUT ? -errno : 0;
}

static int wait_until(const struct interrex_gate_page *page, uint64_t height, int64_t deadline) {
        struct waiting *waiting = &of_this_thread;
        for (;;) {
                uint32_t sequence = __atomic_load_n(&page->sequence, __ATOMIC_ACQUIRE);
                if (height < __atomic_load_n(&page->limit, __ATOMIC_ACQUIRE))
                        return 0;
                tell_waiting(waiting, height, sequence);
                int64_t time = now(), until = deadline;
                if (time >= deadline)
                        return -ETIMEDOUT;
                if (!waiting->was_told && deadline - time > TELL_AGAIN_MS * NSEC_PER_MSEC)
                        until = time + TELL_AGAIN_MS * NSEC_PER_MSEC;
                int r = wait_for_word(page, sequence, until);
                if (r < 0)
                        return r;
        }
}

int interrex_supervised(void) {
        (void)pthread_once(&once, find_supervisor);
        if (supervisor.gate_error < 0)
                return supervisor.gate_error;
        if (supervisor.page)
                return INTERREX_GATED;
        return supervisor.address_size > 0 ? INTERREX_NOTIFIED : INTERREX_ALONE;
}

int interrex_ready(void) {
        (void)pthread_once(&once, find_supervisor);
        return tell("READY=1");
}

int interrex_height(uint64_t height) {
        (void)pthread_once(&once, find_supervisor);
        return tell_number("X_INTERREX_HEIGHT", height);
}

int interrex_gate_wait(uint64_t height, int timeout_ms) {
        (void)pthread_once(&once, find_supervisor);
        const struct interrex_gate_page *page = supervisor.page;
        if (!page)
                return supervisor.gate_error;
        tell_attachment(page);
        if (height == 0 || height < __atomic_load_n(&page->limit, __ATOMIC_ACQUIRE))
                return 0;
        return wait_until(page, height, timeout_ms < 0 ? INT64_MAX : now() + timeout_ms * NSEC_PER_MSEC);
}

int interrex_gate(uint64_t height) {
        int r;
        do
                r = interrex_gate_wait(height, -1);
        while (r == -EINTR);
        return r;
}
