#include "options.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MAX 128

enum option_kind { FLAG, NUMBER, TEXT, TEXTS };

struct option_row {
        const char *name;
        enum option_kind kind;
        size_t offset;
        const char *help;
};

#define ROW(name, kind, member, help) \
        { name, kind, offsetof(struct options, member), help }

static const struct option_row rows[] = {
                ROW("--listen", TEXTS, listen, "IP:PORT to listen on, several times if need be"),
                ROW("--state", TEXT, state, "folder of height, ledger and LOCK"),
                ROW("--version", TEXT, version, "what answers and ledger say"),
                ROW("--block-ms", NUMBER, block_ms, "a block is committed so often"),
                ROW("--lock", TEXT, lock, "flock, posix, ofd or none"),
                ROW("--lock-try", FLAG, lock_try, "do not wait for the lock: exit 1 if it is taken"),
                ROW("--lock-every-block", FLAG, lock_every_block,
                                "take and release a POSIX lock at each block"),
                ROW("--start-ms", NUMBER, start_ms, "time between lock and listen"),
                ROW("--stop-ms", NUMBER, stop_ms, "time between SIGTERM and the stop"),
                ROW("--close-first", FLAG, close_first, "close the listener at SIGTERM"),
                ROW("--ignore-term", FLAG, ignore_term, "ignore SIGTERM"),
                ROW("--exit-at-once", NUMBER, exit_at_once, "exit with this status at once"),
                ROW("--exit-after-ms", NUMBER, exit_after_ms, "exit with status 9 so long after the start"),
                ROW("--never-listen", FLAG, never_listen, "run without listening"),
                ROW("--listen-never-accept", FLAG, listen_never_accept, "listen without accepting"),
                ROW("--accept-never-answer", FLAG, accept_never_answer, "accept and read without answering"),
                ROW("--lie-from", NUMBER, lie_from, "answer wrong heights from this one on"),
                ROW("--lie-until", NUMBER, lie_until, "and the right ones again from this one on"),
                ROW("--compatible-until", NUMBER, compatible_until,
                                "the last height that /v1/node_version_info says it can serve"),
                ROW("--answer-status", NUMBER, answer_status, "HTTP status of all answers"),
                ROW("--never-advance", FLAG, never_advance, "commit no block"),
                ROW("--spoil-state", FLAG, spoil_state, "overwrite the height with garbage and exit 3"),
                ROW("--reopen-ms", NUMBER, reopen_ms, "close and reopen the listeners so often"),
                ROW("--backlog", NUMBER, backlog, "of listen(), 128 by default"),
                ROW("--workers", NUMBER, workers, "processes that share the listeners"),
                ROW("--reuseport-workers", NUMBER, reuseport_workers,
                                "processes with listeners of their own"),
                ROW("--shutdown-listener", FLAG, shutdown_listener, "shutdown() the listeners at the stop"),
                ROW("--listen-fds", FLAG, listen_fds, "take the sockets of LISTEN_FDS"),
                ROW("--notify", FLAG, notify, "READY=1 and X_INTERREX_HEIGHT= to NOTIFY_SOCKET"),
                ROW("--tell-every", NUMBER, tell_every,
                                "log and notify only heights that are multiples of this"),
                ROW("--cooperate", FLAG, cooperate, "tell and ask the supervisor through libinterrex"),
                ROW("--cooperate-from", NUMBER, cooperate_from,
                                "the same, but ask only from this height on"),
                ROW("--cooperate-unless", TEXT, cooperate_unless,
                                "ask nothing if this file is there at the start"),
                ROW("--udp", TEXT, udp, "IP:PORT of an echo"),
                ROW("--unix", TEXT, unix_path, "path of one more listener"),
                ROW("--signatures", TEXT, signatures,
                                "file that tells what it signed; STATE/signed is its memory"),
                ROW("--dial", TEXT, dial, "IP:PORT to connect to from the listening port"),
                ROW("--stray", TEXT, stray,
                                "cgroup.procs of a cgroup that a daemon of the node's moves itself to"),
                ROW("--follow", TEXT, follow, "IP:PORT of another test node: only what it has is committed"),
                ROW("--halt-height", NUMBER, halt_height, "exit with status 0 behind this block"),
                ROW("--upgrade-at", NUMBER, upgrade_at,
                                "as a chain that plans its upgrades: stand before it"),
                ROW("--upgrade-info", TEXT, upgrade_info, "the file that then says so"),
                ROW("--rumour-at", NUMBER, rumour_at,
                                "log at this height that a peer stands before --upgrade-at"),
                ROW("--burst-from", NUMBER, burst_from,
                                "as one that catches up: no pause from this height on"),
                ROW("--upgrade-exits", FLAG, upgrade_exits, "and exit with status 1 instead of standing"),
};

