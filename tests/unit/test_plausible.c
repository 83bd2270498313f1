/* Which heights are believed, and when. */
#include "director/plausible.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct plausible nothing;

struct story {
        struct plausible known, node;
        struct plausible_view view;
        uint64_t now;
};

static struct story story(void) {
        return (struct story){.now = 1000 * USEC_PER_SEC};
}

static enum plausible_verdict say(struct story *story, uint64_t height, uint64_t after_ms) {
        story->now += after_ms * USEC_PER_MSEC;
        story->view.node = &story->node;
        return plausible_judge(&story->known, &story->view, height, story->now);
}

/* A block a second, asked for four times a second, for a minute from height 1000: at 1060 in the end. */
static struct story settled(void) {
        struct story s = story();
        for (unsigned i = 0; i <= 240; i++)
                assert_int_equal(say(&s, 1000 + i / 4, 250), PLAUSIBLE_ACCEPTED);
        s.node = s.known;
        return s;
}

static void test_a_node_that_goes_on_is_believed(void **state) {
        (void)state;
        struct story s = settled();
        assert_int_equal(s.known.height, 1060);
        assert_true(s.known.usec_per_block > 900000 && s.known.usec_per_block < 1100000);
        assert_int_equal(say(&s, 1060, 3600 * 1000), PLAUSIBLE_ACCEPTED); /* it stood still */
        assert_int_equal(say(&s, 1070, 250), PLAUSIBLE_ACCEPTED);         /* and catches up */
}

static void test_a_source_that_was_down_may_be_where_the_rate_has_led(void **state) {
        (void)state;
        struct story s = settled();
        assert_int_equal(say(&s, 1060 + 3600, 3600 * 1000), PLAUSIBLE_ACCEPTED);
        s = settled();
        assert_int_equal(say(&s, 1060 + 36000, 3600 * 1000), PLAUSIBLE_DOUBTED);
}

static void test_one_lie_changes_nothing(void **state) {
        (void)state;
        struct story s = settled();
        char text[200];
        assert_int_equal(say(&s, 10000000, 250), PLAUSIBLE_DOUBTED);
        assert_int_equal(s.known.height, 1060);
        plausible_describe(&s.known, "height", text, sizeof(text));
        assert_string_equal(text,
                        "the node tells height 10000000, too far ahead of 1060 to be believed at once");
        assert_int_equal(say(&s, 1061, 250), PLAUSIBLE_ACCEPTED);
        plausible_describe(&s.known, "height", text, sizeof(text));
        assert_string_equal(text, "");
        assert_int_equal(say(&s, UINT64_MAX - 1, 250), PLAUSIBLE_REFUSED);
        assert_int_equal(s.known.height, 1061);
}

static void test_flapping_is_never_believed(void **state) {
        static const uint64_t lies[] = {10000000, 5, 20000000, 9000000, 3};
        (void)state;
        struct story s = settled();
        for (size_t i = 0; i < 1000; i++)
                assert_int_equal(say(&s, lies[i % ELEMENTS(lies)] + i, 250), PLAUSIBLE_DOUBTED);
        assert_int_equal(s.known.height, 1060);
}

/* Nothing comes after it, so it is a lie, or the node has stopped: a minute tells. */
static void test_a_height_far_ahead_that_stands_still_is_doubted_for_a_minute(void **state) {
        (void)state;
        struct story s = settled();
        for (unsigned i = 0; i < 240; i++)
                assert_int_equal(say(&s, 10000000, 250), PLAUSIBLE_DOUBTED);
        assert_int_equal(say(&s, 10000000, 250), PLAUSIBLE_ACCEPTED);
}

