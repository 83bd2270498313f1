#include "../lib/log.h"
#include "../lib/release.h"
#include "../lib/version.h"
#include "commands.h"
#include "interrupt.h"
#include "node.h"
#include "output.h"
#include "rehearsal.h"
#include "status.h"
#include "text.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>

#define LOOK_MS 50
#define LOOKS_AT_LIVE 10             /* between two looks at the live node */
#define SPARE_US (10 * USEC_PER_SEC) /* for everything but preparing and proving */
#define LOG_SHOWN 2000

struct outcome {
        bool is_proved, is_given_up; /* given up: nothing was learned about the release */
        uint64_t took_us, memory_kb, size_before, size_after;
        char reason[512];
        json_int_t live_height; /* when the snapshot was about to be taken; -1: not known */
        json_t *status;         /* the last one */
};

static bool stands_at_gate(const json_t *status);
static int find_release(const struct node *node, const char *version);
static int rehearse(const struct arguments *arguments, const struct node *node, const json_t *live,
                struct rehearsal *rehearsal, struct outcome *outcome);
static void watch(const struct arguments *arguments, const struct node *live, struct rehearsal *rehearsal,
                struct outcome *outcome);
static int report(const struct arguments *arguments, const struct node *node,
                const struct rehearsal *rehearsal, const struct outcome *outcome);

