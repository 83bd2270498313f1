/* Heights and probes that come from an operator's command, which is an ordinary one: it knows nothing of interrex and reaches
 * the generation it asks about all the same. */
#include "support/scenario.h"
#include <sys/stat.h>

#define HEIGHT_TIMEOUT_US (20 * USEC_PER_SEC)

static void write_script(struct scenario *s, const char *name, const char *text, char *path, size_t size) {
        (void)snprintf(path, size, "%s/%s", s->directory, name);
        FILE *file = fopen(path, "we");
        assert_non_null(file);
        (void)fprintf(file, "#!/bin/sh\n%s\n", text);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(chmod(path, 0755), 0);
}

static void begin(struct scenario *s, const char *state, const char *faults) {
        char height[160], more[640];
        const char *lock = strstr(state, "overlap") ? "none" : NULL;
        scenario_need("/usr/bin/curl");
        write_script(s, "height", "curl -s -m 1 http://127.0.0.1:8545/metrics | sed -n 's/^node_height //p'",
                        height, sizeof(height));
        (void)snprintf(more, sizeof(more),
                        "height: {source: exec, command: [\"%s\"], every: 100ms}\n"
                        "probes:\n  - {name: asks, kind: exec, command: [/usr/bin/curl, -sf, -m, '1', -o, "
                        "/dev/null, "
                        "\"http://127.0.0.1:8545/\"], every: 100ms, failures: 3}\n"
                        "deadlines: {prepare: 10s, prove: 4s}\n",
                        height);
        scenario_configure_testnode(
                        s, &(struct scenario_testnode){
                                           .release = "1.0.0", .state = state, .lock = lock, .more = more});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_add_testnode(s, "2.0.0", faults);
        scenario_start(s);
        scenario_wait_height(s, 3, HEIGHT_TIMEOUT_US);
        scenario_start_load(s, 200, 0);
}

/* Users wait meanwhile, and so would the command if it were taken for one of them. */
SCENARIO(an_exclusive_swap_is_proved_by_an_ordinary_command) {
        begin(s, "fence: lock", "");
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_assert_release(s, "2.0.0");
        scenario_expect(s, 0, "rollback", s->node, "--wait", NULL);
        scenario_assert_release(s, "1.0.0");
        scenario_end_load_unharmed(s);
        scenario_stop(s);
}

/* The old release answers meanwhile, and would answer the command. */
SCENARIO(an_overlap_swap_is_not_proved_by_what_the_old_release_answers) {
        begin(s, "overlap: true, fence: exec", "--answer-status 500");
        scenario_expect(s, 1, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_assert_release(s, "1.0.0");
        scenario_end_load_unharmed(s);
        scenario_stop(s);
}

SCENARIO(an_overlap_swap_is_proved_by_an_ordinary_command) {
        begin(s, "overlap: true, fence: exec", "");
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_assert_release(s, "2.0.0");
        scenario_end_load_unharmed(s);
        scenario_stop(s);
}

static void write_height(const char *height, const char *path) {
        char beside[200];
        (void)snprintf(beside, sizeof(beside), "%s.new", path);
        FILE *file = fopen(beside, "we");
        assert_non_null(file);
        (void)fprintf(file, "%s\n", height);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(rename(beside, path), 0);
}

/* -5 taken for 2^64-5 would be past every height that an upgrade waits for. */
SCENARIO(I3_what_is_not_a_height_is_told_and_reaches_no_boundary) {
        static const struct {
                const char *printed, *said;
        } cases[] = {
                        {"-5", "its command printed \"-5\", which is not a height"},
                        {"18446744073709551615", "which is not a height"},
                        {"99999999999999999999999", "which is not a height"},
                        {"12 blocks", "which is not a height"},
                        {"", "printed nothing"},
        };
        char script[160], file[160], text[200], more[640];
        (void)snprintf(file, sizeof(file), "%s/height.txt", s->directory);
        (void)snprintf(text, sizeof(text), "cat %s", file);
        write_script(s, "height", text, script, sizeof(script));
        (void)snprintf(more, sizeof(more),
                        "height: {source: exec, command: [\"%s\"], every: 50ms}\n"
                        "gate: {kind: observe, overshoot: allow}\nprobes: []\nprogress: {blocks: 0}\n",
                        script);
        write_height("  101", file);
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0", .more = more});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_add_testnode(s, "2.0.0", "");
        scenario_start(s);
        scenario_wait_height(s, 101, HEIGHT_TIMEOUT_US);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "1000", NULL);
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                write_height(cases[i].printed, file);
                json_decref(scenario_wait_status(s, scenario_is_degraded, cases[i].said, HEIGHT_TIMEOUT_US));
        }
        json_t *status = scenario_status(s);
        assert_int_equal(scenario_number(status, "height"), 101);
        json_decref(status);
        scenario_assert_release(s, "1.0.0");
        scenario_expect(s, 0, "cancel", s->node, NULL);
        scenario_stop(s);
}

SCENARIO(a_command_that_fails_says_how) {
        char script[160], more[640];
        write_script(s, "probe", "echo the disk is on fire; exit 7", script, sizeof(script));
        (void)snprintf(more, sizeof(more),
                        "probes:\n  - {name: fire, kind: exec, command: [\"%s\"], every: 100ms}\n"
                        "  - {name: slow, kind: exec, command: [/bin/sleep, '60'], timeout: 100ms}\n"
                        "  - {name: gone, kind: exec, command: [/nonexistent/probe], every: 100ms}\n"
                        "deadlines: {prepare: 10s, prove: 1s}\nrestart: {give_up_after: 1}\n",
                        script);
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0", .more = more});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_start_supervisor(s);
        json_decref(scenario_wait_status(s, scenario_is_degraded,
                        "fire: its command exited with status 7: the disk is on fire", HEIGHT_TIMEOUT_US));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(an_exclusive_swap_is_proved_by_an_ordinary_command),
                        SCENARIO_TEST(an_overlap_swap_is_not_proved_by_what_the_old_release_answers),
                        SCENARIO_TEST(an_overlap_swap_is_proved_by_an_ordinary_command),
                        SCENARIO_TEST(I3_what_is_not_a_height_is_told_and_reaches_no_boundary),
                        SCENARIO_TEST(a_command_that_fails_says_how),
        };
        return cmocka_run_group_tests_name("commands", tests, NULL, NULL);
}
