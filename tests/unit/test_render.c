/* What an operator reads. The texts are compared as a whole where their shape is the point. */
#include "cli/render.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

static const struct text_style plain = {.colours = false};

static json_t *parse(const char *text) {
        json_error_t error;
        json_t *json = json_loads(text, 0, &error);
        if (!json)
                fail_msg("the test's own JSON is wrong: %s", error.text);
        return json;
}

static void assert_renders(const char *json, const char *expected) {
        json_t *status = parse(json);
        _cleanup_free_ char *text = NULL;
        assert_int_equal(render_status(status, &plain, &text), 0);
        assert_string_equal(text, expected);
        json_decref(status);
}

static void a_running_node_reads_at_a_glance(void **state) {
        (void)state;
        assert_renders("{\"node\":\"anvil\",\"phase\":\"armed\",\"reason\":null,\"release\":\"1.7.0\","
                       "\"generation\":3,"
                       "\"pid\":812,\"uptime_s\":11520,\"height\":1234,"
                       "\"next\":{\"height\":1300,\"range\":\">=1.7.1\",\"release\":\"1.7.1\",\"eta_s\":66},"
                       "\"listeners\":[{\"address\":\"tcp:127.0.0.1:8545\",\"slot\":1,\"queued\":0,"
                       "\"steered\":1200,"
                       "\"migrated\":7}],"
                       "\"generations\":[{\"generation\":3,\"release\":\"1.7.0\",\"slot\":1,\"pid\":812,"
                       "\"state\":\"serving\",\"connections\":4}],"
                       "\"last_swap\":{\"id\":12,\"from\":\"1.6.9\",\"to\":\"1.7.0\",\"at_height\":1100,"
                       "\"outcome\":\"committed\",\"reason\":null,\"gap_ms\":12.5,\"prepared_ms\":340,"
                       "\"total_ms\":62100},"
                       "\"restarts\":0,\"degraded\":[\"no snapshot: ext4 cannot clone\"]}",
                        "anvil  ARMED  1.7.0  height 1234  (g3, pid 812, up 3h 12m)\n"
                        "! degraded: no snapshot: ext4 cannot clone\n"
                        "next: 1.7.1 at height 1300 (in about 66 s)\n"
                        "listens: tcp:127.0.0.1:8545  slot 1, 0 queued, 1200 steered, 7 migrated\n"
                        "last swap: #12 1.6.9 -> 1.7.0 at height 1100  committed  (gap 12 ms, prepared in "
                        "340 ms, "
                        "total 62 s)\n");
}

static void a_held_node_says_why_first(void **state) {
        (void)state;
        assert_renders("{\"node\":\"a\",\"phase\":\"held\",\"reason\":\"both releases "
                       "failed\",\"release\":\"1.7.0\","
                       "\"generation\":4,\"pid\":9,\"uptime_s\":5,\"height\":null,\"restarts\":2,\"next\":"
                       "null,"
                       "\"last_swap\":{\"id\":1,\"from\":\"1\",\"to\":\"2\",\"at_height\":null,\"outcome\":"
                       "\"held\","
                       "\"reason\":\"probe rpc failed\",\"gap_ms\":1}}",
                        "a  HELD  1.7.0  height unknown  (g4, pid 9, up 5.0 s, 2 restarts)\n"
                        "! both releases failed\n"
                        "last swap: #1 1 -> 2  held  (gap 1 ms)\n"
                        "           probe rpc failed\n");
}

static void what_a_hold_serves_is_said(void **state) {
        (void)state;
        assert_renders("{\"node\":\"a\",\"phase\":\"held\",\"reason\":\"2.0.0 "
                       "failed\",\"release\":\"1\",\"height\":29,"
                       "\"pid\":9,\"waiting_s\":null,\"cut_off\":null,"
                       "\"generations\":[{\"generation\":1,\"state\":\"serving\"}]}",
                        "a  HELD  1  height 29  (pid 9)\n"
                        "! 2.0.0 failed\n"
                        "held, it makes no more blocks and goes on answering reads\n");
}

/* A cache is asked for no height, so there is none that could be unknown. */
static void a_node_without_heights_shows_none(void **state) {
        (void)state;
        assert_renders("{\"node\":\"a\",\"phase\":\"running\",\"release\":\"7.2.4\",\"height\":null,\"has_"
                       "heights\":false}",
                        "a  RUNNING  7.2.4\n");
}