int command_rehearse(const struct arguments *arguments) {
        _cleanup_(node_done) struct node node = {0};
        _cleanup_(output_json_done) json_t *live = NULL;
        struct rehearsal rehearsal = REHEARSAL_NONE;
        struct outcome outcome = {0};
        int status = node_find(arguments, false, &node);
        if (status == 0)
                status = status_ask(&node, &live);
        if (status != 0)
                return status;
        if (geteuid() != 0) {
                log_error("only root can rehearse: try sudo");
                return EXIT_NOT_PERMITTED;
        }
        if (arguments->at_gate && !stands_at_gate(live)) {
                log_error("nothing was rehearsed: node %s does not stand at its gate (it is %s); without "
                          "--at-gate "
                          "%s is tried on the state as it is now",
                                node.name, json_string_value(json_object_get(live, "phase")),
                                arguments->words[0]);
                return EXIT_FAILED;
        }
        status = find_release(&node, arguments->words[0]);
        if (status != 0)
                return status;
        interrupt_catch();
        _cleanup_close_ int lock = open(node.state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        /* One of a swap that was given up ends by itself. */
        if (lock < 0 || flock(lock, arguments->at_gate ? LOCK_EX : LOCK_EX | LOCK_NB) < 0) {
                log_error("node %s cannot be rehearsed on: %s", node.name,
                                errno == EWOULDBLOCK ? "another rehearsal is under way; wait for its end"
                                                     : strerror(errno));
                return EXIT_FAILED;
        }
        status = rehearse(arguments, &node, live, &rehearsal, &outcome);
        if (status == 0)
                status = report(arguments, &node, &rehearsal, &outcome);
        json_decref(outcome.status);
        interrupt_block();
        rehearsal_end(&rehearsal);
        return status;
}

static bool stands_at_gate(const json_t *status) {
        const char *phase = json_string_value(json_object_get(status, "phase"));
        return !phase || strcmp(phase, "gating") == 0;
}

static int find_release(const struct node *node, const char *version) {
        struct version parsed;
        struct release release = {0};
        char here[RELEASE_HERE_MAX];
        if (version_parse(version, &parsed) < 0) {
                log_error("%s is not a version: give one as `interrex release list` shows it, such as 1.7.1",
                                version);
                return EXIT_USAGE;
        }
        int r = release_load(node->releases, version, &release);
        release_done(&release);
        if (r == -ENOENT)
                log_error("release %s is not here (%s): add it with `interrex release add %s %s PATH`, then "
                          "rehearse it",
                                version, release_here(node->releases, here, sizeof(here)), node->name,
                                version);
        else if (r < 0)
                log_error("release %s cannot be read (%s): add it again with `interrex release add %s %s "
                          "PATH`",
                                version, strerror(-r), node->name, version);
        return r < 0 ? EXIT_FAILED : 0;
}

static int rehearse(const struct arguments *arguments, const struct node *node, const json_t *live,
                struct rehearsal *rehearsal, struct outcome *outcome) {
        _cleanup_free_ char *error = NULL;
        const char *config = json_string_value(json_object_get(live, "config"));
        int pid = (int)json_integer_value(json_object_get(live, "pid"));
        int r = config ? rehearsal_prepare(rehearsal, config, node->releases, arguments->words[0], &error)
                       : -ENOENT;
        if (r >= 0)
                r = rehearsal_snapshot(rehearsal, pid, node_supervisor(node), &error);
        const json_t *height = json_object_get(live, "height");
        outcome->live_height = json_is_integer(height) ? json_integer_value(height) : -1;
        outcome->size_before = rehearsal_size(rehearsal);
        uint64_t begun_at = now_monotonic();
        if (r >= 0)
                r = rehearsal_start(rehearsal, &error);
        if (r < 0 && !interrupt_came()) {
                log_error("nothing was rehearsed: %s", error ? error : strerror(-r));
                return EXIT_FAILED;
        }
        if (r >= 0)
                watch(arguments, node, rehearsal, outcome);
        if (interrupt_came()) {
                log_error("the rehearsal of release %s is broken off, and what it made is removed: nothing "
                          "was "
                          "learned about the release",
                                arguments->words[0]);
                return EXIT_FAILED;
        }
        outcome->took_us = now_monotonic() - begun_at;
        outcome->size_after = rehearsal_size(rehearsal);
        return 0;
}

static uint64_t peak_memory(int pid) {
        char path[64], line[128];
        uint64_t peak = 0;
        (void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
        _cleanup_fclose_ FILE *file = fopen(path, "re");
        while (file && fgets(line, sizeof(line), file))
                if (sscanf(line, "VmHWM: %lu kB", &peak) == 1)
                        break;
        return peak;
}

/* True: there is nothing more to wait for. */
static bool has_ended(const json_t *status, struct outcome *outcome) {
        const char *phase = json_string_value(json_object_get(status, "phase"));
        const char *reason = json_string_value(json_object_get(status, "reason"));
        if (!phase)
                return false;
        outcome->is_proved = strcmp(phase, "running") == 0;
        /* One start is enough, whether it crashed or was not healthy in time: no next try makes it a good release. */
        bool has_failed = !outcome->is_proved && (reason || strcmp(phase, "held") == 0);
        if (has_failed)
                text_copy(outcome->reason, sizeof(outcome->reason), reason ? reason : "it ended by itself");
        return outcome->is_proved || has_failed;
}

/* The swap that asked for it may have been cancelled. */
static bool has_left_gate(const struct arguments *arguments, const struct node *live, unsigned look) {
        _cleanup_(output_json_done) json_t *status = NULL;
        return arguments->at_gate && look % LOOKS_AT_LIVE == 0 && status_ask(live, &status) == 0 &&
               !stands_at_gate(status);
}

static void watch(const struct arguments *arguments, const struct node *live, struct rehearsal *rehearsal,
                struct outcome *outcome) {
        struct arguments there = *arguments;
        struct pollfd ended = {.fd = rehearsal->pidfd, .events = POLLIN};
        const struct deadline_config *deadlines = &rehearsal->config->deadlines;
        uint64_t deadline = now_monotonic() + deadlines->prepare_us + deadlines->prove_us + SPARE_US;
        there.state_dir = rehearsal->state_dir;
        there.run_dir = rehearsal->run_dir;
        there.node = rehearsal->config->node;
        text_copy(outcome->reason, sizeof(outcome->reason), "it was not healthy within deadlines.prove");
        for (unsigned look = 0; now_monotonic() < deadline && !interrupt_came(); look++) {
                if (has_left_gate(arguments, live, look)) {
                        text_copy(outcome->reason, sizeof(outcome->reason),
                                        "the node stands at its gate no more");
                        outcome->is_given_up = true;
                        return;
                }
                _cleanup_(node_done) struct node node = {0};
                if (poll(&ended, 1, LOOK_MS) == 1) {
                        text_copy(outcome->reason, sizeof(outcome->reason), "its supervisor ended");
                        return;
                }
                if (node_find(&there, true, &node) != 0 || access(node.control, F_OK) < 0)
                        continue;
                json_t *status = NULL;
                if (status_ask(&node, &status) != 0)
                        continue;
                json_decref(outcome->status);
                outcome->status = status;
                uint64_t memory = peak_memory((int)json_integer_value(json_object_get(status, "pid")));
                outcome->memory_kb = memory > outcome->memory_kb ? memory : outcome->memory_kb;
                if (has_ended(status, outcome))
                        return;
        }
}

static char *last_of_log(const struct rehearsal *rehearsal) {
        char *text = calloc(1, LOG_SHOWN + 1);
        struct stat st;
        _cleanup_close_ int fd = open(rehearsal->log, O_RDONLY | O_CLOEXEC);
        if (!text || fd < 0 || fstat(fd, &st) < 0)
                return text;
        ssize_t n = pread(fd, text, LOG_SHOWN, st.st_size > LOG_SHOWN ? st.st_size - LOG_SHOWN : 0);
        if (n < 0)
                text[0] = '\0';
        return text;
}

static json_t *report_json(const struct arguments *arguments, const struct rehearsal *rehearsal,
                const struct outcome *outcome) {
        json_t *height = json_object_get(outcome->status, "height");
        return json_pack("{s:s, s:b, s:o, s:f, s:f, s:I, s:I, s:O?, s:o}", "release", arguments->words[0],
                        "ok", outcome->is_proved, "reason",
                        outcome->is_proved ? json_null() : json_string(outcome->reason), "start_s",
                        (double)outcome->took_us / (double)USEC_PER_SEC, "frozen_s",
                        (double)rehearsal->frozen_us / (double)USEC_PER_SEC, "memory_bytes",
                        (json_int_t)outcome->memory_kb * 1024, "growth_bytes",
                        (json_int_t)(outcome->size_after - outcome->size_before), "height", height,
                        "live_height",
                        outcome->live_height < 0 ? json_null() : json_integer(outcome->live_height));
}

/* It is healthy, and has perhaps begun another chain. */
static void warn_of_height(const struct outcome *outcome, const json_t *height) {
        if (!json_is_integer(height) || json_integer_value(height) >= outcome->live_height)
                return;
        (void)printf("  warning: the live node stood at height %" JSON_INTEGER_FORMAT
                     " before: either it had not written its newest blocks, or the release has not read "
                     "this "
                     "state and begins anew\n",
                        outcome->live_height);
}

static int report(const struct arguments *arguments, const struct node *node,
                const struct rehearsal *rehearsal, const struct outcome *outcome) {
        char took[TEXT_DURATION_MAX], frozen[TEXT_DURATION_MAX];
        _cleanup_(output_json_done) json_t *json = report_json(arguments, rehearsal, outcome);
        const json_t *height = json_object_get(outcome->status, "height");
        int exit_status = outcome->is_proved ? EXIT_DONE : EXIT_FAILED;
        int r = outcome->is_given_up ? 0
                                     : release_note_rehearsal(node->releases, arguments->words[0],
                                                       outcome->is_proved ? NULL : outcome->reason);
        if (r < 0)
                log_warning("how %s was rehearsed cannot be noted for `interrex plan`: %s",
                                arguments->words[0], strerror(-r));
        if (arguments->json)
                return output_json(json) == 0 ? exit_status : EXIT_FAILED;
        text_duration(outcome->took_us, took);
        text_duration(rehearsal->frozen_us, frozen);
        (void)printf("release %s of node %s %s\n", arguments->words[0], node->name,
                        outcome->is_proved     ? "starts on this state and answers its probes"
                        : outcome->is_given_up ? "was not tried to the end"
                                               : "does not do on this state");
        (void)printf("  after %s, %.1f MB of memory, %+.1f MB on disk; the live node stood still for %s\n",
                        took, (double)outcome->memory_kb / 1e3,
                        ((double)outcome->size_after - (double)outcome->size_before) / 1e6, frozen);
        if (json_is_integer(height))
                (void)printf("  it read height %" JSON_INTEGER_FORMAT "\n", json_integer_value(height));
        warn_of_height(outcome, height);
        if (!outcome->is_proved) {
                _cleanup_free_ char *log = last_of_log(rehearsal);
                (void)printf("  because %s\nthe end of its log:\n", outcome->reason);
                char *rest = log, *line;
                while ((line = strsep(&rest, "\n"))) {
                        (void)fputs("    ", stdout);
                        text_put(stdout, line);
                        (void)fputc('\n', stdout);
                }
        }
        return exit_status;
}
