#include "arguments.h"

#include "../lib/nearness.h"
#include "../lib/version.h"
#include <stdarg.h>

#define NAME_MAX_LENGTH 32

/* The words that are no options, before it is known what they mean. */
struct typed {
        const char *words[ARGUMENT_WORDS_MAX + 3]; /* two for the name, one for the node */
        size_t n;
};

static int refuse(char **ret_error, const char *format, ...) _printf_(2, 3);
static int read_words_and_options(int argc, char *const *argv, struct arguments *arguments,
                unsigned *ret_used, struct typed *ret_typed, char **ret_error);
static int find_command(struct arguments *arguments, struct typed *typed, char **ret_error);
static int check_options(const struct arguments *arguments, unsigned used, char **ret_error);
static int place_words(struct arguments *arguments, const struct typed *typed, char **ret_error);
static int check_moment(const struct arguments *arguments, char **ret_error);

int arguments_parse(const struct command *commands, size_t n_commands, int argc, char *const *argv,
                const char *state_dir, const char *run_dir, struct arguments *ret_arguments,
                char **ret_error) {
        struct arguments arguments = {
                        .commands = commands,
                        .n_commands = n_commands,
                        .state_dir = state_dir,
                        .run_dir = run_dir,
        };
        struct typed typed = {0};
        unsigned used = 0;
        int r = read_words_and_options(argc, argv, &arguments, &used, &typed, ret_error);
        bool only_tells = arguments.help || arguments.version;
        if (r >= 0 && (typed.n > 0 || !only_tells))
                r = find_command(&arguments, &typed, ret_error);
        if (r >= 0 && !only_tells) {
                INVARIANT(arguments.command);
                r = check_options(&arguments, used, ret_error);
                if (r >= 0)
                        r = place_words(&arguments, &typed, ret_error);
                if (r >= 0)
                        r = check_moment(&arguments, ret_error);
        }
        if (r < 0)
                return r;
        *ret_arguments = arguments;
        return 0;
}

struct option_form {
        const char *name;
        enum option option; /* 0: every command takes it */
        bool has_value;
};

static const struct option_form option_forms[] = {
                {"--json", OPTION_JSON, false},
                {"--wait", OPTION_WAIT, false},
                {"--now", OPTION_NOW, false},
                {"--once", OPTION_ONCE, false},
                {"--at", OPTION_AT, true},
                {"--sha256", OPTION_SHA256, true},
                {"--signature", OPTION_SIGNATURE, true},
                {"--at-gate", OPTION_AT_GATE, false},
                {"--html", OPTION_HTML, true},
                {"--state-dir", 0, true},
                {"--run-dir", 0, true},
                {"--version", 0, false},
                {"--help", 0, false},
                {"-h", 0, false},
};

static int store_option(struct arguments *arguments, const struct option_form *form, const char *value,
                char **ret_error) {
        const char *name = form->name;
        if (strcmp(name, "--json") == 0)
                arguments->json = true;
        else if (strcmp(name, "--wait") == 0)
                arguments->wait = true;
        else if (strcmp(name, "--now") == 0)
                arguments->now = true;
        else if (strcmp(name, "--once") == 0)
                arguments->once = true;
        else if (strcmp(name, "--at-gate") == 0)
                arguments->at_gate = true;
        else if (strcmp(name, "--sha256") == 0)
                arguments->sha256 = value;
        else if (strcmp(name, "--signature") == 0)
                arguments->signature = value;
        else if (strcmp(name, "--html") == 0)
                arguments->html = value;
        else if (strcmp(name, "--state-dir") == 0)
                arguments->state_dir = value;
        else if (strcmp(name, "--run-dir") == 0)
                arguments->run_dir = value;
        else if (strcmp(name, "--version") == 0)
                arguments->version = true;
        else if (strcmp(name, "--at") == 0) {
                arguments->has_at = true;
                if (parse_u64(value, &arguments->at) < 0 || arguments->at > INT64_MAX)
                        return refuse(ret_error,
                                        "--at %s is not a height: give a whole number, such as --at 1300",
                                        value);
        } else
                arguments->help = true;
        return 0;
}

