/* A validator: whatever fails and whoever is killed, it signs no height twice. Its memory is a file of its state. */
#include "support/scenario.h"
#include <fcntl.h>
#include <sys/stat.h>

#define TIMEOUT_US (60 * USEC_PER_SEC)

static void begin(struct scenario *s, const char *signer, const char *faults);
static size_t assert_signed_once(struct scenario *s, const char *version);
static void run(const char *format, ...) _printf_(1, 2);

/* The new release signs, never answers, and its state is put back: the old one commits those heights itself, and signs none again. */
SCENARIO(I8_what_was_signed_is_remembered_when_the_state_is_put_back) {
        begin(s, "signer: files, keep: [signed]", "--accept-never-answer");
        scenario_expect(s, 3, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_assert_release(s, "1.0.0");
        json_t *status = scenario_status(s);
        uint64_t height = (uint64_t)scenario_number(status, "height");
        json_decref(status);
        scenario_wait_height(s, height + 60, TIMEOUT_US);
        scenario_stop(s);
        scenario_assert_order(
                        s, (const char *const[]){"1.0.0", NULL}); /* of 2.0.0 nothing is left in the state */
        assert_true(assert_signed_once(s, "2.0.0") > 0);
        assert_true(assert_signed_once(s, "1.0.0") > 0);
}

/* The memory lies in the database itself: the state stays as the new release left it, and the old one goes on from there or not at all. */
SCENARIO(I8_a_state_that_holds_the_memory_is_never_put_back) {
        begin(s, "signer: inside", "--accept-never-answer");
        scenario_expect(s, 0, "schedule", "set", s->node, "100000", ">=2.0.0", NULL);
        struct process_result result = scenario_cli(s, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        assert_true(result.status == 3 || result.status == 4);
        process_result_done(&result);
        scenario_stop(s);
        assert_true(assert_signed_once(s, "2.0.0") > 0);
        scenario_assert_ranges(s, NULL, 0); /* each height once: nothing was put back */
}

/* At a breaking boundary there is no way back at all. */
SCENARIO(I8_a_state_that_holds_the_memory_is_held_at_a_boundary) {
        begin(s, "signer: inside", "--accept-never-answer");
        struct process_result result =
                        scenario_cli(s, "upgrade", s->node, "2.0.0", "--at", "60", "--wait", NULL);
        assert_int_equal(result.status, 4);
        process_result_done(&result);
        scenario_wait_phase(s, "held", TIMEOUT_US);
        scenario_stop(s);
        assert_true(assert_signed_once(s, "2.0.0") > 0);
        scenario_assert_order(s, (const char *const[]){"1.0.0", "2.0.0", NULL});
}

/* What is kept under a name that is not there may be kept nowhere, and no state is put back over it. */
SCENARIO(I8_under_a_wrong_name_nothing_is_put_back) {
        begin(s, "signer: files, keep: [signd]", "--accept-never-answer");
        json_decref(scenario_wait_status(s, scenario_is_degraded, "there is no signd in ", TIMEOUT_US));
        scenario_expect(s, 4, "upgrade", s->node, "2.0.0", "--at", "60", "--wait", NULL);
        json_decref(scenario_wait_status(s, scenario_is_held, "state.keep names signd", TIMEOUT_US));
        scenario_stop(s);
        assert_true(assert_signed_once(s, "2.0.0") > 0);
        scenario_assert_order(s, (const char *const[]){"1.0.0", "2.0.0", NULL});
}

/* The keys are taken out of the snapshot, and never out of what a link in it leads to: the live node's own. */
SCENARIO(I8_a_rehearsal_takes_no_keys_from_the_live_node) {
        char key[200];
        struct stat st;
        begin(s, "signer: files, keep: [signed, keys/key]", "");
        (void)snprintf(key, sizeof(key), "%s/keys/key", s->directory);
        run("mkdir %s/keys && touch %s && ln -s %s/keys %s/keys", s->directory, key, s->directory, s->data);
        struct process_result result = scenario_cli(s, "rehearse", s->node, "2.0.0", NULL);
        if (result.status != 1 || !strstr(result.error, "leads out of the snapshot"))
                fail_msg("%d: %s%s", result.status, result.output, result.error);
        process_result_done(&result);
        assert_int_equal(stat(key, &st), 0);
        scenario_stop(s);
}

static bool may_be_accepted(const json_t *status, const void *userdata) {
        const char *way_out = json_string_value(json_object_get(status, "way_out"));
        (void)userdata;
        return scenario_is_held(status, NULL) && way_out && strstr(way_out, "accept-state");
}

/* The new release had changed nothing when it failed, which only the operator can know. */
SCENARIO(what_an_operator_knows_to_be_right_goes_on) {
        begin(s, "signer: inside", "--never-advance --accept-never-answer");
        struct process_result result =
                        scenario_cli(s, "upgrade", s->node, "2.0.0", "--at", "60", "--wait", NULL);
        assert_int_equal(result.status, 4);
        process_result_done(&result);
        json_decref(scenario_wait_status(s, may_be_accepted, NULL, TIMEOUT_US));
        scenario_expect(s, 0, "accept-state", s->node, NULL);
        /* The schedule still says that it ends there: it stands at its gate, and answers. */
        json_decref(scenario_wait_status(s, scenario_is_held, "asks for", TIMEOUT_US));
        scenario_wait_height(s, 59, TIMEOUT_US);
        scenario_expect(s, 0, "schedule", "remove", s->node, "60", NULL);
        scenario_wait_height(s, 70, TIMEOUT_US);
        scenario_stop(s);
        scenario_assert_ranges(s, (const struct ledger_range[]){{1, UINT64_MAX, "1.0.0"}}, 1);
        assert_true(assert_signed_once(s, "1.0.0") > 0);
}

static void put_mark(struct scenario *s) {
        run("mkdir -p %s/data && touch %s/data/priv_validator_state.json", s->data, s->data);
}

#define WARNED "data/priv_validator_state.json in state.directory"

/* Nobody said whether it signs, and its files tell that it may. */
SCENARIO(I8_who_may_be_a_signer_is_never_put_back) {
        begin(s, "", "--accept-never-answer");
        put_mark(s); /* only now: it is seen when the upgrade is armed, and when the snapshot is taken */
        struct process_result result = scenario_cli(s, "upgrade", s->node, "2.0.0", "--at", "100", NULL);
        assert_int_equal(result.status, 0);
        process_result_done(&result);
        json_t *status = scenario_wait_status(s, scenario_is_degraded, WARNED, TIMEOUT_US);
        assert_non_null(strstr(scenario_text(status, "signer_warning"), "`signer: none`"));
        assert_non_null(strstr(scenario_text(status, "signer_warning"),
                        "`keep: [data/priv_validator_state.json, "));
        json_decref(status);
        result = scenario_cli(s, "plan", s->node, NULL);
        assert_non_null(strstr(result.output, "data/priv_validator_state.json"));
        process_result_done(&result);
        scenario_wait_phase(s, "held", TIMEOUT_US);
        json_decref(scenario_wait_status(s, scenario_is_degraded, WARNED, TIMEOUT_US));
        scenario_stop(s);
        assert_true(assert_signed_once(s, "2.0.0") > 0);
        scenario_assert_order(s, (const char *const[]){"1.0.0", "2.0.0", NULL});
}

/* The mark was made after the last look before the fence. */
SCENARIO(I8_a_signer_is_seen_at_the_latest_when_the_snapshot_is_taken) {
        begin(s, "", "--accept-never-answer");
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--at", "150", NULL);
        scenario_wait_height(s, 100, TIMEOUT_US);
        put_mark(s);
        scenario_wait_phase(s, "held", TIMEOUT_US);
        scenario_stop(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", "2.0.0", NULL});
}

SCENARIO(who_is_said_not_to_sign_is_put_back) {
        begin(s, "signer: none", "--accept-never-answer");
        put_mark(s);
        struct process_result result =
                        scenario_cli(s, "upgrade", s->node, "2.0.0", "--at", "60", "--wait", NULL);
        assert_int_equal(result.status, 4);
        process_result_done(&result);
        json_t *status = scenario_status(s);
        assert_false(scenario_is_degraded(status, WARNED));
        json_decref(status);
        scenario_stop(s);
        scenario_assert_ranges(s, (const struct ledger_range[]){{1, 59, "1.0.0"}}, 1);
}

SCENARIO(I8_who_may_be_a_signer_does_not_overlap) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0",
                                                       .state = "overlap: true, fence: exec",
                                                       .lock = "none"});
        scenario_add_testnodes(s, 1, 2);
        put_mark(s);
        struct process_result result = scenario_cli(s, "check", s->config, NULL);
        assert_int_equal(result.status, 0);
        assert_non_null(strstr(result.output, "no two generations overlap"));
        process_result_done(&result);
        scenario_start(s);
        json_decref(scenario_wait_status(s, scenario_is_degraded, WARNED, TIMEOUT_US));
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        result = scenario_cli(s, "history", s->node, "--json", NULL);
        assert_non_null(strstr(result.output, "exclusive"));
        assert_null(strstr(result.output, "overlap"));
        process_result_done(&result);
        scenario_stop(s);
}

