/* The disk that the journal lies on is full, before a swap and in the middle of one. */
#include "support/scenario.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define TIMEOUT_US (30 * USEC_PER_SEC)
#define FULL_US (3 * USEC_PER_SEC) /* longer than the old release needs to end */

static void begin(struct scenario *s, const char *stop_ms);
static void fill_disk(struct scenario *s);
static void free_disk(struct scenario *s);
static bool is_new_release_in_force(const json_t *status, const void *userdata);

SCENARIO(I5_nothing_is_begun_that_cannot_be_written_down) {
        begin(s, "0");
        scenario_start_load(s, 200, 10);
        fill_disk(s);
        struct process_result result = scenario_cli(s, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        assert_int_equal(result.status, 1);
        if (!strstr(result.error, "make room"))
                fail_msg("it does not say what to do: %s", result.error);
        process_result_done(&result);
        scenario_assert_release(s, "1.0.0");
        free_disk(s);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_end_load_unharmed(s);
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", "2.0.0", NULL});
}

/* The old release ends while nothing can be written: clients wait, and the swap goes on as soon as there is room. */
SCENARIO(I6_a_swap_goes_on_when_there_is_room_again) {
        begin(s, "500");
        scenario_start_load(s, 200, 10);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", NULL);
        scenario_wait_phase(s, "swapping", TIMEOUT_US);
        fill_disk(s);
        (void)process_ends_within(&s->supervisor, FULL_US);
        free_disk(s);
        json_t *status = scenario_wait_status(s, is_new_release_in_force, NULL, TIMEOUT_US);
        print_message("the director was started again %ld times\n",
                        (long)scenario_number(status, "restarts"));
        json_decref(status);
        scenario_end_load_unharmed(s);
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", "2.0.0", NULL});
}

SCENARIO(a_node_can_be_stopped_although_the_disk_is_full) {
        begin(s, "0");
        fill_disk(s);
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", NULL});
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I5_nothing_is_begun_that_cannot_be_written_down),
                        SCENARIO_TEST(I6_a_swap_goes_on_when_there_is_room_again),
                        SCENARIO_TEST(a_node_can_be_stopped_although_the_disk_is_full),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("a full disk", tests, NULL, NULL);
}

/* A small disk of the test's own, seen by nobody else. */
static void begin(struct scenario *s, const char *stop_ms) {
        char arguments[64];
        assert_int_equal(unshare(CLONE_NEWNS), 0);
        assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
        assert_true(mkdir(s->state_dir, 0755) == 0 || errno == EEXIST);
        assert_int_equal(mount("none", s->state_dir, "tmpfs", MS_NODEV, "size=16m,mode=755"), 0);
        (void)snprintf(arguments, sizeof(arguments), "--stop-ms, '%s'", stop_ms);
        scenario_configure_testnode(
                        s, &(struct scenario_testnode){.release = "1.0.0", .arguments = arguments});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_add_testnode(s, "2.0.0", "");
        scenario_start(s);
        scenario_wait_height(s, 3, TIMEOUT_US);
}

static void fill_path(const struct scenario *s, char *path, size_t size) {
        (void)snprintf(path, size, "%s/fill", s->state_dir);
}

static void fill_disk(struct scenario *s) {
        static const char zeros[4096];
        char path[192];
        fill_path(s, path, sizeof(path));
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        while (write(fd, zeros, sizeof(zeros)) > 0)
                continue;
        assert_int_equal(errno, ENOSPC);
}

static void free_disk(struct scenario *s) {
        char path[192];
        fill_path(s, path, sizeof(path));
        assert_int_equal(unlink(path), 0);
}

static bool is_new_release_in_force(const json_t *status, const void *userdata) {
        (void)userdata;
        return strcmp(scenario_text(status, "phase"), "running") == 0 &&
               strcmp(scenario_text(status, "release"), "2.0.0") == 0;
}