static void one_reason_is_said_once(void **state) {
        (void)state;
        assert_renders("{\"node\":\"a\",\"phase\":\"held\",\"reason\":\"gave up; the last: it "
                       "failed\",\"release\":\"1\","
                       "\"height\":2,\"last_swap\":{\"id\":1,\"from\":\"1\",\"to\":\"2\",\"outcome\":"
                       "\"held\","
                       "\"reason\":\"it failed\"}}",
                        "a  HELD  1  height 2\n"
                        "! gave up; the last: it failed\n"
                        "last swap: #1 1 -> 2  held\n");
}

/* Programs find it among what is degraded; people read first what happened, then what to type. */
static void a_hold_stands_with_its_way_out(void **state) {
        (void)state;
        assert_renders("{\"node\":\"a\",\"phase\":\"held\",\"reason\":\"2.0.0 failed\",\"way_out\":\"add "
                       "one with `x`\","
                       "\"release\":\"1\",\"height\":29,\"waiting_s\":3,"
                       "\"degraded\":[\"cut off\",\"add one with `x`\",\"no snapshot\"]}",
                        "a  HELD  1  height 29\n"
                        "! 2.0.0 failed\n"
                        "! to go on: add one with `x`\n"
                        "! the node does not answer: connections wait, for 3.0 s so far\n"
                        "! degraded: cut off\n"
                        "! degraded: no snapshot\n");
}

static void a_hold_that_is_tried_again_says_when(void **state) {
        (void)state;
        assert_renders("{\"node\":\"a\",\"phase\":\"held\",\"reason\":\"2.0.0 failed\",\"release\":\"1\","
                       "\"height\":29,\"next_try_s\":8.6,\"next\":{\"height\":30,\"release\":\"2.0.0\","
                       "\"eta_s\":null}}",
                        "a  HELD  1  height 29\n"
                        "! 2.0.0 failed\n"
                        "! what failed is tried again by itself in 8.0 s\n"
                        "next: 2.0.0 at height 30\n");
}

static void a_hold_says_what_was_tried_in_vain(void **state) {
        (void)state;
        assert_renders("{\"node\":\"a\",\"phase\":\"held\",\"release\":\"1\",\"height\":29,"
                       "\"next\":{\"height\":30,\"range\":\">=2\",\"release\":null,"
                       "\"tried_in_vain\":\"2.0.0\",\"eta_s\":null}}",
                        "a  HELD  1  height 29\n"
                        "next: a release in >=2 other than 2.0.0, which was tried in vain, at height 30\n");
}

static void a_node_that_crashed_says_when_it_is_tried_again(void **state) {
        (void)state;
        assert_renders("{\"node\":\"a\",\"phase\":\"starting\",\"release\":\"1\",\"height\":29,"
                       "\"next_try_s\":0.4}",
                        "a  STARTING  1  height 29\n"
                        "! the node is not up: next try in less than 1 s\n");
}

/* What is in force already does not come next. */
static void probation_says_when_it_ends(void **state) {
        (void)state;
        assert_renders("{\"node\":\"a\",\"phase\":\"probation\",\"release\":\"2\",\"height\":30,"
                       "\"probation_s\":3.2,\"progress_s\":null,"
                       "\"next\":{\"height\":90,\"release\":\"3\",\"eta_s\":60}}",
                        "a  PROBATION  2  height 30\n"
                        "in probation, for 3.0 s more\n"
                        "next: 3 at height 90 (in about 60 s)\n");
        assert_renders("{\"node\":\"a\",\"phase\":\"probation\",\"release\":\"2\",\"height\":30,"
                       "\"probation_s\":3.2,\"progress_s\":9,\"next\":null}",
                        "a  PROBATION  2  height 30\n"
                        "in probation, for 3.0 s more, and has to make its blocks within 9.0 s\n");
}

static void a_node_that_is_down_says_so(void **state) {
        (void)state;
        assert_renders("{\"node\":\"a\",\"phase\":\"held\",\"reason\":\"it "
                       "failed\",\"release\":\"1\",\"pid\":null,"
                       "\"uptime_s\":0.0,\"height\":29,\"waiting_s\":20.4}",
                        "a  HELD  1  height 29\n"
                        "! it failed\n"
                        "! the node does not answer: connections wait, for 20 s so far\n");
}

