#include "../lib/log.h"
#include "../lib/release.h"
#include "../lib/version.h"
#include "commands.h"
#include "control.h"
#include "output.h"
#include "status.h"
#include "text.h"
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/pidfd.h>

/* From the director's answer to Stop until the keeper has let go of everything. */
#define KEEPER_END_TIMEOUT_MS 20000
#define LOOK_MS 100

struct swap_request {
        const char *method;
        const char *version; /* Upgrade only */
        uint64_t height;
        bool now;
};

/* What is told to whoever interrupts the command while it waits. */
struct interruption {
        const struct node *node;
        uint64_t id;
        bool can_be_cancelled;
        bool is_watched;
        pthread_t thread;
        sigset_t mask; /* as it was */
};

static void tell_begun(const struct arguments *arguments, const struct node *node,
                const struct swap_request *request, const char *what, uint64_t id);
static void print_promises(const json_t *status, uint64_t height);
static void print_rehearsal(const struct node *node, const char *version, bool is_to_come);
static int begin_swap(const struct node *node, const struct swap_request *request, uint64_t *ret_id);
static int tell_try(const struct node *node, bool waits);
static void interruption_begin(struct interruption *about);
static void interruption_end(struct interruption *about);
static int wait_for_swap(const struct node *node, uint64_t id);
static int tell_outcome(const struct node *node, uint64_t id, const char *outcome, const char *reason);
static int outcome_in_journal(const struct node *node, uint64_t id);

static int run_swap(
                const struct arguments *arguments, const struct swap_request *request, const char *what) {
        _cleanup_(node_done) struct node node = {0};
        uint64_t id = 0;
        int status = node_find(arguments, false, &node);
        if (status == 0)
                status = begin_swap(&node, request, &id);
        if (status != 0)
                return status;
        if (id == CONTROL_SWAP_NONE)
                return tell_try(&node, arguments->wait);
        _cleanup_(interruption_end) struct interruption interruption = {
                        .node = &node, .id = id, .can_be_cancelled = arguments->has_at};
        if (arguments->wait)
                interruption_begin(&interruption);
        tell_begun(arguments, &node, request, what, id);
        return arguments->wait ? wait_for_swap(&node, id) : EXIT_DONE;
}

static void tell_begun(const struct arguments *arguments, const struct node *node,
                const struct swap_request *request, const char *what, uint64_t id) {
        _cleanup_(output_json_done) json_t *status = NULL;
        (void)printf("%s: swap %" PRIu64 " of node %s; `interrex watch %s` shows how it goes\n", what, id,
                        node->name, node->name);
        (void)fflush(stdout); /* before what may take a while */
        if (status_ask(node, &status) == 0)
                print_promises(status, arguments->has_at ? arguments->at : CONTROL_HEIGHT_NONE);
        if (arguments->has_at)
                print_rehearsal(node, request->version,
                                json_is_true(json_object_get(status, "rehearses_at_gate")));
        (void)fflush(stdout);
}

/* IS_TO_COME: the swap does it by itself, on a newer state. */
static void print_rehearsal(const struct node *node, const char *version, bool is_to_come) {
        char reason[512], time[TEXT_TIME_MAX];
        uint64_t at;
        if (release_failed_rehearsal(node->releases, version, reason, sizeof(reason), &at)) {
                text_time(at, time);
                (void)printf("warning: %s failed its rehearsal on %s: ", version, time);
                text_put(stdout, reason);
                (void)printf("; `interrex cancel %s` disarms it\n", node->name);
        } else if (!is_to_come && !release_was_rehearsed(node->releases, version))
                (void)printf("%s was not rehearsed on this node's state: `interrex rehearse %s %s` would "
                             "tell whether it does\n",
                                version, node->name, version);
}