/* One that is armed already is given up. */
SCENARIO(I8_an_overlap_is_cancelled_when_a_signer_is_seen) {
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = "1.0.0",
                                                       .state = "overlap: true, fence: exec",
                                                       .lock = "none"});
        scenario_add_testnodes(s, 1, 2);
        scenario_start(s);
        scenario_wait_jobs(s,
                        TIMEOUT_US); /* else the look of the start might see it, and nothing would overlap */
        put_mark(s);
        scenario_expect(s, 1, "upgrade", s->node, "2.0.0", "--at", "100000", "--wait", NULL);
        json_decref(scenario_wait_status(s, scenario_is_degraded, WARNED, TIMEOUT_US));
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_stop(s);
}

SCENARIO(I8_whoever_is_killed_no_height_is_signed_twice) {
        unsigned seed = (unsigned)getpid();
        print_message("seed %u\n", seed);
        begin(s, "signer: files, keep: [signed]", "--exit-after-ms 300");
        scenario_add_testnode(s, "3.0.0", "");
        for (unsigned i = 0; i < 12; i++) {
                struct process_result result = scenario_cli(
                                s, "upgrade", s->node, i % 3 == 0 ? "3.0.0" : "2.0.0", "--now", NULL);
                process_result_done(&result);
                (void)process_ends_within(&s->supervisor, (uint64_t)(rand_r(&seed) % 600) * USEC_PER_MSEC);
                scenario_kill_somebody(s, &seed);
                scenario_wait_phase(s, "running", TIMEOUT_US);
                if (i % 3 != 2)
                        continue;
                result = scenario_cli(s, "rollback", s->node, "--wait", NULL);
                process_result_done(&result);
        }
        scenario_stop(s);
        (void)assert_signed_once(s, "");
}