static void two_generations_are_both_shown(void **state) {
        (void)state;
        json_t *status = parse(
                        "{\"node\":\"a\",\"phase\":\"swapping\",\"generations\":[{\"generation\":3,"
                        "\"release\":"
                        "\"1\",\"slot\":0,\"pid\":5,\"state\":\"draining\",\"connections\":4},{"
                        "\"generation\":4,"
                        "\"release\":\"2\",\"slot\":1,\"pid\":6,\"state\":\"serving\",\"connections\":0}]}");
        _cleanup_free_ char *text = NULL;
        assert_int_equal(render_status(status, &plain, &text), 0);
        assert_non_null(strstr(text, "generation: g3 1 draining  (slot 0, pid 5, 4 connections)\n"));
        assert_non_null(strstr(text, "generation: g4 2 serving  (slot 1, pid 6, 0 connections)\n"));
        json_decref(status);
}

/* The director is another process: whatever it sends, nothing breaks. */
static void what_is_missing_or_strange_is_left_out(void **state) {
        (void)state;
        assert_renders("{}", "?  ?  no release  height unknown\n");
        assert_renders("{\"node\":\"a\",\"phase\":\"running\",\"release\":\"1\",\"height\":7,\"height_age_"
                       "s\":0.2,"
                       "\"height_problem\":null}",
                        "a  RUNNING  1  height 7\n");
        assert_renders("{\"node\":\"a\",\"phase\":\"running\",\"release\":\"1\",\"height\":7,\"height_age_"
                       "s\":130.5,"
                       "\"height_problem\":\"x\"}",
                        "a  RUNNING  1  height 7 (2m 10s ago)\n");
        assert_renders("{\"node\":5,\"height\":-3,\"listeners\":{},\"degraded\":[7],\"next\":[],\"last_"
                       "swap\":3,"
                       "\"uptime_s\":1e300}",
                        "?  ?  no release  height unknown\n! degraded: ?\n");
}

static void a_terminal_cannot_be_taken_over(void **state) {
        (void)state;
        json_t *status = parse("{\"node\":\"a\",\"phase\":\"held\",\"reason\":\"\\u001b[2J\\u009b31m\\nfake:"
                               " ok\\u007f\"}");
        const struct text_style coloured = {.colours = true};
        _cleanup_free_ char *text = NULL, *line = NULL;
        assert_int_equal(render_status(status, &plain, &text), 0);
        assert_non_null(strstr(text, "! ?[2J?31m?fake: ok?\n"));
        assert_int_equal(render_status_line(status, true, &line), 0);
        assert_null(strchr(line, '\033'));
        free(text);
        assert_int_equal(render_status(status, &coloured, &text), 0);
        assert_non_null(strstr(text, "\033[1;31mHELD\033[0m"));
        assert_null(strstr(text, "\033[2J"));
        json_decref(status);
}

static void a_line_without_height_stays_while_blocks_pass(void **state) {
        (void)state;
        json_t *one = parse("{\"node\":\"a\",\"phase\":\"running\",\"release\":\"1\",\"generation\":2,"
                            "\"height\":10}");
        json_t *two = parse("{\"node\":\"a\",\"phase\":\"running\",\"release\":\"1\",\"generation\":2,"
                            "\"height\":11}");
        json_t *armed = parse("{\"node\":\"a\",\"phase\":\"armed\",\"release\":\"1\",\"generation\":2,"
                              "\"height\":11,"
                              "\"next\":{\"release\":\"2\",\"height\":20}}");
        _cleanup_free_ char *first = NULL, *second = NULL, *third = NULL, *shown = NULL;
        assert_int_equal(render_status_line(one, false, &first), 0);
        assert_int_equal(render_status_line(two, false, &second), 0);
        assert_int_equal(render_status_line(armed, false, &third), 0);
        assert_int_equal(render_status_line(armed, true, &shown), 0);
        assert_string_equal(first, second);
        assert_string_not_equal(second, third);
        assert_string_equal(shown, "a armed 1 g2 height 11 next 2 at 20\n");
        json_decref(one);
        json_decref(two);
        json_decref(armed);
}