/* Only what is armed is told about: meanwhile it may have been cancelled or over. */
static void print_gate(const json_t *status, uint64_t height) {
        const json_t *next = json_object_get(status, "next");
        const char *gate = json_string_value(json_object_get(next, "gate"));
        if (!gate || (uint64_t)json_integer_value(json_object_get(next, "height")) != height)
                return;
        (void)fputs("the gate is ", stdout);
        text_put(stdout, gate);
        (void)putchar('\n');
        const char *on_failure = json_string_value(json_object_get(next, "on_failure"));
        if (on_failure) {
                text_put(stdout, on_failure);
                (void)putchar('\n');
        }
}

static void print_promises(const json_t *status, uint64_t height) {
        const char *warning = json_string_value(json_object_get(status, "signer_warning"));
        if (height != CONTROL_HEIGHT_NONE)
                print_gate(status, height);
        if (warning) {
                text_put(stdout, warning);
                (void)putchar('\n');
        }
}

int command_upgrade(const struct arguments *arguments) {
        struct version version;
        char what[VERSION_TEXT_MAX + 96];
        struct swap_request request = {
                        .method = "Upgrade",
                        .version = arguments->words[0],
                        .height = arguments->has_at ? arguments->at : CONTROL_HEIGHT_NONE,
                        .now = arguments->now,
        };
        if (version_parse(request.version, &version) < 0) {
                log_error("%s is not a version: give one as `interrex release list` shows it, such as 1.7.1",
                                request.version);
                return EXIT_USAGE;
        }
        if (arguments->has_at)
                (void)snprintf(what, sizeof(what), "upgrade to %s is armed for height %" PRIu64,
                                request.version, arguments->at);
        else
                (void)snprintf(what, sizeof(what), "upgrade to %s has begun", request.version);
        return run_swap(arguments, &request, what);
}

int command_rollback(const struct arguments *arguments) {
        const struct swap_request request = {.method = "Rollback"};
        return run_swap(arguments, &request, "rollback has begun");
}

int command_restart(const struct arguments *arguments) {
        const struct swap_request request = {.method = "Restart"};
        return run_swap(arguments, &request, "restart has begun");
}

/* control_ask() or control_call(). */
typedef int (*control_way)(const struct node *node, const char *method, uint64_t timeout_us,
                sd_bus_error *ret_error, sd_bus_message **ret_reply, const char *types, ...);

/* A call that takes and gives nothing; WHAT follows the node's name in what the operator is told. */
static int tell(const struct arguments *arguments, control_way way, const char *method, const char *what) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(node_done) struct node node = {0};
        int status = node_find(arguments, false, &node);
        if (status != 0)
                return status;
        int r = way(&node, method, CONTROL_CALL_TIMEOUT_US, &error, &reply, "");
        if (r < 0)
                return control_explain(&node, r, &error);
        (void)printf("node %s %s\n", node.name, what);
        return EXIT_DONE;
}

int command_cancel(const struct arguments *arguments) {
        return tell(arguments, control_ask, "Cancel", "goes on as it is: the upgrade is cancelled");
}

/* Not asked twice: the second answer would be that nothing is left to accept. */
int command_accept_state(const struct arguments *arguments) {
        return tell(arguments, control_call, "AcceptState", "starts on the state as it is");
}

int command_stop(const struct arguments *arguments) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(node_done) struct node node = {0};
        _cleanup_close_ int keeper = -1;
        int status = node_find(arguments, false, &node);
        if (status != 0)
                return status;
        int pid = node_supervisor(&node);
        if (pid == 0)
                return node_not_running(&node);
        keeper = pidfd_open(pid, 0);
        int r = control_ask(&node, "Stop", 0, &error, &reply, "");
        if (r < 0 && r != -ESRCH) /* gone while it was asked is what was asked for */
                return control_explain(&node, r, &error);
        struct pollfd end = {.fd = keeper, .events = POLLIN};
        if (keeper >= 0 && poll(&end, 1, KEEPER_END_TIMEOUT_MS) == 0) {
                log_error("node %s has stopped, but its supervisor (process %d) still runs: see what it "
                          "prints",
                                node.name, pid);
                return EXIT_FAILED;
        }
        const char *cut_short = NULL;
        if (reply && sd_bus_message_read(reply, "s", &cut_short) >= 0 && *cut_short)
                log_warning("%s", cut_short);
        (void)printf("node %s has stopped\n", node.name);
        return EXIT_DONE;
}

