/* What a swap that was cut short leaves beside the state directory, and who removes it. */
#include "support/scenario.h"

#include <dirent.h>
#include <sys/stat.h>

#define TIMEOUT_US (20 * USEC_PER_SEC)

static void begin(struct scenario *s) {
        scenario_configure_testnode(s,
                        &(struct scenario_testnode){.release = "1.0.0",
                                        .more = "probation: 100ms\nprogress: {blocks: 1, within: 10s}\n"});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_add_testnode(s, "2.0.0", "--start-ms 15000"); /* is being proved for long */
        scenario_start(s);
}

static bool is_snapshot(const struct dirent *entry) {
        return strstr(entry->d_name, ".interrex-") && !strstr(entry->d_name, ".lock") &&
               !strstr(entry->d_name, ".try");
}

static size_t count_snapshots(const struct scenario *s) {
        size_t n = 0;
        DIR *folder = opendir(s->directory);
        assert_non_null(folder);
        for (const struct dirent *entry; (entry = readdir(folder));)
                n += is_snapshot(entry);
        (void)closedir(folder);
        return n;
}

static void wait_for_snapshots(struct scenario *s, size_t n) {
        uint64_t deadline = now_monotonic() + process_patience(TIMEOUT_US);
        while (count_snapshots(s) != n) {
                assert_true(now_monotonic() < deadline);
                assert_false(process_ends_within(&s->supervisor, 10 * USEC_PER_MSEC));
        }
}

static bool is_proving(const json_t *status, const void *userdata) {
        (void)userdata;
        return json_array_size(json_object_get(status, "generations")) == 1 &&
               json_integer_value(json_object_get(json_array_get(json_object_get(status, "generations"), 0),
                               "generation")) == 2;
}

static void go_until_proving(struct scenario *s) {
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", NULL);
        json_decref(scenario_wait_status(s, is_proving, NULL, TIMEOUT_US));
        wait_for_snapshots(s, 1);
}

SCENARIO(I6_nothing_is_left_of_a_swap_whose_keeper_was_killed) {
        begin(s);
        go_until_proving(s);
        process_kill(&s->supervisor);
        assert_int_equal(count_snapshots(s), 1);
        scenario_start(s);
        scenario_assert_release(s, "1.0.0");
        wait_for_snapshots(s, 0);
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", NULL});
}

/* The end of the supervisor ends who was removing it. */
SCENARIO(I6_nothing_is_left_of_a_swap_that_was_stopped_while_it_was_proved) {
        begin(s);
        go_until_proving(s);
        scenario_stop(s);
        scenario_start(s);
        scenario_assert_release(s, "1.0.0");
        wait_for_snapshots(s, 0);
        scenario_stop(s);
}

/* Whoever made it may need it: it is told of, and does not become the snapshot of another swap of that number. */
SCENARIO(I6_a_snapshot_of_a_swap_that_the_journal_does_not_know_is_set_aside) {
        char path[160], left[160];
        struct stat st;
        begin(s);
        scenario_stop(s);
        const char *name = strrchr(s->data, '/') + 1;
        (void)snprintf(path, sizeof(path), "%s/.%.32s.interrex-swap-1", s->directory, name);
        (void)snprintf(left, sizeof(left), "%s/.%.32s.interrex-left-swap-1-0", s->directory, name);
        assert_int_equal(mkdir(path, 0755), 0);
        scenario_start(s);
        uint64_t deadline = now_monotonic() + process_patience(TIMEOUT_US);
        while (stat(left, &st) < 0) {
                assert_true(now_monotonic() < deadline);
                assert_false(process_ends_within(&s->supervisor, 10 * USEC_PER_MSEC));
        }
        assert_int_equal(stat(path, &st), -1);
        scenario_stop(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I6_nothing_is_left_of_a_swap_whose_keeper_was_killed),
                        SCENARIO_TEST(I6_nothing_is_left_of_a_swap_that_was_stopped_while_it_was_proved),
                        SCENARIO_TEST(I6_a_snapshot_of_a_swap_that_the_journal_does_not_know_is_set_aside),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("what is left of swaps", tests, NULL, NULL);
}