static void run(const char *format, ...) {
        char command[600];
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(command, sizeof(command), format, arguments);
        va_end(arguments);
        assert_int_equal(system(command), 0);
}

/* An operator puts last week's backup back, memory and all. It signs nothing until he has said that this is right. */
SCENARIO(I8_on_an_older_state_a_signer_does_not_start) {
        begin(s, "signer: files, keep: [signed]", "");
        scenario_wait_height(s, 20, TIMEOUT_US);
        scenario_stop(s);
        run("cp -a %s %s.backup", s->data, s->data);
        scenario_start(s);
        scenario_wait_height(s, 200, TIMEOUT_US);
        scenario_stop(s);
        size_t before = assert_signed_once(s, "");
        run("rm -rf %s.newer; mv %s %s.newer && cp -a %s.backup %s", s->data, s->data, s->data, s->data,
                        s->data);
        for (int i = 0; i < 2; i++) { /* also when everything is started anew */
                scenario_start_supervisor(s);
                json_t *status = scenario_wait_status(s, scenario_is_held, NULL, TIMEOUT_US);
                assert_non_null(strstr(scenario_text(status, "reason"), "accept-state"));
                json_decref(status);
                struct process_result plan = scenario_cli(s, "plan", s->node, NULL);
                if (plan.status != 1 || !strstr(plan.output, "\nHELD  the state is at height "))
                        fail_msg("%d: %s%s", plan.status, plan.output, plan.error);
                process_result_done(&plan);
                scenario_expect(s, 1, "restart", s->node, NULL);
                scenario_expect(s, 1, "upgrade", s->node, "2.0.0", "--now", NULL);
                scenario_expect(s, 1, "rollback", s->node, NULL);
                scenario_stop(s);
                assert_int_equal(assert_signed_once(s, ""), before);
        }
        scenario_start_supervisor(s);
        scenario_wait_phase(s, "held", TIMEOUT_US);
        /* The newest memory with the older state: that is right, and the operator says so. */
        run("cp -a %s.newer/signed %s/signed", s->data, s->data);
        scenario_expect(s, 0, "accept-state", s->node, NULL);
        scenario_wait_height(s, 230, TIMEOUT_US);
        scenario_expect(s, 1, "accept-state", s->node, NULL);
        scenario_stop(s);
        assert_true(assert_signed_once(s, "") > before);
        run("rm -rf %s.backup %s.newer", s->data, s->data);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I8_what_was_signed_is_remembered_when_the_state_is_put_back),
                        SCENARIO_TEST(I8_a_state_that_holds_the_memory_is_never_put_back),
                        SCENARIO_TEST(I8_a_state_that_holds_the_memory_is_held_at_a_boundary),
                        SCENARIO_TEST(I8_under_a_wrong_name_nothing_is_put_back),
                        SCENARIO_TEST(I8_a_rehearsal_takes_no_keys_from_the_live_node),
                        SCENARIO_TEST(what_an_operator_knows_to_be_right_goes_on),
                        SCENARIO_TEST(I8_who_may_be_a_signer_is_never_put_back),
                        SCENARIO_TEST(I8_a_signer_is_seen_at_the_latest_when_the_snapshot_is_taken),
                        SCENARIO_TEST(who_is_said_not_to_sign_is_put_back),
                        SCENARIO_TEST(I8_who_may_be_a_signer_does_not_overlap),
                        SCENARIO_TEST(I8_an_overlap_is_cancelled_when_a_signer_is_seen),
                        SCENARIO_TEST(I8_whoever_is_killed_no_height_is_signed_twice),
                        SCENARIO_TEST(I8_on_an_older_state_a_signer_does_not_start),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("a signer", tests, NULL, NULL);
}