/* 0: none yet, or the journal cannot be read. */
static uint64_t newest_swap(const struct node *node) {
        _cleanup_(journal_close_at) struct journal *journal = NULL;
        _cleanup_free_ struct journal_swap *swaps = NULL;
        size_t n = 0;
        if (journal_open(node->journal, false, &journal) < 0 ||
                        journal_swap_list(journal, 1, &swaps, &n) < 0 || n == 0)
                return 0;
        return swaps[0].id;
}

/* A director that dies after it wrote the swap down and before it answered goes on with that swap when it is
 * back: asking again would be told that something is under way. */
static int begin_swap(const struct node *node, const struct swap_request *request, uint64_t *ret_id) {
        uint64_t before = newest_swap(node);
        for (;;) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
                int r = request->version ? control_call(node, request->method, CONTROL_CALL_TIMEOUT_US,
                                                           &error, &reply, "stb", request->version,
                                                           request->height, (int)request->now)
                                         : control_call(node, request->method, CONTROL_CALL_TIMEOUT_US,
                                                           &error, &reply, "");
                if (r >= 0)
                        r = sd_bus_message_read(reply, "t", ret_id);
                if (r >= 0)
                        return 0;
                uint64_t newest = r == -ECONNRESET ? newest_swap(node) : 0;
                if (newest > before) {
                        *ret_id = newest;
                        return 0;
                }
                if (r != -ECONNRESET)
                        return control_explain(node, r, &error);
        }
}

/* Of a node that had failed and is tried again. */
static int tell_try(const struct node *node, bool waits) {
        (void)printf("node %s is tried again now; `interrex watch %s` shows how it goes\n", node->name,
                        node->name);
        (void)fflush(stdout);
        while (waits) {
                _cleanup_(output_json_done) json_t *status = NULL;
                int exit_status = status_ask(node, &status);
                if (exit_status != 0)
                        return exit_status;
                const char *phase = json_string_value(json_object_get(status, "phase"));
                const char *reason = json_string_value(json_object_get(status, "reason"));
                bool is_held = phase && strcmp(phase, "held") == 0;
                if (is_held || json_is_number(json_object_get(status, "next_try_s"))) {
                        log_error("node %s has failed again%s: %s", node->name,
                                        is_held ? " and is held" : "",
                                        reason ? reason : "no reason was given");
                        return is_held ? EXIT_HELD : EXIT_FAILED;
                }
                if (!phase || strcmp(phase, "starting") != 0)
                        return EXIT_DONE;
                (void)poll(NULL, 0, LOOK_MS);
        }
        return EXIT_DONE;
}

/* SIGUSR1 is our own word that nothing is waited for any more. */
static void watched_signals(sigset_t *signals) {
        (void)sigemptyset(signals);
        (void)sigaddset(signals, SIGINT);
        (void)sigaddset(signals, SIGUSR1);
}

/* The call to the director blocks, so the signal is waited for beside it. */
static void *on_interrupt(void *userdata) {
        const struct interruption *about = userdata;
        sigset_t interrupt;
        int signal_number;
        watched_signals(&interrupt);
        if (sigwait(&interrupt, &signal_number) != 0 || signal_number != SIGINT)
                return NULL;
        const char *name = about->node->name;
        if (about->can_be_cancelled)
                log_notice("swap %" PRIu64 " goes on without this command: `interrex watch %s` shows how it "
                           "goes, `interrex cancel %s` "
                           "disarms it while it waits for its height",
                                about->id, name, name);
        else
                log_notice("swap %" PRIu64
                           " goes on without this command: `interrex watch %s` shows how it goes",
                                about->id, name);
        (void)signal(SIGINT, SIG_DFL);
        (void)pthread_sigmask(SIG_UNBLOCK, &interrupt, NULL);
        (void)raise(SIGINT); /* who started the command sees that it was interrupted */
        return NULL;
}

