/* Boundaries in views and epochs of nodes that count in heights: what ran at which height is what the schedule says, whatever is told
 * meanwhile and whoever dies. The views of these nodes are their heights and OFFSET, so that it is known which height is right. */
#include "support/scenario.h"

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#define ANVILS "/var/cache/interrex-nodes/"
#define ETCD "/usr/bin/etcd"
#define CURL "/usr/bin/curl"
#define TIMEOUT_US (60 * USEC_PER_SEC)
#define OFFSET 1000
/* The gate is set about a second ahead, and what is told is some polls old; a block each 50 ms. */
#define LATE_MOST 80

/* Prints the height and OFFSET, or what DIRECTORY/lie says, and makes DIRECTORY/asked longer each time. */
static void write_command(struct scenario *s, char *path, size_t size) {
        char asked[128];
        scenario_need(CURL);
        (void)snprintf(path, size, "%s/view", s->directory);
        (void)snprintf(asked, sizeof(asked), "%s/asked", s->directory);
        FILE *file = fopen(path, "wex");
        assert_non_null(file);
        (void)fprintf(file,
                        "#!/bin/sh\n"
                        "printf x >> %s/asked\n"
                        "[ -e %s/lie ] && exec cat %s/lie\n"
                        "height=$(curl -s -H 'content-type: application/json' -d "
                        "'{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_blockNumber\",\"params\":[]}' "
                        "http://127.0.0.1:8545 | sed -n 's/.*\"result\":\"\\(0x[0-9a-f]*\\)\".*/\\1/p')\n"
                        "[ \"$height\" ] || { echo no height; exit 1; }\n"
                        "echo $(((height + ${1:-%d}) / ${2:-1}))\n",
                        s->directory, s->directory, s->directory, OFFSET);
        assert_int_equal(fchmod(fileno(file), 0755), 0);
        assert_int_equal(fclose(file), 0);
        file = fopen(asked, "wex");
        assert_non_null(file);
        assert_int_equal(fchmod(fileno(file), 0666), 0);
        assert_int_equal(fclose(file), 0);
}

static size_t times_asked(struct scenario *s) {
        char path[128];
        struct stat st;
        (void)snprintf(path, sizeof(path), "%s/asked", s->directory);
        assert_int_equal(stat(path, &st), 0);
        return (size_t)st.st_size;
}

