/* Parking alone: of a process that was stopped as a whole one thread stays in its stop while all others run on, until it is let go
 * or its tracer dies. */
#include "keeper/park.h"

#include "support/process.h"
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#define GENERATION 7
#define ROUNDS 1000 /* of one thread while the other is looked at */

/* What the node and the test share. */
struct node_page {
        atomic_int committer;
        atomic_ulong committed, answered;
};

struct stage {
        struct keeper *keeper;
        struct node_page *page;
        int link; /* the director's end */
        pid_t node;
};

/* It yields, so that one processor is enough for both threads and the test. */
static void *commit(void *userdata) {
        struct node_page *page = userdata;
        atomic_store(&page->committer, (int)syscall(SYS_gettid));
        for (;;) {
                atomic_fetch_add(&page->committed, 1);
                (void)sched_yield();
        }
        return NULL;
}

static _Noreturn void run_node(struct node_page *page) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, commit, page) != 0)
                _exit(1);
        for (;;) {
                atomic_fetch_add(&page->answered, 1);
                (void)sched_yield();
        }
}

static void wait_until_above(atomic_ulong *counter, unsigned long value) {
        uint64_t deadline = now_monotonic() + process_patience(10 * USEC_PER_SEC);
        while (atomic_load(counter) <= value) {
                assert_true(now_monotonic() < deadline);
                (void)sched_yield();
        }
}

