/* One executable: the operator's command, the keeper (`run`), and the roles that the keeper executes afresh
 * under other names. */
#include "../archivist/snapshot.h"
#include "../director/director_main.h"
#include "../fetcher/fetcher.h"
#include "../keeper/keeper.h"
#include "../lib/control_protocol.h"
#include "../lib/log.h"
#include "../prober/prober.h"
#include "../reader/reader.h"
#include "check.h"
#include "commands.h"
#include "help.h"
#include <sys/prctl.h>

static const struct command commands[] = {
                {.name = "run",
                                .usage = "CONFIG",
                                .summary = "Supervise a node in the foreground",
                                .words_min = 1,
                                .words_max = 1,
                                .run = command_run,
                                .help = "Runs until `interrex stop` or SIGTERM. Must be root. Also works as "
                                        "PID 1 of a container.\n"
                                        "  interrex run /etc/interrex/anvil.yaml"},
                {.name = "status",
                                .usage = "[NODE]",
                                .summary = "What runs, at which height, what comes next",
                                .help = "Without NODE, where there are several: a line for each.",
                                .options = OPTION_JSON,
                                .takes_node = true,
                                .run = command_status},
                {.name = "plan",
                                .usage = "[NODE]",
                                .summary = "The boundaries ahead, and whether all is ready for them",
                                .options = OPTION_JSON,
                                .takes_node = true,
                                .run = command_plan,
                                .help = "Exit status 1: something is missing for one of them, or the node "
                                        "is held."},
                {.name = "watch",
                                .usage = "[NODE]",
                                .summary = "What `status` shows, live",
                                .options = OPTION_ONCE,
                                .takes_node = true,
                                .run = command_watch,
                                .help = "On a terminal it is drawn anew each second until Ctrl-C; elsewhere "
                                        "there is a line for\n"
                                        "each change."},
                {.name = "release add",
                                .usage = "[NODE] VERSION PATH",
                                .options = OPTION_SHA256 | OPTION_SIGNATURE,
                                .takes_node = true,
                                .takes_version = true,
                                .words_min = 2,
                                .words_max = 2,
                                .run = command_release_add,
                                .summary = "Copy a release in, verify it, make it read-only",
                                .help = "PATH is the node's executable or a directory with everything it "
                                        "needs. Must be root.\n"
                                        "  interrex release add anvil 1.7.1 ./anvil-1.7.1 --sha256 "
                                        "$(sha256sum ...)"},
                {.name = "release list",
                                .usage = "[NODE]",
                                .summary = "The releases there are",
                                .options = OPTION_JSON,
                                .takes_node = true,
                                .run = command_release_list},
                {.name = "release manifest",
                                .usage = "[NODE] VERSION",
                                .summary = "What is signed of a release of several files",
                                .takes_node = true,
                                .takes_version = true,
                                .words_min = 1,
                                .words_max = 1,
                                .run = command_release_manifest,
                                .help = "A line for each file: its mode, its SHA-256, its path.\n"
                                        "  interrex release manifest anvil 1.7.1 > manifest && minisign -S "
                                        "-m manifest"},
                {.name = "release remove",
                                .usage = "[NODE] VERSION",
                                .summary = "Remove a release",
                                .takes_node = true,
                                .takes_version = true,
                                .words_min = 1,
                                .words_max = 1,
                                .run = command_release_remove},
                {.name = "schedule show",
                                .usage = "[NODE]",
                                .summary = "From which height on which versions are allowed",
                                .options = OPTION_JSON,
                                .takes_node = true,
                                .run = command_schedule_show},
                {.name = "schedule set",
                                .usage = "[NODE] HEIGHT RANGE",
                                .summary = "Add one boundary to the schedule",
                                .takes_node = true,
                                .words_min = 2,
                                .words_max = 2,
                                .run = command_schedule_set,
                                .help = "HEIGHT is a height, or view:N, epoch:N, time:2026-12-01T00:00:00Z. "
                                        "In the quotes "
                                        "behind RANGE may stand\nfrom=HEIGHT (a release of the range may "
                                        "run from there on), mode=before (the "
                                        "chain changes its\nrules by itself: it may run at once, or from "
                                        "the "
                                        "last exact boundary before it,\nand must before HEIGHT), "
                                        "protocol=WORD (shown in the plan).\n"
                                        "  interrex schedule set anvil 1300 '>=1.7.1 <2.0.0'\n"
                                        "  interrex schedule set anvil 1300 '>=1.7.1 from=1200'"},
                {.name = "schedule remove",
                                .usage = "[NODE] HEIGHT",
                                .summary = "Remove a boundary that lies ahead",
                                .takes_node = true,
                                .words_min = 1,
                                .words_max = 1,
                                .run = command_schedule_remove},
                {.name = "schedule import",
                                .usage = "[NODE] FILE",
                                .options = OPTION_SIGNATURE,
                                .summary = "Set boundaries from a file: all or none",
                                .takes_node = true,
                                .words_min = 1,
                                .words_max = 1,
                                .run = command_schedule_import,
                                .help = "A line of the file is what `schedule set` takes; '#' begins a "
                                        "comment. With a line "
                                        "\"sequence N\" the\nfile is the whole schedule from the node's "
                                        "height on, and one with a "
                                        "lower number is refused; a line\n\"node NAME\" binds it to one "
                                        "node. "
                                        "With trust.keys configured the file must be signed, as "
                                        "by\n`minisign -S -m FILE`; "
                                        "what `schedule set` says is an operator's own word, and is not."},
                {.name = "upgrade",
                                .usage = "[NODE] VERSION --at HEIGHT | --now",
                                .summary = "Arm an upgrade for a height, or run it now",
                                .options = OPTION_AT | OPTION_NOW | OPTION_WAIT,
                                .takes_node = true,
                                .takes_version = true,
                                .words_min = 1,
                                .words_max = 1,
                                .run = command_upgrade,
                                .help = "--at sets a boundary (>=VERSION) where the schedule has none: the "
                                        "old release may not run\n"
                                        "from there on. --now is for versions that may run beside the old "
                                        "one's rules.\n"
                                        "Who interrupts --wait leaves the swap as it is: it goes on.\n"
                                        "  interrex upgrade anvil 1.7.1 --at 1300 --wait"},
                {.name = "rollback",
                                .usage = "[NODE]",
                                .summary = "Go back to the release before",
                                .options = OPTION_WAIT,
                                .takes_node = true,
                                .run = command_rollback},
                {.name = "cancel",
                                .usage = "[NODE]",
                                .summary = "Disarm the upgrade that is planned",
                                .takes_node = true,
                                .run = command_cancel},
                {.name = "accept-state",
                                .usage = "[NODE]",
                                .summary = "Say that the state is right for the release that is held",
                                .takes_node = true,
                                .run = command_accept_state,
                                .help = "A node with state.signer is held when its state lies below the "
                                        "height that it had come to: it "
                                        "would\nsign again what it has signed. Say this only if its signing "
                                        "memory is the newest one.\nAny node is held when another release "
                                        "has been at its state, or blocks are in it that the schedule "
                                        "forbids: "
                                        "say\nthis when you have put it back, or know that it was not "
                                        "changed."},
                {.name = "restart",
                                .usage = "[NODE]",
                                .summary = "Restart the release that runs, without a gap",
                                .options = OPTION_WAIT,
                                .takes_node = true,
                                .run = command_restart},
                {.name = "stop",
                                .usage = "[NODE]",
                                .summary = "Stop the node and its supervisor",
                                .takes_node = true,
                                .run = command_stop},
                {.name = "history",
                                .usage = "[NODE]",
                                .summary = "Every swap, newest first",
                                .options = OPTION_JSON,
                                .takes_node = true,
                                .run = command_history},
                {.name = "report",
                                .usage = "[NODE] [SWAP]",
                                .summary = "One swap (the newest) with its steps and timings",
                                .options = OPTION_HTML,
                                .takes_node = true,
                                .words_max = 1,
                                .run = command_report},
                {.name = "rehearse",
                                .usage = "[NODE] VERSION",
                                .summary = "Try a release on a copy of the live state, cut off from the "
                                           "network",
                                .options = OPTION_JSON | OPTION_AT_GATE,
                                .takes_node = true,
                                .takes_version = true,
                                .words_min = 1,
                                .words_max = 1,
                                .run = command_rehearse,
                                .help = "The node runs on; for a copy or a reflink it stands still while "
                                        "that is made. Must be root.\n"
                                        "--at-gate: only while the node stands at its gate, as "
                                        "a swap with `rehearse: at-gate` does.\n"
                                        "Exit status 1: the release does not do, with the reason and the "
                                        "end of its log."},
                {.name = "import cosmovisor",
                                .usage = "DAEMON_HOME [FOLDER]",
                                .summary = "Turn a cosmovisor set-up into a configuration and a schedule",
                                .words_min = 1,
                                .words_max = 2,
                                .run = command_import_cosmovisor,
                                .help = "Writes NODE.yaml, NODE.schedule and NODE.import into FOLDER "
                                        "(default: here; its last part is made), reads DAEMON_*\n"
                                        "variables, and says what it could not carry over. Runs and changes "
                                        "nothing."},
                {.name = "doctor",
                                .usage = "",
                                .summary = "What this kernel and host can do, and what degrades",
                                .options = OPTION_JSON,
                                .run = command_doctor,
                                .help = "Run it as root: most of it is found out by trying. Exit status 1: "
                                        "interrex cannot run here."},
                {.name = "check",
                                .usage = "CONFIG",
                                .summary = "Is the configuration right: every mistake with its line",
                                .words_min = 1,
                                .words_max = 1,
                                .run = command_check_config},
                {.name = "help",
                                .usage = "[COMMAND]",
                                .summary = "This, or help for one command",
                                .words_max = 2,
                                .run = command_help},
                {.name = "version",
                                .usage = "",
                                .summary = "The version of interrex",
                                .run = command_version},
};