static void signatures_path(const struct scenario *s, char *path, size_t size) {
        (void)snprintf(path, size, "%s/signatures", s->directory);
}

static void begin(struct scenario *s, const char *signer, const char *faults) {
        char path[128], arguments[256], state[128];
        signatures_path(s, path, sizeof(path));
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        assert_true(fd >= 0 && fchmod(fd, 0666) == 0);
        (void)snprintf(arguments, sizeof(arguments), "--signatures, \"%s\"", path);
        (void)snprintf(state, sizeof(state), "fence: lock, %s", signer);
        scenario_configure_testnode(
                        s, &(struct scenario_testnode){.release = "1.0.0",
                                           .block_ms = 10,
                                           .arguments = arguments,
                                           .state = state,
                                           .more = "deadlines: {prove: 800ms}\nprobation: 400ms\n"
                                                   "progress: {blocks: 1, within: 10s}\nrestart: {backoff: "
                                                   "[10ms]}\n"});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_add_testnode(s, "2.0.0", faults);
        scenario_start(s);
        scenario_wait_height(s, 5, TIMEOUT_US);
}

/* How many heights the version has signed ("": any); no height stands there twice. */
static size_t assert_signed_once(struct scenario *s, const char *version) {
        char path[128], by[32];
        uint64_t height, last = 0;
        int pid;
        size_t n = 0;
        signatures_path(s, path, sizeof(path));
        _cleanup_fclose_ FILE *file = fopen(path, "re");
        assert_non_null(file);
        while (fscanf(file, "%lu %31s %d", &height, by, &pid) == 3) {
                if (height <= last)
                        fail_msg("height %lu was signed by %s after height %lu had been signed", height, by,
                                        last);
                last = height;
                n += *version == '\0' || strcmp(by, version) == 0;
        }
        return n;
}