static size_t add_words_of_release(char *text, char **words, size_t n);
static void usage(const char *why, const char *what);
static void take(struct options *options, const struct option_row *row, char *value);
static uint64_t number_of(const char *text);

void options_read(int argc, char **argv, struct options *ret_options) {
        char *words[WORDS_MAX];
        size_t n = 0;
        for (int i = 1; i < argc && n < WORDS_MAX; i++)
                words[n++] = argv[i];
        *ret_options = (struct options){
                        .version = "0.0.0", .lock = "none", .exit_at_once = NUMBER_UNSET, .backlog = 128};
        n = add_words_of_release(ret_options->release_words, words, n);

        for (size_t i = 0; i < n; i++) {
                const struct option_row *row = NULL;
                for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++)
                        if (strcmp(words[i], rows[k].name) == 0)
                                row = &rows[k];
                if (!row)
                        usage("no such option", words[i]);
                else if (row->kind == FLAG)
                        take(ret_options, row, NULL);
                else if (i + 1 == n)
                        usage("a value is missing after", words[i]);
                else
                        take(ret_options, row, words[++i]);
        }
        if (ret_options->cooperate_unless && access(ret_options->cooperate_unless, F_OK) == 0)
                ret_options->cooperate_from = UINT64_MAX;
}

static size_t add_words_of_release(char *text, char **words, size_t n) {
        char path[PATH_MAX], *rest = NULL;
        ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - sizeof("testnode.args"));
        char *slash = length > 0 ? memrchr(path, '/', (size_t)length) : NULL;
        if (!slash)
                return n;
        memcpy(slash + 1, "testnode.args", sizeof("testnode.args"));
        FILE *file = fopen(path, "re");
        if (!file)
                return n;
        size_t size = fread(text, 1, RELEASE_WORDS_SIZE - 1, file);
        (void)fclose(file);
        if (size == RELEASE_WORDS_SIZE - 1)
                usage("4095 bytes at most go into", path);
        for (char *word = strtok_r(text, " \t\n", &rest); word && n < WORDS_MAX;
                        word = strtok_r(NULL, " \t\n", &rest))
                words[n++] = word;
        return n;
}

static void take(struct options *options, const struct option_row *row, char *value) {
        char *at = (char *)options + row->offset;
        if (row->kind == FLAG) {
                *(bool *)at = true;
        } else if (row->kind == NUMBER) {
                *(uint64_t *)at = number_of(value);
        } else if (row->kind == TEXT) {
                *(const char **)at = value;
        } else {
                if (options->n_listen == LISTEN_MAX)
                        usage("too many", row->name);
                options->listen[options->n_listen++] = value;
        }
}

static uint64_t number_of(const char *text) {
        char *end = NULL;
        unsigned long long value = strtoull(text, &end, 10);
        if (*text < '0' || *text > '9' || *end)
                usage("not a number:", text);
        return value;
}

static void usage(const char *why, const char *what) {
        (void)fprintf(stderr, "testnode: %s %s. Options:\n", why, what);
        for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++)
                (void)fprintf(stderr, "  %-22s %s\n", rows[k].name, rows[k].help);
        exit(2);
}
