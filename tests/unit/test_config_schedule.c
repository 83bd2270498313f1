/* The configuration's section about where the schedule comes from. */
#include "support/config_texts.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Lines 1 and 2 of all that is parsed. */
#define HEAD "node: a\nexec: {command: a}\n"
#define SIGNED "trust: {keys: [RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3]}\n"

static void test_a_source_of_the_schedule_is_read(void **state) {
        (void)state;
        struct config *config =
                        parse_config(HEAD "schedule: {source: file, path: /etc/schedule, every: 30s}\n");
        assert_int_equal(config->schedule.source, SOURCE_FILE);
        assert_string_equal(config->schedule.path, "/etc/schedule");
        assert_int_equal(config->schedule.every_us, 30 * USEC_PER_SEC);
        config_free(config);
        config = parse_config(
                        HEAD SIGNED "schedule: {source: https, url: \"https://example.org:1/a?b=c\", ca: "
                                    "/etc/ca.pem}\n");
        assert_int_equal(config->schedule.source, SOURCE_HTTPS);
        assert_string_equal(config->schedule.url, "https://example.org:1/a?b=c");
        assert_string_equal(config->schedule.ca, "/etc/ca.pem");
        config_free(config);
        config = parse_config(
                        HEAD "state: {directory: /srv/a}\nschedule: {source: cosmovisor, names: {acme: "
                             "\"2.0.0\", b: "
                             "\">=3.0.0 <3.1.0\"}}\n");
        assert_int_equal(config->schedule.source, SOURCE_COSMOVISOR);
        assert_string_equal(config->schedule.names[0], "acme=2.0.0");
        assert_string_equal(config->schedule.names[1], "b=>=3.0.0 <3.1.0");
        config_free(config);
        config = parse_config(
                        HEAD "schedule: {source: flow, url: \"http://[::1]:80/\", compatible: [v0.37.2], "
                             "unsigned: allow}\n");
        assert_int_equal(config->schedule.source, SOURCE_FLOW);
        assert_string_equal(config->schedule.compatible[0], "v0.37.2");
        assert_true(config->schedule.unsigned_allowed);
        config_free(config);
}

static void test_a_wrong_source_of_the_schedule_is_told_with_its_line(void **state) {
        static const struct config_mistake_case cases[] = {
                        {HEAD "schedule: {path: /a}\n", 3, "needs `source`"},
                        {HEAD "schedule: {source: ftp}\n", 3, "file, https, cosmovisor"},
                        {HEAD "schedule: {source: file}\n", 3, "needs schedule.path"},
                        {HEAD "schedule: {source: file, path: a}\n", 3, "absolute path"},
                        {HEAD "schedule:\n  source: file\n  path: /a\n  every: 1ms\n", 6,
                                        "from 100ms to 24h"},
                        {HEAD SIGNED "schedule: {source: https}\n", 4, "needs schedule.url"},
                        {HEAD SIGNED "schedule: {source: https, url: \"http://example.org/\"}\n", 4,
                                        "only from this machine"},
                        {HEAD SIGNED "schedule: {source: https, url: \"http://127.0.0.1@example.org/\"}\n",
                                        4, "only from this machine"},
                        {HEAD SIGNED "schedule: {source: https, url: \"https://me:secret@example.org/\"}\n",
                                        4, "without a password"},
                        {HEAD SIGNED "schedule: {source: https, url: \"ftp://example.org/\"}\n", 4,
                                        "must be https://"},
                        {HEAD SIGNED "schedule: {source: https, url: \"file:///etc/passwd\"}\n", 4,
                                        "must be https://"},
                        {HEAD "schedule: {source: https, url: \"https://example.org/\"}\n", 3,
                                        "needs trust.keys"},
                        {HEAD "trust: {keys: []}\nschedule: {source: https, url: "
                              "\"https://example.org/\"}\n",
                                        4, "needs trust.keys"},
                        {HEAD "schedule: {source: cosmovisor}\n", 3,
                                        "needs schedule.path or state.directory"},
                        {HEAD "schedule: {source: cosmovisor, path: /a, names: {b: new}}\n", 3,
                                        "neither a version nor a range"},
                        {HEAD "schedule: {source: file, path: /a, names: {b: \"1.0.0\"}}\n", 3,
                                        "for source cosmovisor only"},
                        {HEAD "schedule: {source: flow}\n", 3, "either schedule.path or schedule.url"},
                        {HEAD "schedule: {source: flow, path: /a, url: \"https://a/\"}\n", 3,
                                        "either schedule.path or"},
                        {HEAD "schedule: {source: flow, path: /a, compatible: [\">=1\"]}\n", 3,
                                        "is not a version"},
                        {HEAD "schedule: {source: file, path: /a, compatible: [\"1.0.0\"]}\n", 3,
                                        "for source flow only"},
                        {HEAD "schedule: {source: file, path: /a, unsigned: allow}\n", 3,
                                        "for source flow only, not for file"},
                        {HEAD "schedule: {source: flow, path: /a, unsigned: yes}\n", 3, "allow"},
                        {HEAD "schedule: {source: file, path: /a, ca: /b}\n", 3,
                                        "schedule.ca needs schedule.url"},
                        {HEAD "schedule: {source: file, path: /a, key: b}\n", 3, "key"}};
        (void)state;
        assert_config_mistakes(cases, ELEMENTS(cases));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(test_a_source_of_the_schedule_is_read),
                        cmocka_unit_test(test_a_wrong_source_of_the_schedule_is_told_with_its_line),
        };
        return cmocka_run_group_tests_name("config: schedule", tests, NULL, NULL);
}