static void test_a_node_that_jumps_and_goes_on_is_believed_after_some_blocks(void **state) {
        (void)state;
        struct story s = settled();
        unsigned i = 0;
        while (say(&s, 20000000 + i / 48, 250) == PLAUSIBLE_DOUBTED) /* a block in 12 seconds */
                i++;
        assert_int_equal(i, 96);
        assert_int_equal(s.known.height, 20000002);
        for (; i < 400; i++)
                assert_int_equal(say(&s, 20000000 + i / 48, 250), PLAUSIBLE_ACCEPTED);
}

static void test_a_fast_synchronisation_is_followed(void **state) {
        (void)state;
        struct story s = settled();
        unsigned doubted = 0;
        for (unsigned i = 1; i < 400; i++) /* 5,000 blocks a second, unevenly */
                doubted += say(&s, 1060 + i * 1250 + (i % 3) * 300, 250) != PLAUSIBLE_ACCEPTED;
        assert_int_equal(doubted, 8); /* two seconds */

        s = story(); /* from genesis */
        doubted = 0;
        for (unsigned i = 0; i < 400; i++)
                doubted += say(&s, i * 1250, 250) != PLAUSIBLE_ACCEPTED;
        assert_in_range(doubted, 1, 9);
}

static void test_a_state_that_was_put_back_is_believed_after_two_seconds(void **state) {
        (void)state;
        struct story s = settled();
        for (unsigned i = 0; i < 8; i++)
                assert_int_equal(say(&s, 500, 250), PLAUSIBLE_DOUBTED);
        assert_int_equal(say(&s, 501, 250), PLAUSIBLE_ACCEPTED);
        assert_int_equal(say(&s, 501, 250), PLAUSIBLE_ACCEPTED);
        assert_int_equal(say(&s, 2000, 250), PLAUSIBLE_DOUBTED);
        assert_int_equal(say(&s, 1063, 250), PLAUSIBLE_ACCEPTED); /* it was a lie */
        s = settled();
        for (unsigned i = 0; i < 300; i++)
                (void)say(&s, 500 + i / 4, 250);
        assert_int_equal(s.known.height, 574);
        assert_int_equal(say(&s, 1063, 250), PLAUSIBLE_DOUBTED); /* it was none */
}

static void test_seldom_observations_must_still_be_several(void **state) {
        (void)state;
        struct story s = settled();
        assert_int_equal(say(&s, 500, 60000), PLAUSIBLE_DOUBTED);
        assert_int_equal(say(&s, 500, 60000), PLAUSIBLE_DOUBTED);
        assert_int_equal(say(&s, 499, 60000), PLAUSIBLE_DOUBTED); /* it contradicts: anew */
        assert_int_equal(say(&s, 499, 60000), PLAUSIBLE_DOUBTED);
        assert_int_equal(say(&s, 499, 60000), PLAUSIBLE_ACCEPTED);
}

static void test_a_new_generation_may_stand_anywhere_up_to_the_node(void **state) {
        (void)state;
        struct story s = settled();
        s.known = nothing;
        s.view.is_fresh = true;
        assert_int_equal(say(&s, 0, 250), PLAUSIBLE_ACCEPTED); /* it says so before it has looked */
        assert_int_equal(say(&s, 1055, 250), PLAUSIBLE_ACCEPTED);
        s.known = nothing;
        assert_int_equal(say(&s, 5000, 250), PLAUSIBLE_DOUBTED);
        s.view.is_fresh = false;
        s.known = nothing;
        assert_int_equal(say(&s, 3, 250), PLAUSIBLE_ACCEPTED);
        assert_int_equal(say(&s, 1055, 250), PLAUSIBLE_DOUBTED); /* on its way from there for long */
}