static struct journal_swap example_swap(void) {
        return (struct journal_swap){
                        .id = 12,
                        .kind = "upgrade",
                        .from = "1.6.9",
                        .to = "1.7.0",
                        .at_height = 1100,
                        .mode = "exclusive",
                        .started_at = 1700000000000000,
                        .ended_at = 1700000062000000,
                        .outcome = "rolled-back",
                        .reason = "probe rpc failed",
                        .prepared_us = 340000,
                        .gap_us = 12500,
                        .total_us = 62100000,
                        .snapshot = "reflink",
        };
}

static void history_is_a_table(void **state) {
        (void)state;
        struct journal_swap swaps[2] = {example_swap(), example_swap()};
        _cleanup_free_ char *text = NULL, *none = NULL;
        swaps[1].ended_at = 0;
        *swaps[1].outcome = *swaps[1].reason = '\0';
        swaps[1].at_height = UINT64_MAX;
        assert_int_equal(render_history(swaps, 2, &plain, &text), 0);
        assert_string_equal(text, " SWAP  STARTED              KIND      RELEASES                       "
                                  "HEIGHT  OUTCOME           GAP"
                                  "     TOTAL\n"
                                  "   12  2023-11-14 22:13:20  upgrade   1.6.9 -> 1.7.0                   "
                                  "1100  rolled-back     12 ms"
                                  "      62 s\n"
                                  "       probe rpc failed\n"
                                  "   12  2023-11-14 22:13:20  upgrade   1.6.9 -> 1.7.0                     "
                                  " -  under way           -"
                                  "         -\n");
        assert_int_equal(render_history(NULL, 0, &plain, &none), 0);
        assert_string_equal(none, "no swap yet\n");
}

static void a_report_times_every_step(void **state) {
        (void)state;
        struct journal_swap swap = example_swap();
        const struct journal_step steps[] = {
                        {.at = 1000, .monotonic_us = 5000000, .phase = "preparing", .event = "upgrade"},
                        {.at = 1000,
                                        .monotonic_us = 5340000,
                                        .phase = "quiescing",
                                        .event = "at-fence",
                                        .note = "g4"},
                        /* after a reboot */
                        {.at = 3000, .monotonic_us = 7, .phase = "proving", .event = "resume"},
        };
        _cleanup_free_ char *text = NULL;
        assert_int_equal(render_report(&swap, steps, 3, &plain, &text), 0);
        assert_non_null(strstr(text, "upgrade #12  1.6.9 -> 1.7.0  rolled-back\n"));
        assert_non_null(strstr(text, "height:    1100\n"));
        assert_non_null(strstr(text, "prepared in 340 ms, nobody accepted for 12 ms, total 62 s\n"));
        assert_non_null(strstr(text, "reason:    probe rpc failed\n"));
        assert_non_null(strstr(text, "      0 us      340 ms  preparing     upgrade"));
        assert_non_null(strstr(text, "    340 ms        2 ms  quiescing     at-fence         g4\n"));
        assert_non_null(strstr(text, "      2 ms              proving       resume"));
}

static void equal_steps_are_one_line(void **state) {
        (void)state;
        struct journal_swap swap = example_swap();
        const struct journal_step steps[] = {
                        {.monotonic_us = 1000, .phase = "preparing", .event = "upgrade"},
                        {.monotonic_us = 2000, .phase = "preparing", .event = "gate-hit", .note = "asked"},
                        {.monotonic_us = 3000, .phase = "preparing", .event = "gate-hit", .note = "asked"},
                        {.monotonic_us = 5000, .phase = "preparing", .event = "gate-hit", .note = "other"},
                        {.monotonic_us = 9000, .phase = "gating", .event = "at-fence"},
                        {.monotonic_us = 9000, .phase = "gating", .event = "at-fence"}};
        _cleanup_free_ char *text = NULL, *page = NULL;
        assert_int_equal(render_report(&swap, steps, ELEMENTS(steps), &plain, &text), 0);
        assert_non_null(strstr(text, "      1 ms        3 ms  preparing     gate-hit         asked (x2)\n"
                                     "      4 ms        4 ms  preparing     gate-hit         other\n"
                                     "      8 ms              gating        at-fence         (x2)\n"));
        assert_int_equal(render_report_html("a", &swap, steps, ELEMENTS(steps), &page), 0);
        assert_non_null(strstr(page, "asked (x2)"));
}

