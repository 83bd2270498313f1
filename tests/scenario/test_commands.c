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
        write_script(s, "height", "curl -s -m 1 http://127.0.0.1:8545/metrics | sed -n 's/^node_height //p'", height,
                        sizeof(height));
        (void)snprintf(more, sizeof(more),
                        "height: {source: exec, command: [\"%s\"], every: 100ms}\n"
                        "probes:\n  - {name: asks, kind: exec, command: [/usr/bin/curl, -sf, -m, '1', -o, /dev/null, "
                        "\"http://127.0.0.1:8545/\"], every: 100ms, failures: 3}\n"
                        "deadlines: {prepare: 10s, prove: 4s}\n",
                        height);
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0", .state = state, .lock = lock, .more = more});
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

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(an_exclusive_swap_is_proved_by_an_ordinary_command),
                        SCENARIO_TEST(an_overlap_swap_is_not_proved_by_what_the_old_release_answers),
                        SCENARIO_TEST(an_overlap_swap_is_proved_by_an_ordinary_command),
        };
        return cmocka_run_group_tests_name("commands", tests, NULL, NULL);
}
