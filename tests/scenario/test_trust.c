/* With keys configured, nothing runs that none of them has signed. The signatures are made by Debian's minisign. */
#include "support/signing.h"
#include <sys/stat.h>

#define TIMEOUT_US (60 * USEC_PER_SEC)

static void make_release(struct scenario *s, const char *version, char *path, size_t size);
static void assert_refused(struct scenario *s, const char *version, const char *word);
static void assert_not_added(struct scenario *s, const char *version, const char *path, const char *word);
static void add_behind_its_back(struct scenario *s, const char *version, const char *path);
static void assert_plan_warns(struct scenario *s, const char *version, const char *word);

SCENARIO(I3_only_what_was_signed_runs) {
        char key[128], path[5][200], more[256];
        scenario_need("/usr/bin/minisign");
        signing_make_key(s, "ours", key, sizeof(key));
        (void)snprintf(more, sizeof(more), "release: \"1.0.0\"\ntrust: {keys: [\"%s\"]}\nprobation: 200ms\n",
                        key);
        signing_make_key(s, "theirs", key, sizeof(key));
        scenario_configure_testnode(s, &(struct scenario_testnode){.more = more});
        static const char *const versions[] = {"1.0.0", "2.0.0", "2.0.1", "2.0.2", "2.0.3"};
        for (size_t i = 0; i < ELEMENTS(versions); i++)
                make_release(s, versions[i], path[i], sizeof(path[i]));
        signing_sign(s, "ours", path[0], "version:1.0.0");
        scenario_expect(s, 0, "release", "add", s->node, "1.0.0", path[0], NULL); /* finds PATH.minisig */
        scenario_start(s);

        scenario_expect(s, 0, "release", "add", s->node, "2.0.1", path[2], NULL);
        assert_refused(s, "2.0.1", "not signed");

        signing_sign(s, "theirs", path[3], "none");
        assert_not_added(s, "2.0.2", path[3], "trust.keys");
        add_behind_its_back(s, "2.0.2", path[3]);
        assert_plan_warns(s, "2.0.2", "not among trust.keys"); /* before it is tried */
        assert_refused(s, "2.0.2", "trust.keys");

        /* The signature of other bytes; and an old release under a new number. */
        char signature[220];
        (void)snprintf(signature, sizeof(signature), "%s.minisig", path[0]);
        scenario_expect(s, 2, "release", "add", s->node, "2.0.3", path[4], "--signature", signature, NULL);
        signing_sign(s, "ours", path[4], "none");
        (void)snprintf(signature, sizeof(signature), "cp %s.minisig %s.minisig", path[4], path[1]);
        assert_int_equal(system(signature), 0);
        assert_not_added(s, "2.0.4", path[1], "not what was signed");
        add_behind_its_back(s, "2.0.4", path[1]);
        assert_refused(s, "2.0.4", "not what was signed");
        assert_plan_warns(s, "2.0.4", "not what was signed"); /* it has been read by now */

        signing_sign(s, "ours", path[1], "version:2.0.0");
        scenario_expect(s, 0, "release", "add", s->node, "2.0.0", path[1], NULL);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_assert_release(s, "2.0.0");
        scenario_stop(s);
}

/* It is here already, and was refused as often as it is tried. */
SCENARIO(a_held_node_goes_on_when_the_signature_comes) {
        char key[128], path[2][200], more[300];
        scenario_need("/usr/bin/minisign");
        signing_make_key(s, "ours", key, sizeof(key));
        (void)snprintf(more, sizeof(more),
                        "release: \"1.0.0\"\ntrust: {keys: [\"%s\"]}\nprobation: 200ms\n"
                        "restart: {backoff: [50ms]}\n",
                        key);
        scenario_configure_testnode(s, &(struct scenario_testnode){.more = more});
        make_release(s, "1.0.0", path[0], sizeof(path[0]));
        make_release(s, "2.0.0", path[1], sizeof(path[1]));
        signing_sign(s, "ours", path[0], "none");
        scenario_expect(s, 0, "release", "add", s->node, "1.0.0", path[0], NULL);
        scenario_expect(s, 0, "release", "add", s->node, "2.0.0", path[1], NULL);
        scenario_start(s);
        scenario_expect(s, 0, "schedule", "set", s->node, "60", ">=2.0.0", NULL);
        json_decref(scenario_wait_status(s, scenario_is_held, "tried in vain", TIMEOUT_US));
        signing_sign(s, "ours", path[1], "none");
        scenario_expect(s, 0, "release", "add", s->node, "2.0.0", path[1], NULL);
        scenario_wait_height(s, 65, TIMEOUT_US);
        scenario_wait_phase(s, "running", TIMEOUT_US);
        scenario_assert_release(s, "2.0.0");
        scenario_stop(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {SCENARIO_TEST(I3_only_what_was_signed_runs),
                        SCENARIO_TEST(a_held_node_goes_on_when_the_signature_comes)};
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("trust", tests, NULL, NULL);
}

/* One file: the test node, with some bytes behind it that tell the versions apart. */
static void make_release(struct scenario *s, const char *version, char *path, size_t size) {
        char from[300];
        (void)snprintf(from, sizeof(from), "%s/testnode", s->nodes);
        (void)snprintf(path, size, "%s/testnode-%s", s->directory, version);
        SIGNING_RUN(NULL, "cp", from, path);
        _cleanup_fclose_ FILE *file = fopen(path, "ae");
        assert_non_null(file);
        assert_true(fputs(version, file) >= 0);
}

static void assert_refused(struct scenario *s, const char *version, const char *word) {
        struct process_result result = scenario_cli(s, "upgrade", s->node, version, "--now", "--wait", NULL);
        assert_int_equal(result.status, 1);
        if (!strstr(result.error, word) && !strstr(result.output, word))
                fail_msg("it does not say \"%s\": %s%s", word, result.output, result.error);
        process_result_done(&result);
        scenario_assert_release(s, "1.0.0");
}

static void assert_not_added(struct scenario *s, const char *version, const char *path, const char *word) {
        struct process_result result = scenario_cli(s, "release", "add", s->node, version, path, NULL);
        if (result.status != 1 || !strstr(result.error, word))
                fail_msg("%d: %s%s", result.status, result.output, result.error);
        process_result_done(&result);
        scenario_expect(s, 1, "release", "manifest", s->node, version, NULL);
}

/* As if the keys had been others when it was added. */
static void add_behind_its_back(struct scenario *s, const char *version, const char *path) {
        char text[800];
        (void)snprintf(text, sizeof(text), "mv %s.minisig %s.kept", path, path);
        assert_int_equal(system(text), 0);
        scenario_expect(s, 0, "release", "add", s->node, version, path, NULL);
        (void)snprintf(text, sizeof(text), "cp %s.kept %s/%s/releases/%s.minisig", path, s->state_dir,
                        s->node, version);
        assert_int_equal(system(text), 0);
}

/* Far ahead, and taken away again. */
static void assert_plan_warns(struct scenario *s, const char *version, const char *word) {
        scenario_expect(s, 0, "schedule", "set", s->node, "1000000", version, NULL);
        struct process_result result = scenario_cli(s, "plan", s->node, NULL);
        if (result.status != 1 || !strstr(result.output, "NOT READY") || !strstr(result.output, word))
                fail_msg("%d: %s%s", result.status, result.output, result.error);
        process_result_done(&result);
        scenario_expect(s, 0, "schedule", "remove", s->node, "1000000", NULL);
}