/* Takes "--name value" and "--name=value"; *AT is moved behind what was taken. */
static int read_option(int argc, char *const *argv, int *at, struct arguments *arguments, unsigned *used,
                char **ret_error) {
        const char *typed = argv[*at], *equals = strchr(typed, '=');
        size_t length = equals ? (size_t)(equals - typed) : strlen(typed);
        const struct option_form *form = NULL;
        for (size_t i = 0; i < ELEMENTS(option_forms); i++)
                if (strlen(option_forms[i].name) == length &&
                                strncmp(option_forms[i].name, typed, length) == 0)
                        form = &option_forms[i];
        if (!form)
                return refuse(ret_error, "there is no option %s: `interrex help` shows what there is",
                                typed);
        if (!form->has_value && equals)
                return refuse(ret_error, "%s takes no value", form->name);
        const char *value = NULL;
        if (form->has_value) {
                value = equals ? equals + 1 : *at + 1 < argc ? argv[++*at] : "";
                if (!*value)
                        return refuse(ret_error, "%s needs a value behind it", form->name);
        }
        (*at)++;
        *used |= (unsigned)form->option;
        return store_option(arguments, form, value, ret_error);
}

static int read_words_and_options(int argc, char *const *argv, struct arguments *arguments,
                unsigned *ret_used, struct typed *ret_typed, char **ret_error) {
        struct typed typed = {0};
        unsigned used = 0;
        bool options_ended = false;
        for (int at = 1; at < argc;) {
                if (!options_ended && strcmp(argv[at], "--") == 0) {
                        options_ended = true;
                        at++;
                } else if (!options_ended && argv[at][0] == '-' && argv[at][1]) {
                        int r = read_option(argc, argv, &at, arguments, &used, ret_error);
                        if (r < 0)
                                return r;
                } else {
                        if (typed.n == ELEMENTS(typed.words))
                                return refuse(ret_error,
                                                "%s is one word too many: put quotes around what belongs "
                                                "together, "
                                                "such as '>=1.4.0 <2.0.0'",
                                                argv[at]);
                        typed.words[typed.n++] = argv[at++];
                }
        }
        *ret_used = used;
        *ret_typed = typed;
        return 0;
}

/* True if NAME is the first WORDS words of what was typed. */
static bool name_is(const char *name, const struct typed *typed, size_t words) {
        char joined[2 * NAME_MAX_LENGTH + 2];
        if (words > typed->n)
                return false;
        int n = snprintf(joined, sizeof(joined), words == 2 ? "%s %s" : "%s", typed->words[0],
                        words == 2 ? typed->words[1] : "");
        return n > 0 && (size_t)n < sizeof(joined) && strcmp(joined, name) == 0;
}

/* "release" alone: says which words may follow. */
static int refuse_half_a_name(
                const struct arguments *arguments, const struct typed *typed, char **ret_error) {
        char list[128] = "";
        size_t length = strlen(typed->words[0]), used = 0;
        for (size_t i = 0; i < arguments->n_commands; i++) {
                const char *name = arguments->commands[i].name;
                if (strncmp(name, typed->words[0], length) != 0 || name[length] != ' ' ||
                                used >= sizeof(list))
                        continue;
                int n = snprintf(list + used, sizeof(list) - used, "%s%s", used ? ", " : "",
                                name + length + 1);
                used += n > 0 ? (size_t)n : 0;
        }
        if (!*list)
                return 0;
        return refuse(ret_error, "%s what? After `interrex %s` comes one of: %s", typed->words[0],
                        typed->words[0], list);
}

