#include "chain.h"

#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <interrex/interrex.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

struct chain {
        const struct options *options;
        _Atomic uint64_t height;
        int height_fd, ledger_fd, lock_fd, block_lock_fd, notify_fd, signed_fd, signatures_fd;
        pthread_mutex_t writing;
};

/* commit_block() has the one argument that gates read, as in real nodes; its thread knows the rest. */
static _Thread_local struct chain *chain_of_thread;

static _Noreturn void give_up(int status, const char *what);
static int open_in(const char *folder, const char *name, int flags);
static void take_lock(struct chain *chain);
static void read_state(struct chain *chain);
static bool last_of_ledger(int fd, uint64_t *ret_height);
static void *run(void *argument);

struct chain *chain_open(const struct options *options) {
        struct chain *chain = mmap(
                        NULL, sizeof(*chain), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (chain == MAP_FAILED)
                give_up(1, "mmap");
        chain->options = options;
        chain->height_fd = chain->ledger_fd = chain->lock_fd = chain->block_lock_fd = chain->notify_fd =
                        chain->signed_fd = chain->signatures_fd = -1;
        (void)pthread_mutex_init(&chain->writing, NULL);
        if (!options->state)
                return chain;
        if (mkdir(options->state, 0755) < 0 && errno != EEXIST)
                give_up(4, options->state);
        take_lock(chain);
        if (options->lock_every_block)
                chain->block_lock_fd = open_in(options->state, "block-lock", O_RDWR | O_CREAT);
        chain->height_fd = open_in(options->state, "height", O_RDWR | O_CREAT);
        if (options->signatures) {
                chain->signed_fd = open_in(options->state, "signed", O_RDWR | O_CREAT);
                chain->signatures_fd = open(options->signatures, O_WRONLY | O_APPEND | O_CLOEXEC);
                if (chain->signatures_fd < 0)
                        give_up(4, options->signatures);
        }
        chain->ledger_fd = open_in(options->state, "ledger", O_RDWR | O_CREAT | O_APPEND);
        if (options->spoil_state) {
                if (pwrite(chain->height_fd, "spoiled by a bad release\n", 25, 0) < 0 ||
                                fsync(chain->height_fd) < 0)
                        give_up(4, "spoiling the height");
                (void)fprintf(stderr, "spoiled the state version=%s\n", options->version);
                exit(3);
        }
        read_state(chain);
        return chain;
}

void chain_start(struct chain *chain, int notify_fd) {
        pthread_t thread;
        chain->notify_fd = notify_fd;
        if (chain->options->block_ms == 0 || chain->options->never_advance)
                return;
        if (pthread_create(&thread, NULL, run, chain) != 0)
                give_up(1, "starting the committing thread");
        (void)pthread_detach(thread);
}

uint64_t chain_height(const struct chain *chain) {
        return atomic_load(&chain->height);
}

void chain_settle(struct chain *chain) {
        struct timespec deadline;
        (void)clock_gettime(CLOCK_REALTIME, &deadline);
        deadline.tv_sec++;
        (void)pthread_mutex_timedlock(&chain->writing, &deadline);
}

static void write_block(struct chain *chain, uint64_t height) {
        char text[256];
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        if (chain->block_lock_fd >= 0 && fcntl(chain->block_lock_fd, F_SETLKW, &lock) < 0)
                give_up(4, "locking for a block");
        /* The ledger first: after a kill between the two, it is what the height is read from. */
        int n = snprintf(text, sizeof(text), "%" PRIu64 " %s %d\n", height, chain->options->version,
                        getpid());
        if (chain->ledger_fd >= 0 &&
                        (write(chain->ledger_fd, text, (size_t)n) != n || fdatasync(chain->ledger_fd) < 0))
                give_up(4, "writing the ledger");
        n = snprintf(text, sizeof(text), "%020" PRIu64 "\n", height);
        if (chain->height_fd >= 0 && (pwrite(chain->height_fd, text, (size_t)n, 0) != n ||
                                                     fdatasync(chain->height_fd) < 0))
                give_up(4, "writing the height");
        lock.l_type = F_UNLCK;
        if (chain->block_lock_fd >= 0)
                (void)fcntl(chain->block_lock_fd, F_SETLK, &lock);
}

/* As a validator does: what is going to be signed is remembered durably before the signature leaves, and nothing is signed that is
 * not above it. */
static void sign_block(const struct chain *chain, uint64_t height) {
        char text[32] = "";
        if (pread(chain->signed_fd, text, sizeof(text) - 1, 0) < 0)
                give_up(4, "reading what was signed");
        if (strtoull(text, NULL, 10) >= height)
                return;
        int n = snprintf(text, sizeof(text), "%020" PRIu64 "\n", height);
        if (pwrite(chain->signed_fd, text, (size_t)n, 0) != n || fsync(chain->signed_fd) < 0)
                give_up(4, "remembering what is signed");
        (void)dprintf(chain->signatures_fd, "%" PRIu64 " %s %d\n", height, chain->options->version,
                        getpid());
}

static void tell(const struct chain *chain, uint64_t height) {
        char text[64];
        (void)dprintf(STDOUT_FILENO, "committed height=%" PRIu64 " version=%s\n", height,
                        chain->options->version);
        int n = snprintf(text, sizeof(text), "X_INTERREX_HEIGHT=%" PRIu64, height);
        if (chain->notify_fd >= 0)
                (void)send(chain->notify_fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

__attribute__((noipa, used)) void commit_block(uint64_t height) {
        struct chain *chain = chain_of_thread;
        (void)pthread_mutex_lock(&chain->writing);
        if (chain->signatures_fd >= 0)
                sign_block(chain, height);
        write_block(chain, height);
        atomic_store(&chain->height, height);
        if (chain->options->tell_every == 0 || height % chain->options->tell_every == 0)
                tell(chain, height);
        if (chain->options->cooperate)
                (void)interrex_height(height);
        (void)pthread_mutex_unlock(&chain->writing);
}

/* Exits like a node that must not go on without knowing. */
static void ask_gate(const struct chain *chain, uint64_t height) {
        int r = chain->options->cooperate && height >= chain->options->cooperate_from ? interrex_gate(height)
                                                                                      : 0;
        errno = -r;
        if (r < 0)
                give_up(5, "asking the gate");
}

/* Anybody's text may be in a log. */
static void pass_on_rumour(const struct chain *chain, uint64_t height) {
        if (chain->options->rumour_at != 0 && height == chain->options->rumour_at)
                (void)dprintf(STDOUT_FILENO,
                                "peer 192.0.2.1 says: UPGRADE \"v2.0.0\" NEEDED at height: %" PRIu64 "\n",
                                chain->options->upgrade_at);
}

/* As a node that was told where to stop. */
static void halt_behind(const struct chain *chain, uint64_t height) {
        if (chain->options->halt_height == 0 || height < chain->options->halt_height)
                return;
        (void)dprintf(STDOUT_FILENO, "halting node per configuration height=%" PRIu64 "\n", height);
        _exit(0);
}

/* As a chain whose old binary has no handler for what its governance has planned: the block is never begun. */
static void stand_before(const struct chain *chain, uint64_t height) {
        const struct options *options = chain->options;
        if (options->upgrade_at == 0 || height < options->upgrade_at)
                return;
        int fd = options->upgrade_info ? open(options->upgrade_info,
                                                         O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)
                                       : -1;
        if (fd >= 0 && (dprintf(fd, "{\"name\":\"v2.0.0\",\"height\":%" PRIu64 ",\"info\":\"\"}", height) <
                                                       0 ||
                                       close(fd) < 0))
                give_up(4, options->upgrade_info);
        (void)dprintf(STDOUT_FILENO, "UPGRADE \"v2.0.0\" NEEDED at height: %" PRIu64 "\n", height);
        if (options->upgrade_exits)
                _exit(1);
        for (;;)
                (void)pause();
}

static void *run(void *argument) {
        struct chain *chain = chain_of_thread = argument;
        struct timespec every = {.tv_sec = (time_t)(chain->options->block_ms / 1000),
                        .tv_nsec = (long)(chain->options->block_ms % 1000) * 1000000};
        struct itimerspec timer = {every, every};
        uint64_t ticks;
        int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
        if (fd < 0 || timerfd_settime(fd, 0, &timer, NULL) < 0)
                give_up(1, "timing blocks");
        for (;;) {
                uint64_t next = chain_height(chain) + 1, burst_from = chain->options->burst_from;
                bool is_due = burst_from != 0 && next >= burst_from;
                if (is_due || read(fd, &ticks, sizeof(ticks)) == sizeof(ticks)) {
                        if (!chain->options->follow || peer_height(chain->options->follow) >= next) {
                                stand_before(chain, next);
                                ask_gate(chain, next);
                                commit_block(next);
                                pass_on_rumour(chain, next);
                                halt_behind(chain, next);
                        }
                } else if (errno != EINTR)
                        give_up(1, "waiting for the next block");
        }
}

static void take_lock(struct chain *chain) {
        const char *kind = chain->options->lock;
        bool try = chain->options->lock_try;
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int r = 0;
        if (strcmp(kind, "none") == 0)
                return;
        chain->lock_fd = open_in(chain->options->state, "LOCK", O_RDWR | O_CREAT);
        if (strcmp(kind, "flock") == 0)
                r = flock(chain->lock_fd, LOCK_EX | (try ? LOCK_NB : 0));
        else if (strcmp(kind, "posix") == 0)
                r = fcntl(chain->lock_fd, try ? F_SETLK : F_SETLKW, &lock);
        else if (strcmp(kind, "ofd") == 0)
                r = fcntl(chain->lock_fd, try ? F_OFD_SETLK : F_OFD_SETLKW, &lock);
        else
                give_up(2, "--lock takes flock, posix, ofd or none");
        if (r < 0)
                give_up(1, "another process has the lock of this state");
}

static void read_state(struct chain *chain) {
        char text[64] = "";
        uint64_t height = 0, last = 0;
        ssize_t n = pread(chain->height_fd, text, sizeof(text) - 1, 0);
        if (n < 0)
                give_up(4, "reading the height");
        if (n > 0) {
                char *end = NULL;
                errno = 0;
                height = strtoull(text, &end, 10);
                if (errno || end == text || *end != '\n')
                        give_up(4, "the state is damaged: its height is no number");
        }
        errno = 0;
        if (!last_of_ledger(chain->ledger_fd, &last))
                give_up(4, "the state is damaged: its ledger ends in a broken line");
        atomic_store(&chain->height, last > height ? last : height);
        (void)dprintf(STDOUT_FILENO, "opened height=%" PRIu64 " version=%s\n", chain_height(chain),
                        chain->options->version);
}

static bool last_of_ledger(int fd, uint64_t *ret_height) {
        char text[513] = "";
        off_t size = lseek(fd, 0, SEEK_END);
        if (size == 0)
                return true;
        off_t from = size > 512 ? size - 512 : 0;
        ssize_t n = pread(fd, text, 512, from);
        if (n < 2 || text[n - 1] != '\n')
                return false;
        text[n - 1] = '\0';
        char *line = strrchr(text, '\n');
        return sscanf(line ? line + 1 : text, "%" SCNu64, ret_height) == 1;
}

static int open_in(const char *folder, const char *name, int flags) {
        char path[4096];
        (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
        int fd = open(path, flags | O_CLOEXEC, 0644);
        if (fd < 0)
                give_up(4, path);
        return fd;
}

static _Noreturn void give_up(int status, const char *what) {
        (void)fprintf(stderr, "testnode: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
        _exit(status);
}
