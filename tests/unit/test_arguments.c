/* What an operator types becomes what is meant, or a sentence that says what is wrong with it. */
#include "cli/arguments.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct command commands[] = {
                {.name = "status", .usage = "[NODE]", .options = OPTION_JSON, .takes_node = true},
                {.name = "release add",
                                .usage = "[NODE] VERSION PATH",
                                .options = OPTION_SHA256,
                                .takes_node = true,
                                .words_min = 2,
                                .words_max = 2},
                {.name = "release list", .options = OPTION_JSON, .takes_node = true},
                {.name = "upgrade",
                                .usage = "[NODE] VERSION",
                                .options = OPTION_AT | OPTION_NOW | OPTION_WAIT,
                                .takes_node = true,
                                .takes_version = true,
                                .words_min = 1,
                                .words_max = 1},
                {.name = "rollback", .options = OPTION_WAIT, .takes_node = true},
                {.name = "report", .takes_node = true, .words_max = 1},
                {.name = "run", .words_min = 1, .words_max = 1},
};

static int parse(struct arguments *ret_arguments, char **ret_error, const char *line) {
        static char text[512];
        char *argv[24] = {(char *)"interrex"};
        int argc = 1;
        text_copy(text, sizeof(text), line);
        for (char *word = strtok(text, " "); word && argc < 24; word = strtok(NULL, " "))
                argv[argc++] = word;
        return arguments_parse(commands, ELEMENTS(commands), argc, argv, "/var/lib/interrex",
                        "/run/interrex", ret_arguments, ret_error);
}

static struct arguments parse_right(const char *line) {
        struct arguments arguments;
        char *error = NULL;
        if (parse(&arguments, &error, line) < 0)
                fail_msg("`%s` was refused: %s", line, error);
        return arguments;
}

static void assert_refused(const char *line, const char *sentence) {
        struct arguments arguments;
        _cleanup_free_ char *error = NULL;
        assert_int_equal(parse(&arguments, &error, line), -EINVAL);
        assert_non_null(error);
        if (!strstr(error, sentence))
                fail_msg("`%s`: \"%s\" does not say \"%s\"", line, error, sentence);
}

static void options_may_stand_anywhere(void **state) {
        (void)state;
        struct arguments a = parse_right("--run-dir /r upgrade --at=1300 anvil --wait 1.7.1 --state-dir /s");
        assert_string_equal(a.command->name, "upgrade");
        assert_string_equal(a.run_dir, "/r");
        assert_string_equal(a.state_dir, "/s");
        assert_string_equal(a.node, "anvil");
        assert_string_equal(a.words[0], "1.7.1");
        assert_int_equal(a.n_words, 1);
        assert_true(a.wait);
        assert_true(a.has_at);
        assert_int_equal(a.at, 1300);
        assert_false(a.now);
        a = parse_right("status");
        assert_string_equal(a.run_dir, "/run/interrex");
        assert_string_equal(a.state_dir, "/var/lib/interrex");
}

static void a_node_may_be_left_out(void **state) {
        (void)state;
        assert_null(parse_right("upgrade 1.7.1 --now").node);
        assert_string_equal(parse_right("upgrade 1.7.1 --now").words[0], "1.7.1");
        assert_null(parse_right("status").node);
        assert_string_equal(parse_right("status anvil").node, "anvil");
        struct arguments a = parse_right("release add 1.7.1 ./anvil --sha256 ab");
        assert_null(a.node);
        assert_string_equal(a.words[1], "./anvil");
        assert_string_equal(a.sha256, "ab");
        assert_string_equal(parse_right("release add anvil 1.7.1 ./anvil").node, "anvil");
}

static void in_report_a_number_is_a_swap(void **state) {
        (void)state;
        struct arguments a = parse_right("report 12");
        assert_null(a.node);
        assert_string_equal(a.words[0], "12");
        a = parse_right("report anvil");
        assert_string_equal(a.node, "anvil");
        assert_int_equal(a.n_words, 0);
        a = parse_right("report anvil 12");
        assert_string_equal(a.node, "anvil");
        assert_string_equal(a.words[0], "12");
        assert_int_equal(parse_right("report").n_words, 0);
}

