/* The director's side of the page, with the test in the keeper's place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "director/gate_page.h"
#include <interrex/gate_page.h>
#include <sys/mman.h>
#include <sys/socket.h>

struct stage {
        struct director *director, *next; /* the next one is told by the keeper what there is */
        int keeper;
        struct wire_message message;
};

static int set_up(void **state) {
        struct stage *stage = calloc(1, sizeof(*stage));
        int pair[2];
        if (!stage || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -1;
        stage->director = calloc(1, sizeof(*stage->director));
        stage->next = calloc(1, sizeof(*stage->next));
        if (!stage->director || !stage->next)
                return -1;
        stage->director->keeper = stage->next->keeper = pair[0];
        stage->keeper = pair[1];
        *state = stage;
        return 0;
}

static int tear_down(void **state) {
        struct stage *stage = *state;
        close_fd(stage->director->keeper);
        close_fd(stage->keeper);
        free(stage->director);
        free(stage->next);
        free(stage);
        return 0;
}

static const char *expect_request(struct stage *stage, uint32_t type) {
        assert_int_equal(
                        wire_receive(stage->keeper, keeper_requests, n_keeper_requests, &stage->message), 1);
        assert_int_equal(stage->message.type, type);
        return ((struct keeper_name *)stage->message.body)->name;
}

static const struct interrex_gate_page *make(struct stage *stage, uint64_t generation, uint64_t limit) {
        int fd = -1;
        assert_int_equal(gate_page_make(stage->director, generation, limit, &fd), 0);
        const struct interrex_gate_page *page = mmap(NULL, sizeof(*page), PROT_READ, MAP_SHARED, fd, 0);
        assert_true(page != MAP_FAILED);
        close_fd(fd);
        return page;
}

static void the_limit_is_there_from_the_beginning(void **state) {
        struct stage *stage = *state;
        const struct interrex_gate_page *page = make(stage, 7, 1299);
        assert_int_equal(page->magic, INTERREX_GATE_MAGIC);
        assert_int_equal(page->version, INTERREX_GATE_VERSION);
        assert_int_equal(page->size, sizeof(*page));
        assert_int_equal(page->limit, 1299);
        assert_string_equal(expect_request(stage, KEEPER_STORE), "gate.page.7");
        assert_int_equal(stage->message.n_fds, 1);
        wire_message_done(&stage->message);
        gate_page_forget(stage->director, 7);
        assert_string_equal(expect_request(stage, KEEPER_DROP), "gate.page.7");
}

static void each_generation_has_its_own(void **state) {
        struct stage *stage = *state;
        const struct interrex_gate_page *one = make(stage, 1, 10), *two = make(stage, 2, MACHINE_NO_HEIGHT);
        gate_page_set(stage->director, 2, 20);
        gate_page_set(stage->director, 3, 30); /* not spawned yet */
        assert_int_equal(one->limit, 10);
        assert_int_equal(one->sequence, 0);
        assert_int_equal(two->limit, 20);
        assert_int_equal(two->sequence, 1);
        gate_page_ask_again(stage->director);
        assert_int_equal(one->limit, 10);
        assert_int_equal(one->sequence, 1);
        assert_int_equal(two->limit, 20);
        assert_int_equal(two->sequence, 2);
        gate_page_set(stage->director, 1, MACHINE_NO_HEIGHT);
        assert_true(one->limit == INTERREX_GATE_OPEN);
        gate_page_forget(stage->director, 1);
        gate_page_forget(stage->director, 2);
}

static void the_next_director_goes_on_with_it(void **state) {
        struct stage *stage = *state;
        const struct interrex_gate_page *page = make(stage, 9, 10);
        (void)expect_request(stage, KEEPER_STORE);
        assert_int_equal(gate_page_adopt_stored(stage->next, "gate.page.x", -1), 0);
        assert_int_equal(gate_page_adopt_stored(stage->next, "log.9", -1), 0);
        assert_int_equal(gate_page_adopt_stored(stage->next, "gate.page.9", TAKE_FD(stage->message.fds[0])),
                        1);
        gate_page_ask_again(stage->next);
        assert_int_equal(page->limit, 10);
        assert_int_equal(page->sequence, 1);
        gate_page_set(stage->next, 9, 20);
        assert_int_equal(page->limit, 20);
        gate_page_forget(stage->next, 9);
        assert_string_equal(expect_request(stage, KEEPER_DROP), "gate.page.9");
}

/* As many generations as there can be units; a place is free again when one was forgotten. */
static void places_are_used_again(void **state) {
        struct stage *stage = *state;
        int fd = -1;
        for (uint64_t i = 1; i <= UNITS_MAX; i++)
                (void)make(stage, i, 10);
        assert_int_equal(gate_page_make(stage->director, 100, 10, &fd), -ENOSPC);
        assert_int_equal(fd, -1);
        gate_page_forget(stage->director, 3);
        (void)make(stage, 100, 10);
        for (uint64_t i = 1; i <= 100; i++)
                gate_page_forget(stage->director, i);
}

#define STAGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
        static const struct CMUnitTest tests[] = {
                        STAGED(the_limit_is_there_from_the_beginning),
                        STAGED(each_generation_has_its_own),
                        STAGED(the_next_director_goes_on_with_it),
                        STAGED(places_are_used_again),
        };
        return cmocka_run_group_tests_name("the page of a gate", tests, NULL, NULL);
}