static void test_the_first_height_is_doubted_where_it_decides(void **state) {
        char text[200];
        (void)state;
        struct story s = story();
        assert_int_equal(say(&s, 10000000, 250), PLAUSIBLE_ACCEPTED);
        s = story();
        s.view.is_decisive = true;
        assert_int_equal(say(&s, 10000000, 250), PLAUSIBLE_DOUBTED);
        plausible_describe(&s.known, "height", text, sizeof(text));
        assert_non_null(strstr(text, "the first height"));
        s.view.is_decisive = false;
        assert_int_equal(say(&s, 7, 250), PLAUSIBLE_ACCEPTED);
        s = story();
        s.view.is_decisive = true;
        for (unsigned i = 0; i < 8; i++)
                assert_int_equal(say(&s, 99, 250), PLAUSIBLE_DOUBTED);
        assert_int_equal(say(&s, 99, 250), PLAUSIBLE_ACCEPTED);
}

static void test_what_the_node_tells_by_itself_may_come_fast(void **state) {
        (void)state;
        struct story s = story();
        s.view.is_told = true;
        for (unsigned i = 0; i < 100; i++)
                assert_int_equal(say(&s, i * 50, 5), PLAUSIBLE_ACCEPTED); /* 10,000 a second */
        assert_int_equal(say(&s, 10000000, 5), PLAUSIBLE_DOUBTED);
}

/* An epoch lasts for hours: what was not asked for meanwhile does not make more of them plausible. */
static void test_what_moves_seldom_moves_by_one(void **state) {
        char text[200];
        (void)state;
        struct story s = story();
        s.view.is_rare = true;
        assert_int_equal(say(&s, 100, 1000), PLAUSIBLE_ACCEPTED);
        assert_int_equal(say(&s, 102, 3600 * 1000), PLAUSIBLE_DOUBTED);
        plausible_describe(&s.known, "epoch", text, sizeof(text));
        assert_string_equal(text, "the node tells epoch 102, too far ahead of 100 to be believed at once");
        assert_int_equal(say(&s, 101, 1000), PLAUSIBLE_ACCEPTED);
        assert_int_equal(say(&s, 100, 1000), PLAUSIBLE_DOUBTED);
        assert_int_equal(say(&s, 101, 1000), PLAUSIBLE_ACCEPTED);
        for (unsigned i = 0; i < 60; i++) /* the node was away for some of them */
                assert_int_equal(say(&s, 105, 1000), PLAUSIBLE_DOUBTED);
        assert_int_equal(say(&s, 105, 1000), PLAUSIBLE_ACCEPTED);
}

static void test_what_is_certain_is_set(void **state) {
        (void)state;
        struct story s = settled();
        (void)say(&s, 10000000, 250);
        plausible_set(&s.known, 5000, s.now);
        assert_int_equal(s.known.height, 5000);
        assert_int_equal(s.known.doubt.n, 0);
        assert_int_equal(say(&s, 5001, 250), PLAUSIBLE_ACCEPTED);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(test_a_node_that_goes_on_is_believed),
                        cmocka_unit_test(test_a_source_that_was_down_may_be_where_the_rate_has_led),
                        cmocka_unit_test(test_one_lie_changes_nothing),
                        cmocka_unit_test(test_flapping_is_never_believed),
                        cmocka_unit_test(test_a_height_far_ahead_that_stands_still_is_doubted_for_a_minute),
                        cmocka_unit_test(test_a_node_that_jumps_and_goes_on_is_believed_after_some_blocks),
                        cmocka_unit_test(test_a_fast_synchronisation_is_followed),
                        cmocka_unit_test(test_a_state_that_was_put_back_is_believed_after_two_seconds),
                        cmocka_unit_test(test_seldom_observations_must_still_be_several),
                        cmocka_unit_test(test_a_new_generation_may_stand_anywhere_up_to_the_node),
                        cmocka_unit_test(test_the_first_height_is_doubted_where_it_decides),
                        cmocka_unit_test(test_what_the_node_tells_by_itself_may_come_fast),
                        cmocka_unit_test(test_what_moves_seldom_moves_by_one),
                        cmocka_unit_test(test_what_is_certain_is_set),
        };
        return cmocka_run_group_tests_name("plausible", tests, NULL, NULL);
}
