/* What the operator typed, as a struct. Pure: reads argv and the table of commands, nothing else. */
#pragma once

#include "../lib/base.h"

#define ARGUMENT_WORDS_MAX 4

/* Options that a command may take, besides --state-dir, --run-dir, --help and --version, which all take.
 * A command that takes --at needs it, or --now. */
enum option {
        OPTION_JSON = 1 << 0,
        OPTION_WAIT = 1 << 1,
        OPTION_NOW = 1 << 2,
        OPTION_AT = 1 << 3,
        OPTION_SHA256 = 1 << 4,
        OPTION_ONCE = 1 << 5,
        OPTION_SIGNATURE = 1 << 6,
        OPTION_AT_GATE = 1 << 7,
        OPTION_HTML = 1 << 8,
};

struct arguments;

struct command {
        const char *name;  /* one or two words: "status", "release add" */
        const char *usage; /* what stands behind the name */
        const char *summary;
        const char *help;            /* further lines; NULL: the summary says it all */
        unsigned options;            /* enum option */
        bool takes_node;             /* the first word is a node, and may be left out */
        bool takes_version;          /* the first word, or the one behind the node */
        size_t words_min, words_max; /* besides the node */
        int (*run)(const struct arguments *arguments);
};

struct arguments {
        const struct command *commands;
        size_t n_commands;
        const struct command *command; /* NULL only with help or version and no command */
        const char *state_dir, *run_dir;
        const char *node;                      /* NULL: left out */
        const char *words[ARGUMENT_WORDS_MAX]; /* a version: as the release is listed */
        size_t n_words;
        const char *sha256, *signature, *html;
        uint64_t at; /* valid if has_at */
        bool has_at, now, wait, json, once, at_gate, help, version;
};

/* Reads ARGV (argv[0] is skipped). Options may stand anywhere; "--" ends them. STATE_DIR and RUN_DIR are
 * what holds where no option says otherwise. Pointers in *ret_arguments point into argv and the table.
 * -EINVAL: *ret_error (malloc'ed) is a sentence for the operator. Where one word may be a node or not
 * (`report 12`), a number is not. */
int arguments_parse(const struct command *commands, size_t n_commands, int argc, char *const *argv,
                const char *state_dir, const char *run_dir, struct arguments *ret_arguments,
                char **ret_error);

/* The command whose name is nearest to what was typed; NULL if none is near enough to be meant. */
const struct command *command_nearest(const struct command *commands, size_t n_commands, const char *typed);