static int set_up(void **state) {
        struct stage *stage = calloc(1, sizeof(*stage));
        int ends[2];
        assert_non_null(stage);
        stage->keeper = calloc(1, sizeof(*stage->keeper));
        stage->page = mmap(NULL, sizeof(*stage->page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                        -1, 0);
        assert_non_null(stage->keeper);
        assert_true(stage->page != MAP_FAILED);
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
        stage->keeper->director_link = ends[0];
        stage->link = ends[1];
        stage->node = fork();
        assert_true(stage->node >= 0);
        if (stage->node == 0)
                run_node(stage->page);
        wait_until_above(&stage->page->committed, 0);
        *state = stage;
        return 0;
}

/* A process ends for its parent only when its traced threads have been waited for. */
static void reap(pid_t node) {
        pid_t ended;
        do
                ended = waitpid(-1, NULL, __WALL);
        while (ended > 0 && ended != node);
}

static int tear_down(void **state) {
        struct stage *stage = *state;
        (void)kill(stage->node, SIGKILL);
        reap(stage->node);
        close_fd(stage->keeper->director_link);
        close_fd(stage->link);
        (void)munmap(stage->page, sizeof(*stage->page));
        free(stage->keeper);
        free(stage);
        return 0;
}

static int begin(struct stage *stage, struct keeper *keeper) {
        const struct keeper_park request = {.serial = 3,
                        .generation = GENERATION,
                        .process = stage->node,
                        .thread = atomic_load(&stage->page->committer)};
        return park_begin(keeper, &request);
}

/* Stopped as a whole first, as the gate's program does it. */
static void park(struct stage *stage) {
        siginfo_t how = {0};
        struct keeper_done done;
        struct wire_message message;
        assert_int_equal(kill(stage->node, SIGSTOP), 0);
        assert_int_equal(waitid(P_PID, (id_t)stage->node, &how, WSTOPPED), 0);
        assert_int_equal(begin(stage, stage->keeper), 0);
        assert_int_equal(waitid(P_PID, (id_t)atomic_load(&stage->page->committer), &how, WSTOPPED | __WALL),
                        0);
        assert_int_equal(park_stopped(stage->keeper, &how), 1);
        assert_int_equal(wire_receive(stage->link, keeper_events, n_keeper_events, &message), 1);
        assert_int_equal(message.type, KEEPER_DONE);
        memcpy(&done, message.body, sizeof(done));
        assert_int_equal(done.serial, 3);
        assert_int_equal(done.error, 0);
        wire_message_done(&message);
        assert_int_equal(stage->keeper->n_parked, 1);
}

static void I4_one_thread_stands_while_the_others_run(void **state) {
        struct stage *stage = *state;
        park(stage);
        unsigned long committed = atomic_load(&stage->page->committed);
        wait_until_above(&stage->page->answered, atomic_load(&stage->page->answered) + ROUNDS);
        assert_int_equal(atomic_load(&stage->page->committed), committed);
        park_end(stage->keeper, GENERATION);
        assert_int_equal(stage->keeper->n_parked, 0);
        wait_until_above(&stage->page->committed, committed + ROUNDS);
}

/* As a shell or another supervisor sends it. */
static void I4_it_stands_though_its_process_is_continued_again(void **state) {
        struct stage *stage = *state;
        park(stage);
        unsigned long committed = atomic_load(&stage->page->committed);
        assert_int_equal(kill(stage->node, SIGCONT), 0);
        wait_until_above(&stage->page->answered, atomic_load(&stage->page->answered) + ROUNDS);
        assert_int_equal(atomic_load(&stage->page->committed), committed);
}

/* A director that comes back does not wait for a parking that one before it had asked for. */
static void it_may_be_let_go_before_it_stands(void **state) {
        struct stage *stage = *state;
        siginfo_t how = {0};
        assert_int_equal(begin(stage, stage->keeper), 0);
        assert_int_equal(stage->keeper->n_parked, 1);
        park_end(stage->keeper, GENERATION);
        assert_int_equal(waitid(P_PID, (id_t)atomic_load(&stage->page->committer), &how, WSTOPPED | __WALL),
                        0);
        assert_int_equal(park_stopped(stage->keeper, &how), 1);
        assert_int_equal(stage->keeper->n_parked, 0);
        wait_until_above(&stage->page->committed, atomic_load(&stage->page->committed) + ROUNDS);
}

static void a_thread_is_parked_once(void **state) {
        struct stage *stage = *state;
        park(stage);
        assert_int_equal(begin(stage, stage->keeper), -EALREADY);
        assert_int_equal(stage->keeper->n_parked, 1);
        park_end(stage->keeper, GENERATION + 1);
        assert_int_equal(stage->keeper->n_parked, 1);
}

/* I3: else it would run on, past the boundary. */
static void I3_it_does_not_outlive_its_tracer(void **state) {
        struct stage *stage = *state;
        int status = 0;
        _cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, stage->node, 0);
        struct pollfd ended = {.fd = pidfd, .events = POLLIN};
        pid_t tracer = fork();
        assert_true(tracer >= 0);
        if (tracer == 0) /* which dies as soon as it has begun */
                _exit(begin(stage, stage->keeper) == 0 ? 0 : 1);
        assert_int_equal(waitpid(tracer, &status, 0), tracer);
        assert_int_equal(status, 0);
        assert_int_equal(poll(&ended, 1, (int)(process_patience(10 * USEC_PER_SEC) / USEC_PER_MSEC)), 1);
        assert_int_equal(waitpid(stage->node, &status, 0), stage->node);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void what_has_ended_cannot_be_parked(void **state) {
        struct stage *stage = *state;
        assert_int_equal(kill(stage->node, SIGKILL), 0);
        reap(stage->node);
        assert_int_equal(begin(stage, stage->keeper), -ESRCH);
        assert_int_equal(stage->keeper->n_parked, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                        TEST(I4_one_thread_stands_while_the_others_run),
                        TEST(I4_it_stands_though_its_process_is_continued_again),
                        TEST(it_may_be_let_go_before_it_stands),
                        TEST(a_thread_is_parked_once),
                        TEST(I3_it_does_not_outlive_its_tracer),
                        TEST(what_has_ended_cannot_be_parked),
        };
        if (geteuid() != 0) {
                (void)fprintf(stderr, "threads are parked as root\n");
                return 77;
        }
        return cmocka_run_group_tests_name("park", tests, NULL, NULL);
}