/* NULL: the truth. */
static void lie(struct scenario *s, const char *text) {
        char path[128], draft[128];
        (void)snprintf(path, sizeof(path), "%s/lie", s->directory);
        (void)snprintf(draft, sizeof(draft), "%s/lie.new", s->directory);
        if (!text) {
                assert_int_equal(unlink(path), 0);
                return;
        }
        FILE *file = fopen(draft, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(rename(draft, path), 0);
}

static void configure(struct scenario *s) {
        char command[128], more[512];
        write_command(s, command, sizeof(command));
        (void)snprintf(more, sizeof(more),
                        "height:\n  source: ethereum\n  url: http://127.0.0.1:8545\n  every: 50ms\n"
                        "  units: [{unit: view, source: exec, command: [\"%s\"], every: 200ms}]\n"
                        "probation: 100ms\nprogress: {blocks: 1, within: 10s}\n",
                        command);
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0", .more = more});
        scenario_add_testnodes(s, 1, 2);
}

static void set(struct scenario *s, const char *unit, uint64_t at, const char *range) {
        char point[64];
        (void)snprintf(point, sizeof(point), "%s%lu", unit, at);
        scenario_expect(s, 0, "schedule", "set", s->node, point, range, NULL);
}

static const json_t *first_pending(const json_t *status) {
        return json_array_get(json_object_get(json_object_get(status, "schedule"), "pending"), 0);
}

static bool is_told(const json_t *status, const void *at_least) {
        return json_integer_value(json_object_get(first_pending(status), "told")) >=
               *(const json_int_t *)at_least;
}

static bool is_told_less(const json_t *status, const void *than) {
        const json_t *told = json_object_get(first_pending(status), "told");
        return json_is_integer(told) && json_integer_value(told) < *(const json_int_t *)than;
}

static bool is_placed(const json_t *status, const void *userdata) {
        (void)userdata;
        return json_is_object(json_object_get(status, "schedule")) && !first_pending(status);
}

static bool has_problem(const json_t *status, const void *words) {
        const char *problem = json_string_value(json_object_get(first_pending(status), "problem"));
        const json_t *item;
        size_t i;
        bool is_degraded = false;
        json_array_foreach(json_object_get(status, "degraded"), i, item) {
                is_degraded = is_degraded || (problem && strcmp(json_string_value(item), problem) == 0);
        }
        return words ? is_degraded && strstr(problem, words) : first_pending(status) && !problem;
}

static bool is_release(const json_t *status, const void *release) {
        return strcmp(scenario_text(status, "release"), release) == 0;
}

/* The height that a boundary came to lie at. */
static uint64_t placed_at(struct scenario *s, const char *unit, json_int_t at) {
        struct process_result result = scenario_cli(s, "schedule", "show", s->node, "--json", NULL);
        json_t *schedule = json_loads(result.output, 0, NULL);
        json_int_t height = -1;
        const json_t *item;
        size_t i;
        json_array_foreach(json_object_get(schedule, "boundaries"), i, item) {
                if (strcmp(scenario_text(item, "unit"), unit) == 0 && scenario_number(item, "at") == at)
                        height = json_integer_value(json_object_get(item, "height"));
        }
        json_decref(schedule);
        process_result_done(&result);
        assert_true(height > 0);
        print_message("%s:%ld came to lie at height %ld\n", unit, (long)at, (long)height);
        return (uint64_t)height;
}

static void kill_director(struct scenario *s) {
        int director = scenario_role(s, "interrex-director");
        scenario_kill(director);
        scenario_wait_role(s, "interrex-director", director, TIMEOUT_US);
}

SCENARIO(I3_a_view_of_anvil_is_a_boundary) {
        char command[128];
        scenario_need(ANVILS "anvil-1.7.0"); /* `./setup demo` fetches them */
        scenario_need(ANVILS "anvil-1.7.1");
        write_command(s, command, sizeof(command));
        scenario_configure(s,
                        "node: %s\nrelease: \"1.7.0\"\n"
                        "exec:\n  command: anvil\n  args: [--host, \"127.0.0.1\", --port, '8545', "
                        "--block-time, '1', --state, \"{state}/chain.json\"]\n  user: nobody\n"
                        "listen: [\"tcp:127.0.0.1:8545\"]\nstate: {directory: %s, fence: exec}\n"
                        "height:\n  source: ethereum\n  url: \"http://127.0.0.1:8545\"\n  every: 100ms\n"
                        "  units: [{unit: view, source: exec, command: [\"%s\"], every: 200ms}]\n"
                        "gate: {kind: observe, overshoot: allow}\nprobes:\n  - {name: rpc, kind: height}\n"
                        "probation: 2s\n",
                        s->node, s->data, command);
        scenario_expect(s, 0, "release", "add", s->node, "1.7.0", ANVILS "anvil-1.7.0", NULL);
        scenario_expect(s, 0, "release", "add", s->node, "1.7.1", ANVILS "anvil-1.7.1", NULL);
        set(s, "view:", OFFSET + 10, ">=1.7.1");
        scenario_start(s);
        scenario_start_load(s, 100, 5);
        json_decref(scenario_wait_status(s, is_told, &(json_int_t){OFFSET + 1}, TIMEOUT_US));
        scenario_assert_release(s, "1.7.0");
        json_decref(scenario_wait_status(s, is_release, "1.7.1", TIMEOUT_US));
        scenario_wait_phase(s, "running", TIMEOUT_US);
        scenario_end_load_unharmed(s);
        uint64_t height = placed_at(s, "view", OFFSET + 10);
        assert_in_range(height, 10, 15);
        json_t *status = scenario_status(s);
        assert_non_null(status);
        assert_int_equal(scenario_number(status, "last_swap.at_height"), height);
        assert_string_equal(scenario_text(status, "last_swap.outcome"), "committed");
        json_decref(status);
        scenario_stop(s);
}

SCENARIO(I3_a_view_stays_a_boundary_when_the_director_is_killed) {
        configure(s);
        set(s, "", 1, "1.x");
        set(s, "view:", OFFSET + 200, "2.x");
        scenario_start(s);
        scenario_start_load(s, 200, 5);
        json_decref(scenario_wait_status(s, is_told, &(json_int_t){OFFSET + 1}, TIMEOUT_US));
        kill_director(s);
        json_t *status = scenario_wait_status(s, is_told, &(json_int_t){OFFSET + 1}, TIMEOUT_US);
        assert_string_equal(scenario_text(status, "release"), "1.0.0");
        json_decref(status);
        json_decref(scenario_wait_status(s, is_placed, NULL, TIMEOUT_US));
        kill_director(s);
        json_decref(scenario_wait_status(s, is_release, "2.0.0", TIMEOUT_US));
        scenario_wait_phase(s, "running", TIMEOUT_US);
        uint64_t height = placed_at(s, "view", OFFSET + 200);
        scenario_wait_height(s, height + 20, TIMEOUT_US);
        scenario_end_load_unharmed(s);
        scenario_stop(s);
        assert_in_range(height, 200, 200 + LATE_MOST);
        scenario_assert_ranges(s,
                        (const struct ledger_range[]){
                                        {1, height - 1, "1.0.0"}, {height, UINT64_MAX, "2.0.0"}},
                        2);
}

/* Each would be past the boundary, or make the next truth look like a leap. */
SCENARIO(I3_no_lie_about_a_view_begins_a_swap) {
        static const json_int_t first = OFFSET + 1, low = 100;
        configure(s);
        set(s, "", 1, "1.x");
        set(s, "view:", 1000000, "2.x");
        scenario_start(s);
        json_decref(scenario_wait_status(s, is_told, &first, TIMEOUT_US));
        lie(s, "2000000\n");
        json_t *status = scenario_wait_status(
                        s, has_problem, "tells view 2000000, too far ahead of", TIMEOUT_US);
        json_decref(status);
        scenario_expect(s, 1, "plan", s->node, NULL);
        lie(s, "3\n");
        json_decref(scenario_wait_status(s, has_problem, "tells view 3, too far behind", TIMEOUT_US));
        lie(s, "2000001\n");
        json_decref(scenario_wait_status(
                        s, has_problem, "tells view 2000001, too far ahead of", TIMEOUT_US));
        lie(s, "soon\n");
        json_decref(scenario_wait_status(s, has_problem,
                        "printed \"soon\", which is not a whole number, and the last good view, ",
                        TIMEOUT_US));
        lie(s, "50\n"); /* again and again: a state that was put back */
        json_decref(scenario_wait_status(s, is_told_less, &low, TIMEOUT_US));
        lie(s, NULL);
        json_decref(scenario_wait_status(s, is_told, &first, TIMEOUT_US));
        status = scenario_wait_status(s, has_problem, NULL, TIMEOUT_US);
        assert_string_equal(scenario_text(status, "phase"), "running");
        assert_string_equal(scenario_text(status, "release"), "1.0.0");
        json_int_t view = scenario_number(first_pending(status), "told") + 100;
        json_decref(status);
        scenario_expect(s, 0, "plan", s->node, NULL);
        scenario_expect(s, 0, "schedule", "remove", s->node, "view:1000000", NULL);
        set(s, "view:", (uint64_t)view, "2.x");
        json_decref(scenario_wait_status(s, is_release, "2.0.0", TIMEOUT_US));
        uint64_t height = placed_at(s, "view", view), right = (uint64_t)view - OFFSET;
        scenario_wait_height(s, height + 20, TIMEOUT_US);
        scenario_stop(s);
        assert_in_range(height, right, right + LATE_MOST);
        scenario_assert_ranges(s,
                        (const struct ledger_range[]){
                                        {1, height - 1, "1.0.0"}, {height, UINT64_MAX, "2.0.0"}},
                        2);
}

SCENARIO(nothing_is_asked_for_without_a_boundary_that_is_pending) {
        configure(s);
        scenario_start(s);
        scenario_wait_height(s, 40, TIMEOUT_US);
        assert_int_equal(times_asked(s), 0);
        set(s, "view:", OFFSET + 1, "*");
        json_decref(scenario_wait_status(s, is_placed, NULL, TIMEOUT_US));
        size_t asked = times_asked(s);
        assert_true(asked > 0);
        uint64_t height = placed_at(s, "view", OFFSET + 1);
        scenario_wait_height(s, height + 40, TIMEOUT_US);
        assert_in_range(times_asked(s), asked, asked + 1); /* one may have been under way */
        scenario_stop(s);
}

/* The view by a metric of the node's, the epoch of a hundred blocks by a command; on views the schedule has more to say. */
SCENARIO(I3_views_and_epochs_are_boundaries_of_one_schedule) {
        char command[128], more[640];
        struct process_result result;
        write_command(s, command, sizeof(command));
        (void)snprintf(more, sizeof(more),
                        "height:\n  source: ethereum\n  url: http://127.0.0.1:8545\n  every: 50ms\n  "
                        "units:\n"
                        "    - {unit: view, source: metrics, url: \"http://127.0.0.1:8545/metrics\", "
                        "metric: "
                        "node_height, every: 200ms}\n"
                        "    - {unit: epoch, source: exec, command: [\"%s\", '0', '100'], every: 200ms}\n"
                        "probation: 100ms\nprogress: {blocks: 1, within: 10s}\n",
                        command);
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0", .more = more});
        scenario_add_testnodes(s, 1, 3);
        scenario_start(s);
        set(s, "", 1, "1.x");
        set(s, "view:", 80, "2.x");
        set(s, "epoch:", 3, "3.x");
        result = scenario_cli(s, "schedule", "set", s->node, "view:5000", "3.x from=view:4000", NULL);
        assert_int_equal(result.status, 1);
        assert_non_null(strstr(result.error, "view:5000 cannot have a window"));
        process_result_done(&result);
        json_decref(scenario_wait_status(s, is_release, "2.0.0", TIMEOUT_US));
        result = scenario_cli(s, "schedule", "show", s->node, NULL);
        assert_non_null(strstr(result.output, "epoch:3"));
        process_result_done(&result);
        json_decref(scenario_wait_status(s, is_release, "3.0.0", TIMEOUT_US));
        uint64_t second = placed_at(s, "view", 80), third = placed_at(s, "epoch", 3);
        scenario_wait_height(s, third + 20, TIMEOUT_US);
        scenario_stop(s);
        assert_in_range(second, 80, 80 + LATE_MOST);
        assert_in_range(third, 300, 300 + LATE_MOST);
        scenario_assert_ranges(s,
                        (const struct ledger_range[]){{1, second - 1, "1.0.0"}, {second, third - 1, "2.0.0"},
                                        {third, UINT64_MAX, "3.0.0"}},
                        3);
}

SCENARIO(a_view_that_nothing_tells_is_refused_and_told) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0"});
        scenario_add_testnode(s, "1.0.0", "");
        set(s, "view:", 1000, "2.x"); /* while nobody runs who would know */
        scenario_start(s);
        json_decref(scenario_wait_status(
                        s, has_problem, "nothing tells views here: say in `height.units`", TIMEOUT_US));
        struct process_result result = scenario_cli(s, "schedule", "set", s->node, "epoch:9", "2.x", NULL);
        assert_int_equal(result.status, 1);
        assert_non_null(strstr(result.error, "name in `height.units` what tells epochs"));
        process_result_done(&result);
        scenario_expect(s, 0, "schedule", "remove", s->node, "view:1000", NULL);
        scenario_stop(s);
}