static void two_dashes_end_the_options(void **state) {
        (void)state;
        struct arguments a = parse_right("run -- --config.yaml");
        assert_string_equal(a.words[0], "--config.yaml");
        assert_null(a.node);
}

static void help_needs_nothing_else_to_be_right(void **state) {
        (void)state;
        struct arguments a = parse_right("upgrade --help");
        assert_true(a.help);
        assert_string_equal(a.command->name, "upgrade");
        assert_true(parse_right("--help").help);
        assert_true(parse_right("--version").version);
        assert_true(parse_right("upgrade --version").version);
        assert_null(parse_right("-h").command);
}

/* As `release list` shows it: what is compared with that must not have two names. */
static void a_version_is_taken_as_it_is_listed(void **state) {
        (void)state;
        assert_string_equal(parse_right("upgrade anvil v1.7.1+build.5 --now").words[0], "1.7.1+build.5");
        assert_string_equal(parse_right("upgrade v1.7.1-rc.1 --now").words[0], "1.7.1-rc.1");
        assert_string_equal(parse_right("upgrade v1.7 --now").words[0], "v1.7"); /* it is none */
        assert_string_equal(parse_right("upgrade v1.0.0 v1.7.1 --now").node, "v1.0.0");
        assert_string_equal(parse_right("run v1.7.1").words[0], "v1.7.1");
}

static void mistakes_are_named(void **state) {
        (void)state;
        assert_refused("", "say what to do");
        assert_refused("stauts", "did you mean `interrex status`");
        assert_refused("roolback", "did you mean `interrex rollback`");
        assert_refused("frobnicate", "`interrex help`");
        assert_refused("release", "add, list");
        assert_refused("release ad", "add, list");
        assert_refused("status --wait", "does not take --wait");
        assert_refused("status --frob", "no option --frob");
        assert_refused("status --json=yes", "takes no value");
        assert_refused("upgrade", "more words");
        assert_refused("upgrade a b c", "fewer words");
        assert_refused("status a b c d e f g h i", "too many");
        assert_refused("upgrade 1.7.1", "say --now, or --at HEIGHT");
        assert_refused("upgrade anvil 1.7.1 --wait", "say --now, or --at HEIGHT");
        assert_refused("upgrade 1.7.1 --at", "--at needs a value");
        assert_refused("upgrade 1.7.1 --at soon", "not a height");
        assert_refused("upgrade 1.7.1 --at 99999999999999999999", "not a height");
        assert_refused("upgrade 1.7.1 --at 9223372036854775808", "not a height");
        assert_refused("upgrade 1.7.1 --at 5 --now", "exclude each other");
}

static void what_is_nothing_like_a_command_has_no_nearest(void **state) {
        (void)state;
        assert_null(command_nearest(commands, ELEMENTS(commands), "xyz"));
        assert_null(command_nearest(commands, ELEMENTS(commands), "post"));
        assert_null(command_nearest(commands, ELEMENTS(commands), "undo"));
        assert_null(command_nearest(
                        commands, ELEMENTS(commands), "a-word-that-is-much-longer-than-any-command"));
        assert_string_equal(command_nearest(commands, ELEMENTS(commands), "repot")->name, "report");
        assert_string_equal(command_nearest(commands, ELEMENTS(commands), "rn")->name, "run");
        /* two letters that changed places are one slip */
        static const struct command check[] = {{.name = "check"}};
        assert_ptr_equal(command_nearest(check, 1, "chekc"), check);
        assert_ptr_equal(command_nearest(check, 1, "hceck"), check);
        assert_null(command_nearest(check, 1, "hcekc"));
        assert_string_equal(command_nearest(commands, ELEMENTS(commands), "relase")->name, "release add");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(options_may_stand_anywhere),
                        cmocka_unit_test(a_node_may_be_left_out),
                        cmocka_unit_test(in_report_a_number_is_a_swap),
                        cmocka_unit_test(two_dashes_end_the_options),
                        cmocka_unit_test(help_needs_nothing_else_to_be_right),
                        cmocka_unit_test(a_version_is_taken_as_it_is_listed),
                        cmocka_unit_test(mistakes_are_named),
                        cmocka_unit_test(what_is_nothing_like_a_command_has_no_nearest),
        };
        return cmocka_run_group_tests_name("arguments", tests, NULL, NULL);
}