/* Where SIGINT is ignored, as behind nohup, it stays so. */
static void interruption_begin(struct interruption *about) {
        struct sigaction action;
        sigset_t interrupt;
        watched_signals(&interrupt);
        if (sigaction(SIGINT, NULL, &action) < 0 || action.sa_handler == SIG_IGN ||
                        pthread_sigmask(SIG_BLOCK, &interrupt, &about->mask) != 0)
                return;
        about->is_watched = pthread_create(&about->thread, NULL, on_interrupt, about) == 0;
        if (!about->is_watched)
                (void)pthread_sigmask(SIG_SETMASK, &about->mask, NULL);
}

static void interruption_end(struct interruption *about) {
        if (!about->is_watched)
                return;
        (void)pthread_kill(about->thread, SIGUSR1);
        (void)pthread_join(about->thread, NULL);
        (void)pthread_sigmask(SIG_SETMASK, &about->mask, NULL);
}

static int wait_for_swap(const struct node *node, uint64_t id) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *outcome, *reason;
        int r = control_ask(node, "Wait", 0, &error, &reply, "t", id);
        if (r >= 0)
                r = sd_bus_message_read(reply, "ss", &outcome, &reason);
        if (r >= 0)
                return tell_outcome(node, id, outcome, reason);
        return r == -ESRCH ? outcome_in_journal(node, id) : control_explain(node, r, &error);
}

/* The node was stopped meanwhile. */
static int outcome_in_journal(const struct node *node, uint64_t id) {
        _cleanup_(journal_close_at) struct journal *journal = NULL;
        struct journal_swap swap;
        char config[512];
        int status = node_open_journal(node, &journal);
        if (status != 0)
                return status;
        if (journal && journal_swap_get(journal, id, &swap) == 0 && *swap.outcome)
                return tell_outcome(node, id, swap.outcome, swap.reason);
        log_error("node %s was stopped before swap %" PRIu64
                  " had ended: it goes on when the node is started again with "
                  "`interrex run %s`",
                        node->name, id, node_config(node, config, sizeof(config)));
        return EXIT_NO_NODE;
}

static void print_committed(const struct node *node, uint64_t id) {
        _cleanup_(journal_close_at) struct journal *journal = NULL;
        struct journal_swap swap;
        char gap[TEXT_DURATION_MAX], total[TEXT_DURATION_MAX];
        if (journal_open(node->journal, false, &journal) < 0 || journal_swap_get(journal, id, &swap) < 0) {
                (void)printf("swap %" PRIu64 " is committed\n", id);
                return;
        }
        text_duration(swap.gap_us, gap);
        text_duration(swap.total_us, total);
        (void)printf("%s %s -> %s is committed (swap %" PRIu64 ", nobody accepted for %s, total %s)\n",
                        swap.kind, swap.from, swap.to, id, gap, total);
        if (*swap.reason)
                log_warning("%s", swap.reason);
}

static int tell_outcome(const struct node *node, uint64_t id, const char *outcome, const char *reason) {
        static const struct {
                const char *outcome;
                enum exit_status status;
                const char *meaning;
        } outcomes[] = {
                        {"aborted", EXIT_FAILED, "no user met the new release and the old one goes on"},
                        {"cancelled", EXIT_FAILED, "it was cancelled"},
                        {"rolled-back", EXIT_ROLLED_BACK, "the old release is back"},
                        {"held", EXIT_HELD, "the node is held and needs an operator"},
        };
        if (strcmp(outcome, "committed") == 0) {
                print_committed(node, id);
                return EXIT_DONE;
        }
        for (size_t i = 0; i < ELEMENTS(outcomes); i++)
                if (strcmp(outcome, outcomes[i].outcome) == 0) {
                        log_error("swap %" PRIu64 " is %s: %s; %s. `interrex report %s %" PRIu64
                                  "` shows every step",
                                        id, outcome, *reason ? reason : "no reason was given",
                                        outcomes[i].meaning, node->name, id);
                        return (int)outcomes[i].status;
                }
        log_error("swap %" PRIu64 " ended as \"%s\", which this interrex does not know: %s", id, outcome,
                        reason);
        return EXIT_FAILED;
}