/* Its revision is the height, and what was put into it since its start the view, one less. */
SCENARIO(I3_a_metric_of_etcd_is_a_boundary) {
        static const char *const puts[] = {"sh", "-c",
                        "while curl -s -o /dev/null http://127.0.0.1:8545/v3/kv/put -d "
                        "'{\"key\": \"Zm9v\", \"value\": \"YmFy\"}'; do :; done",
                        NULL};
        struct process writer = {.pidfd = -1};
        scenario_need(ETCD);
        scenario_need(CURL);
        scenario_configure(s,
                        "node: %s\nrelease: \"1.0.0\"\n" SCENARIO_ETCD
                        "height:\n  source: metrics\n  url: \"http://127.0.0.1:8545/metrics\"\n"
                        "  metric: etcd_debugging_mvcc_current_revision\n  units:\n"
                        "    - {unit: view, source: metrics, url: \"http://127.0.0.1:8545/metrics\", "
                        "metric: "
                        "etcd_mvcc_put_total, every: 200ms}\n"
                        "gate: {kind: observe, overshoot: allow}\nprobes:\n  - {name: metrics, kind: "
                        "height}\n"
                        "probation: 1s\n",
                        s->node, s->data);
        scenario_expect(s, 0, "release", "add", s->node, "1.0.0", ETCD, NULL);
        scenario_expect(s, 0, "release", "add", s->node, "2.0.0", ETCD, NULL);
        set(s, "view:", 60, "2.x");
        scenario_start(s);
        assert_int_equal(process_start(&(struct process_start){.arguments = puts,
                                                       .output_fd = -1,
                                                       .error_fd = -1,
                                                       .cgroup_fd = s->cgroup_fd},
                                         &writer),
                        0);
        json_decref(scenario_wait_status(s, is_told, &(json_int_t){1}, TIMEOUT_US));
        scenario_assert_release(s, "1.0.0");
        json_decref(scenario_wait_status(s, is_release, "2.0.0", TIMEOUT_US));
        uint64_t height = placed_at(s, "view", 60);
        scenario_wait_height(s, height + 20, TIMEOUT_US);
        process_kill(&writer);
        assert_in_range(height, 61, 1000);
        scenario_stop(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I3_a_view_of_anvil_is_a_boundary),
                        SCENARIO_TEST(I3_a_view_stays_a_boundary_when_the_director_is_killed),
                        SCENARIO_TEST(I3_no_lie_about_a_view_begins_a_swap),
                        SCENARIO_TEST(nothing_is_asked_for_without_a_boundary_that_is_pending),
                        SCENARIO_TEST(I3_views_and_epochs_are_boundaries_of_one_schedule),
                        SCENARIO_TEST(a_view_that_nothing_tells_is_refused_and_told),
                        SCENARIO_TEST(I3_a_metric_of_etcd_is_a_boundary),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("views and epochs", tests, NULL, NULL);
}