static bool find_role(int argc, char **argv, int *ret_status);

int main(int argc, char **argv) {
        _cleanup_free_ char *error = NULL;
        struct arguments arguments;
        int status;
        if (find_role(argc, argv, &status))
                return status;
        log_open("");
        const char *state_dir = getenv("INTERREX_STATE_DIR"), *run_dir = getenv("INTERREX_RUN_DIR");
        int r = arguments_parse(commands, ELEMENTS(commands), argc, argv,
                        state_dir && *state_dir ? state_dir : "/var/lib/interrex",
                        run_dir && *run_dir ? run_dir : "/run/interrex", &arguments, &error);
        if (r < 0) {
                log_error("%s", error ? error : strerror(-r));
                return EXIT_USAGE;
        }
        if (arguments.version && !arguments.help)
                return command_version(&arguments);
        if (!arguments.help)
                return arguments.command->run(&arguments);
        if (arguments.command)
                help_command(arguments.command);
        else
                help_overview(commands, ELEMENTS(commands));
        return EXIT_DONE;
}

int command_run(const struct arguments *arguments) {
        _cleanup_free_ char *path = realpath(arguments->words[0], NULL);
        const struct keeper_options options = {
                        .config_path = path ? path : arguments->words[0],
                        .state_dir = arguments->state_dir,
                        .run_dir = arguments->run_dir,
        };
        return keeper_main(&options);
}

int command_check_config(const struct arguments *arguments) {
        return command_check(arguments->words[0], arguments->state_dir);
}

static bool find_role(int argc, char **argv, int *ret_status) {
        static const struct {
                const char *name;
                int (*run)(int argc, char **argv);
        } roles[] = {
                        {"interrex-director", director_main},
                        {"interrex-prober", prober_main},
                        {"interrex-archivist", archivist_main},
                        {FETCHER_NAME, fetcher_main},
                        {READER_NAME, reader_main},
        };
        for (size_t i = 0; argc > 0 && i < ELEMENTS(roles); i++)
                if (strcmp(argv[0], roles[i].name) == 0) {
                        /* Else `top` and `pkill` know it by /proc/self/exe, through which it was started: as "exe". */
                        (void)prctl(PR_SET_NAME, argv[0]);
                        *ret_status = roles[i].run(argc, argv);
                        return true;
                }
        return false;
}
