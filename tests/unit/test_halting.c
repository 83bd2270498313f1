/* Whether a node that stops by itself can have come to its height, and when what was said of it is believed. */
#include "director/halting.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SECOND_US ((double)USEC_PER_SEC)

static bool reaches(uint64_t since_ms, double usec_per_block, enum halting_grant grant, uint64_t last) {
        struct halting_seen seen = {.height = 100,
                        .since_us = since_ms * USEC_PER_MSEC,
                        .usec_per_block = usec_per_block};
        return halting_may_have_reached(&seen, grant, last);
}

static void test_three_times_its_pace(void **state) {
        (void)state;
        assert_true(reaches(0, SECOND_US, HALTING_PACE, 102));
        assert_false(reaches(0, SECOND_US, HALTING_PACE, 103));
        assert_true(reaches(10000, SECOND_US, HALTING_PACE, 132));
        assert_false(reaches(10000, SECOND_US, HALTING_PACE, 133));
        assert_false(reaches(10000, 0, HALTING_PACE, 103)); /* it has none yet */
}

static void test_a_burst(void **state) {
        (void)state;
        /* 111 blocks in a second, after five a second. */
        assert_false(reaches(1000, SECOND_US / 5, HALTING_PACE, 211));
        assert_true(reaches(1000, SECOND_US / 5, HALTING_BURST, 211));
        assert_true(reaches(1000, SECOND_US / 5, HALTING_BURST, 1200));
        assert_false(reaches(1000, SECOND_US / 5, HALTING_BURST, 1500));
        assert_true(reaches(1000, SECOND_US / 5, HALTING_ALL, 12000));
        assert_false(reaches(1000, SECOND_US / 5, HALTING_ALL, 13000)); /* nobody does that */
        assert_true(reaches(1000, 10, HALTING_BURST, 100000)); /* its own pace counts where it is more */
}

static void test_nothing_contradicts_where_nothing_is_known(void **state) {
        (void)state;
        struct halting_seen seen = {.height = HALTING_NO_HEIGHT};
        assert_true(halting_may_have_reached(&seen, HALTING_PACE, 1000000));
}

/* A line that says 400 while the node was seen at 98, five blocks a second. */
struct story {
        struct halting_word word;
        struct plausible known;
        uint64_t now;
};

static struct story rumour(void) {
        struct story s = {.now = 1000 * USEC_PER_SEC};
        plausible_set(&s.known, 97, s.now - USEC_PER_SEC);
        plausible_set(&s.known, 98, s.now);
        s.word = (struct halting_word){.before = 400, .at = s.now, .is_line = true, .height = 98};
        return s;
}

static bool poll(struct story *s, uint64_t height, uint64_t after_ms) {
        s->now += after_ms * USEC_PER_MSEC;
        plausible_set(&s->known, height, s->now);
        halting_see(&s->word, height);
        return halting_stands(&s->word, &s->known, SECOND_US / 5, s->now);
}

static void test_a_node_that_goes_on_refutes_it(void **state) {
        (void)state;
        struct story s = rumour();
        for (uint64_t height = 99; height < 101; height++) {
                assert_false(poll(&s, height, 200));
                assert_false(halting_is_refuted(&s.word));
        }
        assert_false(poll(&s, 101, 200));
        assert_true(halting_is_refuted(&s.word));
        /* From then on it counts for nothing that the node stands still, */
        for (unsigned i = 0; i < 300; i++)
                assert_false(poll(&s, 101, 1000));
        /* but where it was said to. */
        assert_false(poll(&s, 399, 1000));
        assert_false(poll(&s, 399, 2900));
        assert_true(poll(&s, 399, 200));
}

static void test_a_node_that_stands_still_confirms_it(void **state) {
        (void)state;
        struct story s = rumour();
        assert_false(poll(&s, 110, 50)); /* it was on its way */
        assert_false(poll(&s, 110, 2900));
        assert_true(poll(&s, 110, 200));
        /* With slow blocks that takes longer. */
        s = rumour();
        for (unsigned i = 0; i < 29; i++) {
                (void)poll(&s, 98, 1000);
                assert_false(halting_stands(&s.word, &s.known, 6 * SECOND_US, s.now));
        }
        (void)poll(&s, 98, 1000);
        assert_true(halting_stands(&s.word, &s.known, 6 * SECOND_US, s.now));
}

static void test_a_height_that_is_doubted_may_agree(void **state) {
        (void)state;
        struct story s = rumour();
        struct plausible_view view = {.node = &s.known};
        s.now += USEC_PER_SEC;
        assert_int_equal(plausible_judge(&s.known, &view, 398, s.now), PLAUSIBLE_DOUBTED);
        assert_false(halting_stands(&s.word, &s.known, SECOND_US / 5, s.now));
        assert_int_equal(plausible_judge(&s.known, &view, 399, s.now), PLAUSIBLE_DOUBTED);
        assert_true(halting_stands(&s.word, &s.known, SECOND_US / 5, s.now));
}

static void test_a_node_that_says_nothing_more_is_waited_for(void **state) {
        (void)state;
        struct story s = rumour();
        assert_false(halting_stands(&s.word, &s.known, SECOND_US / 5, s.now + HALTING_STANDING_US - 1));
        assert_true(halting_stands(&s.word, &s.known, SECOND_US / 5, s.now + HALTING_STANDING_US));
        s.known = (struct plausible){0};
        assert_false(halting_stands(&s.word, &s.known, 0, s.now + HALTING_STANDING_US - 1));
        assert_true(halting_stands(&s.word, &s.known, 0, s.now + HALTING_STANDING_US));
}

/* What is written down ahead counts when the height has come, which is seen elsewhere. */
static void test_a_plan_is_no_word(void **state) {
        (void)state;
        struct story s = rumour();
        s.word.is_line = false;
        assert_false(halting_stands(&s.word, &s.known, SECOND_US / 5, s.now + 10 * HALTING_STANDING_US));
        s.word.before = HALTING_NO_HEIGHT;
        s.word.is_line = true;
        assert_false(halting_stands(&s.word, &s.known, SECOND_US / 5, s.now + 10 * HALTING_STANDING_US));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(test_three_times_its_pace),
                        cmocka_unit_test(test_a_burst),
                        cmocka_unit_test(test_nothing_contradicts_where_nothing_is_known),
                        cmocka_unit_test(test_a_node_that_goes_on_refutes_it),
                        cmocka_unit_test(test_a_node_that_stands_still_confirms_it),
                        cmocka_unit_test(test_a_height_that_is_doubted_may_agree),
                        cmocka_unit_test(test_a_node_that_says_nothing_more_is_waited_for),
                        cmocka_unit_test(test_a_plan_is_no_word),
        };
        return cmocka_run_group_tests_name("halting", tests, NULL, NULL);
}