static void an_empty_schedule_says_what_that_means(void **state) {
        (void)state;
        const struct journal_boundary boundary = {
                        .rule = {.at = 1300, .range = ">=1.7.1", .from = 1200, .mode = MODE_BEFORE},
                        .height = UINT64_MAX,
                        .set_at = 1700000000000000};
        _cleanup_free_ char *none = NULL, *one = NULL;
        assert_int_equal(render_schedule(NULL, 0, SCHEDULE_NO_SEQUENCE, NULL, &none), 0);
        assert_string_equal(none, "no boundary: every release is allowed at every height\n");
        assert_int_equal(render_schedule(&boundary, 1, 4, NULL, &one), 0);
        assert_non_null(strstr(one, "        1300  >=1.7.1                          2023-11-14 22:13:20  "
                                    "from=1200 mode=before\n"));
        assert_non_null(strstr(one, "from a schedule with sequence 4: "));
}

#define PENDING                                                                                        \
        "[{\"point\":\"view:1000\",\"unit\":\"view\",\"range\":\"2.x\",\"told\":995,\"eta_s\":130.4}," \
        "{\"point\":\"epoch:7\",\"unit\":\"epoch\",\"range\":\"3.x\",\"told\":null,\"eta_s\":null}]"

static void what_has_no_height_yet_is_shown_with_what_is_told(void **state) {
        const struct journal_boundary boundaries[] = {
                        {.rule = {.unit = UNIT_VIEW, .at = 1000, .range = "2.x", .from = BOUNDARY_NO_WINDOW},
                                        .height = UINT64_MAX},
                        {.rule = {.unit = UNIT_EPOCH, .at = 7, .range = "3.x", .from = BOUNDARY_NO_WINDOW},
                                        .height = UINT64_MAX},
                        {.rule = {.unit = UNIT_VIEW, .at = 900, .range = "1.x", .from = BOUNDARY_NO_WINDOW},
                                        .height = 80}};
        _cleanup_free_ char *text = NULL;
        json_t *pending = parse(PENDING);
        (void)state;
        assert_renders("{\"node\":\"a\",\"phase\":\"running\",\"release\":\"1\",\"height\":7,\"schedule\":{"
                       "\"pending\":" PENDING "}}",
                        "a  RUNNING  1  height 7\n"
                        "pending: 2.x from view:1000 on  (view 995 now, in about 2m 10s)\n"
                        "pending: 3.x from epoch:7 on\n");
        assert_int_equal(render_schedule(boundaries, ELEMENTS(boundaries), SCHEDULE_NO_SEQUENCE, pending,
                                         &text),
                        0);
        assert_non_null(strstr(text, " (view 995 now)\n     epoch:7 "));
        assert_non_null(strstr(text, " height=80\n"));
        json_t *schedule = render_schedule_json(boundaries, ELEMENTS(boundaries), 4, pending);
        const json_t *items = json_object_get(schedule, "boundaries");
        assert_int_equal(json_integer_value(json_object_get(json_array_get(items, 0), "told")), 995);
        assert_true(json_is_null(json_object_get(json_array_get(items, 1), "told")));
        assert_true(json_is_null(json_object_get(json_array_get(items, 2), "told")));
        json_decref(schedule);
        json_decref(pending);
}

static void programs_get_null_where_there_is_nothing(void **state) {
        (void)state;
        struct journal_swap swap = example_swap();
        swap.at_height = UINT64_MAX;
        strcpy(swap.reason, "bad \xff byte");
        json_t *history = render_history_json(&swap, 1);
        const json_t *item = json_array_get(history, 0);
        assert_true(json_is_null(json_object_get(item, "at_height")));
        assert_int_equal(json_integer_value(json_object_get(item, "id")), 12);
        assert_string_equal(json_string_value(json_object_get(item, "reason")), "bad ? byte");
        assert_true(json_real_value(json_object_get(item, "gap_ms")) > 12.4);
        json_decref(history);
        swap.gap_us = 0; /* the old release never stopped accepting */
        history = render_history_json(&swap, 1);
        assert_true(json_is_null(json_object_get(json_array_get(history, 0), "gap_ms")));
        json_decref(history);
        const struct journal_boundary boundary = {
                        .rule = {.at = 1300, .range = ">=1.7.1", .from = BOUNDARY_NO_WINDOW},
                        .height = UINT64_MAX};
        json_t *schedule = render_schedule_json(&boundary, 1, 4, NULL);
        assert_int_equal(json_integer_value(json_object_get(schedule, "sequence")), 4);
        assert_int_equal(json_array_size(json_object_get(schedule, "boundaries")), 1);
        item = json_array_get(json_object_get(schedule, "boundaries"), 0);
        assert_int_equal(json_integer_value(json_object_get(item, "height")), 1300);
        assert_true(json_is_null(json_object_get(item, "from")));
        json_decref(schedule);
}