static int find_command(struct arguments *arguments, struct typed *typed, char **ret_error) {
        if (typed->n == 0)
                return refuse(ret_error, "say what to do: `interrex help` shows the commands");
        for (size_t words = 2; words > 0; words--)
                for (size_t i = 0; i < arguments->n_commands; i++)
                        if (name_is(arguments->commands[i].name, typed, words)) {
                                arguments->command = &arguments->commands[i];
                                typed->n -= words;
                                memmove(typed->words, typed->words + words,
                                                typed->n * sizeof(typed->words[0]));
                                return 0;
                        }
        int r = refuse_half_a_name(arguments, typed, ret_error);
        if (r < 0)
                return r;
        const struct command *near =
                        command_nearest(arguments->commands, arguments->n_commands, typed->words[0]);
        if (near)
                return refuse(ret_error, "there is no command %s: did you mean `interrex %s`?",
                                typed->words[0], near->name);
        return refuse(ret_error, "there is no command %s: `interrex help` shows the commands",
                        typed->words[0]);
}

static int check_options(const struct arguments *arguments, unsigned used, char **ret_error) {
        const struct command *command = arguments->command;
        for (size_t i = 0; i < ELEMENTS(option_forms); i++)
                if (used & ~command->options & (unsigned)option_forms[i].option)
                        return refuse(ret_error,
                                        "`interrex %s` does not take %s: `interrex help %s` shows what it "
                                        "takes",
                                        command->name, option_forms[i].name, command->name);
        if (arguments->now && arguments->has_at)
                return refuse(ret_error, "--now and --at exclude each other: leave one out");
        return 0;
}

static bool first_word_is_node(const struct command *command, const struct typed *typed) {
        uint64_t number;
        if (!command->takes_node || typed->n == 0)
                return false;
        if (typed->n > command->words_max)
                return true;
        return typed->n > command->words_min && parse_u64(typed->words[0], &number) < 0;
}

static int place_words(struct arguments *arguments, const struct typed *typed, char **ret_error) {
        const struct command *command = arguments->command;
        size_t at = first_word_is_node(command, typed) ? 1 : 0;
        size_t n = typed->n - at;
        INVARIANT(command->words_max <= ARGUMENT_WORDS_MAX);
        if (n < command->words_min || n > command->words_max)
                return refuse(ret_error, "`interrex %s` wants %s words than that: interrex %s %s",
                                command->name, n < command->words_min ? "more" : "fewer", command->name,
                                command->usage);
        if (at == 1)
                arguments->node = typed->words[0];
        for (size_t i = 0; i < n; i++)
                arguments->words[i] = typed->words[at + i];
        if (command->takes_version)
                arguments->words[0] = version_canonical(arguments->words[0]);
        arguments->n_words = n;
        return 0;
}

/* When a node changes its binary is for the operator to say: a height that was forgotten must not mean at once. */
static int check_moment(const struct arguments *arguments, char **ret_error) {
        const struct command *command = arguments->command;
        if (!(command->options & OPTION_AT) || arguments->has_at || arguments->now)
                return 0;
        return refuse(ret_error, "`interrex %s` does not know when: say --now, or --at HEIGHT",
                        command->name);
}

const struct command *command_nearest(const struct command *commands, size_t n_commands, const char *typed) {
        const struct command *best = NULL;
        size_t best_distance = NEARNESS_FAR;
        for (size_t i = 0; i < n_commands; i++) {
                char first[NAME_MAX_LENGTH + 1];
                text_copy(first, sizeof(first), commands[i].name);
                first[strcspn(first, " ")] = '\0';
                size_t distance = nearness(typed, first);
                if (distance < best_distance) {
                        best = &commands[i];
                        best_distance = distance;
                }
        }
        return best;
}

static int refuse(char **ret_error, const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        int n = vasprintf(ret_error, format, arguments);
        va_end(arguments);
        if (n < 0)
                *ret_error = NULL;
        return n < 0 ? -ENOMEM : -EINVAL;
}
