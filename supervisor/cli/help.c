#include "help.h"
#include "../lib/control_protocol.h"
#include "../lib/log.h"
#include "commands.h"

void help_overview(const struct command *commands, size_t n) {
        (void)puts("interrex holds a node's sockets, state and locks between two releases, so that it is "
                   "never without\n"
                   "one: it refuses no peer, runs no wrong version at a height, and never runs "
                   "twice.\n\nCommands:");
        for (size_t i = 0; i < n; i++) {
                char typed[96];
                (void)snprintf(typed, sizeof(typed), "%s %s", commands[i].name, commands[i].usage);
                if (strlen(typed) <= 34)
                        (void)printf("  %-34s  %s\n", typed, commands[i].summary);
                else
                        (void)printf("  %s\n  %-34s  %s\n", typed, "", commands[i].summary);
        }
        (void)puts("\nNODE may be left out where there is only one. Options of all commands:\n"
                   "  --state-dir DIR   default /var/lib/interrex, or INTERREX_STATE_DIR\n"
                   "  --run-dir DIR     default /run/interrex, or INTERREX_RUN_DIR\n"
                   "  --help            help for one command\n"
                   "  --version         the version of interrex\n"
                   "\nExit status: 0 done, 1 failed, 2 wrong usage or configuration, 3 rolled back, 4 in "
                   "hold,\n"
                   "5 no such node or it does not run, 6 not permitted.");
}

void help_command(const struct command *command) {
        static const struct {
                enum option option;
                const char *text;
        } options[] = {
                        {OPTION_AT, "--at HEIGHT      at the boundary: the old release commits HEIGHT - 1, "
                                    "the new one starts HEIGHT"},
                        {OPTION_NOW, "--now            at once; the schedule must allow the version at the "
                                     "next height"},
                        {OPTION_WAIT, "--wait           come back when probation has ended: 0 committed, 1 "
                                      "aborted, 3 rolled back, 4 held"},
                        {OPTION_SHA256, "--sha256 HEX     what the bytes must be; anything else is refused"},
                        {OPTION_SIGNATURE, "--signature FILE  made by minisign; else PATH.minisig, if it is "
                                           "there"},
                        {OPTION_JSON, "--json           for programs"},
                        {OPTION_HTML, "--html FILE      as a page that needs nothing else, to be kept or "
                                      "sent; - is "
                                      "standard output"},
                        {OPTION_ONCE, "--once           show it once and end"},
        };
        (void)printf("interrex %s %s\n\n%s.\n", command->name, command->usage, command->summary);
        if (command->help)
                (void)printf("\n%s\n", command->help);
        for (size_t i = 0, shown = 0; i < ELEMENTS(options); i++)
                if (command->options & (unsigned)options[i].option)
                        (void)printf("%s  %s\n", shown++ ? "" : "\n", options[i].text);
}

int command_help(const struct arguments *arguments) {
        char name[96] = "";
        bool is_group = false;
        if (arguments->n_words == 0) {
                help_overview(arguments->commands, arguments->n_commands);
                return EXIT_DONE;
        }
        (void)snprintf(name, sizeof(name), "%s%s%s", arguments->words[0], arguments->n_words > 1 ? " " : "",
                        arguments->n_words > 1 ? arguments->words[1] : "");
        size_t length = strlen(name);
        for (size_t i = 0; i < arguments->n_commands; i++) {
                const char *candidate = arguments->commands[i].name;
                bool in_group = strncmp(candidate, name, length) == 0 && candidate[length] == ' ';
                if (strcmp(candidate, name) != 0 && !in_group)
                        continue;
                if (is_group)
                        (void)putchar('\n');
                help_command(&arguments->commands[i]);
                is_group = true;
        }
        if (is_group)
                return EXIT_DONE;
        const struct command *near =
                        command_nearest(arguments->commands, arguments->n_commands, arguments->words[0]);
        log_error("there is no command %s: %s%s%s", name,
                        near ? "did you mean `interrex help " : "`interrex help", near ? near->name : "",
                        near ? "`?" : "` shows the commands");
        return EXIT_USAGE;
}

int command_version(const struct arguments *arguments) {
        (void)arguments;
        (void)puts("interrex " INTERREX_VERSION);
        return EXIT_DONE;
}