static void durations_are_short(void **state) {
        (void)state;
        static const struct {
                uint64_t usec;
                const char *text;
        } cases[] = {{0, "0 us"}, {999, "999 us"}, {1000, "1 ms"}, {999999, "999 ms"}, {2150000, "2.1 s"},
                        {66000000, "66 s"}, {200000000, "3m 20s"}, {11520000000, "3h 12m"},
                        {439200000000, "5d 2h"}};
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                char text[TEXT_DURATION_MAX];
                text_duration(cases[i].usec, text);
                assert_string_equal(text, cases[i].text);
        }
}

static void what_a_node_wrote_is_no_markup_in_a_page(void **state) {
        const struct journal_swap swap = {.id = 7,
                        .kind = "upgrade",
                        .from = "1.0.0",
                        .to = "2.0.0",
                        .at_height = 40,
                        .mode = "exclusive",
                        .started_at = 1,
                        .ended_at = 3000001,
                        .outcome = "rolled-back",
                        .reason = "its last words: <script>\x1b[2J\"&\"",
                        .total_us = 3000000};
        const struct journal_step steps[] = {
                        {.monotonic_us = 1000, .phase = "preparing", .event = "upgrade", .note = "<b>"},
                        {.monotonic_us = 751000, .phase = "running", .event = "proved"}};
        _cleanup_free_ char *text = NULL;
        (void)state;
        assert_int_equal(render_report_html("node", &swap, steps, ELEMENTS(steps), &text), 0);
        assert_null(strstr(text, "<script>"));
        assert_null(strstr(text, "<b>"));
        assert_null(strchr(text, '\x1b'));
        assert_non_null(strstr(text, "its last words: &lt;script&gt;?[2J&quot;&amp;&quot;"));
        assert_non_null(strstr(text, "rolled-back"));
        assert_non_null(strstr(text, "750 ms"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(what_a_node_wrote_is_no_markup_in_a_page),
                        cmocka_unit_test(a_running_node_reads_at_a_glance),
                        cmocka_unit_test(a_held_node_says_why_first),
                        cmocka_unit_test(what_a_hold_serves_is_said),
                        cmocka_unit_test(a_node_without_heights_shows_none),
                        cmocka_unit_test(one_reason_is_said_once),
                        cmocka_unit_test(a_hold_stands_with_its_way_out),
                        cmocka_unit_test(a_hold_that_is_tried_again_says_when),
                        cmocka_unit_test(a_hold_says_what_was_tried_in_vain),
                        cmocka_unit_test(a_node_that_crashed_says_when_it_is_tried_again),
                        cmocka_unit_test(probation_says_when_it_ends),
                        cmocka_unit_test(a_node_that_is_down_says_so),
                        cmocka_unit_test(two_generations_are_both_shown),
                        cmocka_unit_test(what_is_missing_or_strange_is_left_out),
                        cmocka_unit_test(a_terminal_cannot_be_taken_over),
                        cmocka_unit_test(a_line_without_height_stays_while_blocks_pass),
                        cmocka_unit_test(history_is_a_table),
                        cmocka_unit_test(a_report_times_every_step),
                        cmocka_unit_test(equal_steps_are_one_line),
                        cmocka_unit_test(an_empty_schedule_says_what_that_means),
                        cmocka_unit_test(what_has_no_height_yet_is_shown_with_what_is_told),
                        cmocka_unit_test(programs_get_null_where_there_is_nothing),
                        cmocka_unit_test(durations_are_short),
        };
        (void)setenv("TZ", "UTC", 1);
        tzset();
        return cmocka_run_group_tests_name("render", tests, NULL, NULL);
}
