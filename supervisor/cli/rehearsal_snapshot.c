#include "../archivist/snapshot.h"
#include "../lib/release_files.h"
#include "interrupt.h"
#include "rehearsal.h"
#include "rehearsal_freeze.h"
#include <fcntl.h>
#include <fts.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define LOOK_MS 100

/* A process of its own takes it: so it can be broken off in the middle of a large file. */
struct taking {
        int pid, answer_fd;
};

struct answer {
        int result;
        char error[1024];
};

static int take_standing_still(struct rehearsal *rehearsal, int pid, int supervisor, enum snapshot_kind kind,
                char **ret_error);
static int forget_keys(const struct rehearsal *rehearsal, char **ret_error);

int rehearsal_snapshot(struct rehearsal *rehearsal, int pid, int supervisor, char **ret_error) {
        const struct state_config *state = &rehearsal->config->state;
        struct snapshot_plan plan;
        if (!state->directory)
                return 0;
        int r = snapshot_plan(state, &plan);
        if (r < 0 || plan.kind == SNAPSHOT_NONE || plan.kind == SNAPSHOT_HOOK)
                return fail_with(ret_error, -EOPNOTSUPP, "there is nothing to rehearse on: %s",
                                plan.kind == SNAPSHOT_HOOK ? "the snapshots of state.snapshot: hook are not "
                                                             "made by interrex"
                                                           : plan.reason);
        /* One that an earlier rehearsal left when it was killed is of an older state. */
        r = snapshot_remove(state, REHEARSAL_SNAPSHOT, ret_error);
        if (r < 0)
                return r;
        const char *name = strrchr(state->directory, '/');
        (void)snprintf(rehearsal->snapshot, sizeof(rehearsal->snapshot),
                        "%.*s/.%s.interrex-" REHEARSAL_SNAPSHOT, (int)(name - state->directory),
                        state->directory, name + 1);
        r = take_standing_still(
                        rehearsal, plan.kind == SNAPSHOT_BTRFS ? 0 : pid, supervisor, plan.kind, ret_error);
        if (r < 0)
                return r;
        rehearsal->has_snapshot = true;
        return forget_keys(rehearsal, ret_error);
}

uint64_t rehearsal_size(const struct rehearsal *rehearsal) {
        char *const paths[] = {(char *)rehearsal->snapshot, NULL};
        FTS *tree = rehearsal->has_snapshot ? fts_open(paths, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL)
                                            : NULL;
        uint64_t size = 0;
        for (const FTSENT *entry; tree && (entry = fts_read(tree));)
                if (entry->fts_info == FTS_F)
                        size += (uint64_t)entry->fts_statp->st_blocks * 512;
        if (tree)
                (void)fts_close(tree);
        return size;
}

static _Noreturn void take(const struct state_config *state, enum snapshot_kind kind, int answer_fd) {
        struct answer answer = {0};
        char *error = NULL;
        answer.result = snapshot_take(state, REHEARSAL_SNAPSHOT, kind, &error);
        if (answer.result < 0)
                text_copy(answer.error, sizeof(answer.error), error ? error : strerror(-answer.result));
        _exit(write(answer_fd, &answer, sizeof(answer)) == sizeof(answer) ? 0 : 1);
}

static int start_taking(const struct state_config *state, enum snapshot_kind kind, int hold_fd,
                struct taking *ret_taking) {
        int ends[2], parent = getpid();
        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        int pid = fork(), error = errno;
        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                close_fd(hold_fd);
                close_fd(ends[0]);
                (void)setsid(); /* what the terminal sends is for the one who breaks this off */
                if (getppid() != parent)
                        _exit(1);
                take(state, kind, ends[1]);
        }
        close_fd(ends[1]);
        if (pid < 0) {
                close_fd(ends[0]);
                return -error;
        }
        *ret_taking = (struct taking){pid, ends[0]};
        return 0;
}

/* Until it has ended, or is to end, which it may not do at once in a long system call. */
static void wait_for_answer(const struct taking *taking) {
        struct pollfd ended = {.fd = taking->answer_fd, .events = POLLIN};
        while (!interrupt_came())
                if (poll(&ended, 1, LOOK_MS) == 1)
                        return;
        (void)kill(taking->pid, SIGKILL);
}

static int finish_taking(struct taking *taking, char **ret_error) {
        struct answer answer;
        ssize_t n = read(taking->answer_fd, &answer, sizeof(answer));
        taking->answer_fd = close_fd(taking->answer_fd);
        while (waitpid(taking->pid, NULL, 0) < 0 && errno == EINTR)
                continue;
        if (interrupt_came())
                return fail_with(ret_error, -EINTR, "it was broken off");
        if (n != sizeof(answer))
                return fail_with(ret_error, -ECHILD, "the process that took the snapshot was killed");
        return answer.result < 0 ? fail_with(ret_error, answer.result, "%s", answer.error) : 0;
}

/* PID 0: nobody has to stand still. */
static int take_standing_still(struct rehearsal *rehearsal, int pid, int supervisor, enum snapshot_kind kind,
                char **ret_error) {
        struct freeze freeze = FREEZE_NONE;
        struct taking taking = {.answer_fd = -1};
        int r = pid > 0 ? freeze_begin(pid, supervisor, &freeze) : 0;
        if (r < 0)
                return fail_with(ret_error, r, "the node (process %d) cannot be frozen for the snapshot: %s",
                                pid, strerror(-r));
        r = start_taking(&rehearsal->config->state, kind, freeze.hold_fd, &taking);
        if (r >= 0)
                wait_for_answer(&taking);
        rehearsal->frozen_us = freeze_end(&freeze);
        return r < 0 ? fail_with(ret_error, r, "cannot make a process: %s", strerror(-r))
                     : finish_taking(&taking, ret_error);
}

/* Never over a link that leads out of the snapshot: the live node's own lies there. */
static int remove_below(int root, const char *entry) {
        const struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
        _cleanup_free_ char *path = strdup(entry);
        if (!path)
                return -ENOMEM;
        for (size_t n = strlen(path); n > 0 && path[n - 1] == '/'; n--)
                path[n - 1] = '\0';
        char *slash = strrchr(path, '/');
        if (!slash)
                return tree_remove(root, path);
        *slash = '\0';
        _cleanup_close_ int parent = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
        if (parent < 0)
                return errno == ENOENT ? 0 : -errno;
        return tree_remove(parent, slash + 1);
}

/* I8: nothing that could sign is there. */
static int forget_keys(const struct rehearsal *rehearsal, char **ret_error) {
        const struct state_config *state = &rehearsal->config->state;
        _cleanup_close_ int fd =
                        state->signer == SIGNER_FILES ? directory_open(AT_FDCWD, rehearsal->snapshot) : -1;
        for (size_t i = 0; fd >= 0 && state->keep && state->keep[i]; i++) {
                int r = remove_below(fd, state->keep[i]);
                if (r < 0)
                        return fail_with(ret_error, r, "cannot take %s out of the snapshot: %s",
                                        state->keep[i],
                                        r == -EXDEV ? "a symbolic link on its way leads out of the snapshot"
                                                    : strerror(-r));
        }
        return state->signer == SIGNER_FILES && fd < 0
                               ? fail_with(ret_error, fd, "cannot open the snapshot %s", rehearsal->snapshot)
                               : 0;
}
