/* libinterrex against pages as the director makes them, and against such as it never would. The library reads the environment
 * once for each process, so each node of a test is a process of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "director/gate_page.h"
#include "lib/base.h"
#include <fcntl.h>
#include <interrex/gate_page.h>
#include <interrex/interrex.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#define PATIENCE_MS 10000
#define NOBODY 65534

/* The supervisor's side: a page, and the socket that is notified. */
struct stage {
        struct interrex_gate_page *page;
        int page_fd, read_only_fd, notify_fd;
        char path[64];
        int node;                           /* a process; its exit status is what it found */
        int answers_fd, answers_of_node_fd; /* a byte for each height that may begin */
};

static int set_up(void **state) {
        struct stage *stage = calloc(1, sizeof(*stage));
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int pipes[2];
        if (!stage || gate_page_create(10, &stage->page_fd, &stage->read_only_fd) < 0 ||
                        pipe2(pipes, O_CLOEXEC) < 0)
                return -1;
        stage->answers_fd = pipes[0];
        stage->answers_of_node_fd = pipes[1];
        stage->page = mmap(
                        NULL, sizeof(*stage->page), PROT_READ | PROT_WRITE, MAP_SHARED, stage->page_fd, 0);
        (void)snprintf(stage->path, sizeof(stage->path), "/tmp/interrex-library.%d", getpid());
        (void)unlink(stage->path);
        text_copy(address.sun_path, sizeof(address.sun_path), stage->path);
        stage->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        *state = stage;
        return stage->page == MAP_FAILED ||
               bind(stage->notify_fd, (struct sockaddr *)&address, sizeof(address)) < 0;
}

static int tear_down(void **state) {
        struct stage *stage = *state;
        (void)unlink(stage->path);
        (void)munmap(stage->page, sizeof(*stage->page));
        close_fd(stage->page_fd);
        close_fd(stage->read_only_fd);
        close_fd(stage->notify_fd);
        close_fd(stage->answers_fd);
        close_fd(stage->answers_of_node_fd);
        free(stage);
        return 0;
}

static void set_limit(struct stage *stage, uint64_t limit) {
        __atomic_store_n(&stage->page->limit, limit, __ATOMIC_RELEASE);
        (void)__atomic_add_fetch(&stage->page->sequence, 1, __ATOMIC_RELEASE);
        (void)syscall(SYS_futex, &stage->page->sequence, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

typedef int (*node_body)(struct stage *stage);

static void start_node(struct stage *stage, const char *gate, node_body body) {
        char number[16];
        (void)snprintf(number, sizeof(number), "%d", stage->read_only_fd);
        stage->node = fork();
        assert_true(stage->node >= 0);
        if (stage->node != 0)
                return;
        (void)setenv("NOTIFY_SOCKET", stage->path, 1);
        (void)setenv("INTERREX_GATE", gate ? gate : number, 1);
        (void)alarm(PATIENCE_MS / 1000);
        _exit(body(stage));
}

static void expect_end(struct stage *stage, int wanted) {
        int status = 0;
        assert_int_equal(waitpid(stage->node, &status, 0), stage->node);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), wanted);
}

static bool await(int fd, int timeout_ms) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        return poll(&wait, 1, timeout_ms) == 1;
}

static void expect_datagram(struct stage *stage, const char *wanted) {
        char text[128] = "";
        assert_true(await(stage->notify_fd, PATIENCE_MS));
        assert_true(recv(stage->notify_fd, text, sizeof(text) - 1, 0) > 0);
        assert_string_equal(text, wanted);
}

static void expect_answer(struct stage *stage, char wanted) {
        char answer = 0;
        assert_true(await(stage->answers_fd, PATIENCE_MS));
        assert_int_equal(read(stage->answers_fd, &answer, 1), 1);
        assert_int_equal(answer, wanted);
}

/* Only what must be shown not to happen is waited for in vain. */
static void expect_no_answer(struct stage *stage) {
        assert_false(await(stage->answers_fd, 50));
}

static int do_everything_alone(struct stage *stage) {
        (void)stage;
        (void)unsetenv("NOTIFY_SOCKET");
        (void)unsetenv("INTERREX_GATE");
        return interrex_supervised() != INTERREX_ALONE || interrex_ready() != 0 || interrex_height(7) != 0 ||
               interrex_gate(UINT64_MAX) != 0 || interrex_gate_wait(7, 0) != 0;
}

static void without_a_supervisor_nothing_is_done(void **state) {
        struct stage *stage = *state;
        start_node(stage, NULL, do_everything_alone);
        expect_end(stage, 0);
}

static int say_what_is_said(struct stage *stage) {
        (void)stage;
        (void)unsetenv("INTERREX_GATE");
        return interrex_supervised() != INTERREX_NOTIFIED || interrex_ready() != 0 ||
               interrex_height(UINT64_MAX - 1) != 0 || interrex_gate(5) != 0;
}

static void ready_and_height_are_notified(void **state) {
        struct stage *stage = *state;
        start_node(stage, NULL, say_what_is_said);
        expect_datagram(stage, "READY=1");
        expect_datagram(stage, "X_INTERREX_HEIGHT=18446744073709551614");
        expect_end(stage, 0);
        assert_false(await(stage->notify_fd, 0));
}

static void *ask_for_ten(void *userdata) {
        struct stage *stage = userdata;
        if (interrex_gate(10) == 0)
                (void)!write(stage->answers_of_node_fd, "a", 1);
        return NULL;
}

static void *ask_for_twelve(void *userdata) {
        struct stage *stage = userdata;
        if (interrex_gate(12) == 0)
                (void)!write(stage->answers_of_node_fd, "b", 1);
        return NULL;
}

static int ask_by_two_threads(struct stage *stage) {
        pthread_t threads[2];
        if (interrex_supervised() != INTERREX_GATED || interrex_gate(0) != 0 || interrex_gate(9) != 0 ||
                        pthread_create(&threads[0], NULL, ask_for_ten, stage) != 0 ||
                        pthread_create(&threads[1], NULL, ask_for_twelve, stage) != 0)
                return 1;
        return pthread_join(threads[0], NULL) != 0 || pthread_join(threads[1], NULL) != 0;
}

static void each_thread_waits_for_its_own_height(void **state) {
        struct stage *stage = *state;
        start_node(stage, NULL, ask_by_two_threads);
        expect_datagram(stage, "X_INTERREX_GATE=attached");
        expect_no_answer(stage);
        set_limit(stage, 11);
        expect_answer(stage, 'a');
        expect_no_answer(stage);
        set_limit(stage, 12);
        expect_no_answer(stage);
        set_limit(stage, INTERREX_GATE_OPEN);
        expect_answer(stage, 'b');
        expect_end(stage, 0);
}

static int ask_for_ten_alone(struct stage *stage) {
        (void)ask_for_ten(stage);
        return 0;
}

static void who_waits_says_so_again_when_the_supervisor_speaks(void **state) {
        struct stage *stage = *state;
        start_node(stage, NULL, ask_for_ten_alone);
        expect_datagram(stage, "X_INTERREX_GATE=attached");
        expect_datagram(stage, "X_INTERREX_GATE=10");
        assert_false(await(stage->notify_fd, 300)); /* once is enough */
        set_limit(stage, 10);
        expect_datagram(stage, "X_INTERREX_GATE=10");
        set_limit(stage, 11);
        expect_answer(stage, 'a');
        expect_end(stage, 0);
        assert_false(await(stage->notify_fd, 0));
}

static int ask_until_ten(struct stage *stage) {
        for (uint64_t height = 1; height <= 10; height++) {
                if (interrex_gate(height) != 0)
                        return 1;
                if (height == 3)
                        set_limit(stage, 9); /* as the supervisor would */
        }
        return 0;
}

/* Who heard it first may have died with it. */
static void that_it_asks_is_said_again_when_the_supervisor_has_spoken(void **state) {
        struct stage *stage = *state;
        start_node(stage, NULL, ask_until_ten);
        expect_datagram(stage, "X_INTERREX_GATE=attached");
        expect_datagram(stage, "X_INTERREX_GATE=attached");
        expect_datagram(stage, "X_INTERREX_GATE=9");
        set_limit(stage, INTERREX_GATE_OPEN);
        expect_datagram(stage, "X_INTERREX_GATE=attached");
        expect_end(stage, 0);
        assert_false(await(stage->notify_fd, 0));
}

/* Nobody reads for a while: what could not be said is said later. */
static void who_could_not_be_told_is_told_later(void **state) {
        struct stage *stage = *state;
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        char text[64];
        unsigned n = 0;
        text_copy(address.sun_path, sizeof(address.sun_path), stage->path);
        _cleanup_close_ int full = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        while (sendto(full, "FULL=1", 6, MSG_DONTWAIT, (struct sockaddr *)&address, sizeof(address)) == 6)
                n++;
        assert_int_equal(errno, EAGAIN);
        start_node(stage, NULL, ask_for_ten_alone);
        expect_no_answer(stage);
        for (; n > 0; n--)
                assert_int_equal(recv(stage->notify_fd, text, sizeof(text), 0), 6);
        /* On a slow machine it has not yet tried to say the first of the two. */
        assert_true(await(stage->notify_fd, PATIENCE_MS));
        ssize_t length = recv(stage->notify_fd, text, sizeof(text) - 1, MSG_PEEK);
        assert_true(length > 0);
        text[length] = '\0';
        if (strcmp(text, "X_INTERREX_GATE=attached") == 0)
                expect_datagram(stage, "X_INTERREX_GATE=attached");
        expect_datagram(stage, "X_INTERREX_GATE=10");
        set_limit(stage, 11);
        expect_answer(stage, 'a');
        expect_end(stage, 0);
}

static void do_nothing(int number) {
        (void)number;
}

static int ask_with_patience(struct stage *stage) {
        struct sigaction action = {.sa_handler = do_nothing};
        struct timespec before, after;
        (void)stage;
        if (interrex_gate_wait(10, 0) != -ETIMEDOUT)
                return 1;
        (void)clock_gettime(CLOCK_MONOTONIC, &before);
        if (interrex_gate_wait(10, 120) != -ETIMEDOUT)
                return 2;
        (void)clock_gettime(CLOCK_MONOTONIC, &after);
        int64_t ms = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
        if (ms < 119 || ms > 5000)
                return 3;
        if (sigaction(SIGALRM, &action, NULL) < 0)
                return 4;
        (void)alarm(1);
        if (interrex_gate_wait(10, -1) != -EINTR)
                return 5;
        return interrex_gate_wait(9, 0) != 0 ? 6 : 0;
}

static void a_wait_ends_with_its_time_or_a_signal(void **state) {
        struct stage *stage = *state;
        start_node(stage, NULL, ask_with_patience);
        expect_end(stage, 0);
        expect_datagram(stage, "X_INTERREX_GATE=attached");
        expect_datagram(stage, "X_INTERREX_GATE=10");
        assert_false(await(stage->notify_fd, 0)); /* four times asked, once said */
}

static int ask_through_a_signal(struct stage *stage) {
        struct sigaction action = {.sa_handler = do_nothing};
        (void)sigaction(SIGUSR1, &action, NULL);
        return ask_for_ten_alone(stage);
}

static void a_signal_does_not_open_the_gate(void **state) {
        struct stage *stage = *state;
        start_node(stage, NULL, ask_through_a_signal);
        expect_datagram(stage, "X_INTERREX_GATE=attached");
        expect_datagram(stage, "X_INTERREX_GATE=10");
        assert_int_equal(kill(stage->node, SIGUSR1), 0);
        expect_no_answer(stage);
        set_limit(stage, 11);
        expect_answer(stage, 'a');
        expect_end(stage, 0);
}

static int refused;

static int be_refused(struct stage *stage) {
        (void)stage;
        return interrex_supervised() != refused || interrex_gate(1) != refused ||
               interrex_gate_wait(1, 0) != refused;
}

static void expect_refusal(struct stage *stage, const char *gate, int error) {
        refused = error;
        start_node(stage, gate, be_refused);
        expect_end(stage, 0);
        assert_false(await(stage->notify_fd, 0));
}

static int make_page(const void *page, size_t size, int seals) {
        int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, page, size), size);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
        return fd;
}

static void expect_page_refused(struct stage *stage, const void *page, size_t size, int seals) {
        char number[16];
        int fd = make_page(page, size, seals);
        (void)snprintf(number, sizeof(number), "%d", fd);
        expect_refusal(stage, number, -EPROTO);
        close_fd(fd);
}

static void a_page_that_is_none_is_refused(void **state) {
        static const char *const no_numbers[] = {"", "x", "-1", "3x", " 3", "99999999999999999999"};
        struct stage *stage = *state;
        struct interrex_gate_page good = *stage->page, page = good;
        expect_page_refused(stage, &good, sizeof(good) - 1, F_SEAL_SHRINK);
        expect_page_refused(stage, &good, sizeof(good), F_SEAL_GROW); /* it could be made short later */
        page.magic++;
        expect_page_refused(stage, &page, sizeof(page), F_SEAL_SHRINK);
        page = good;
        page.version++;
        expect_page_refused(stage, &page, sizeof(page), F_SEAL_SHRINK);
        page = good;
        page.size--;
        expect_page_refused(stage, &page, sizeof(page), F_SEAL_SHRINK);
        page.size = sizeof(page) + 1;
        expect_page_refused(stage, &page, sizeof(page), F_SEAL_SHRINK);
        for (size_t i = 0; i < ELEMENTS(no_numbers); i++)
                expect_refusal(stage, no_numbers[i], -EPROTO);
        expect_refusal(stage, "999", -EBADF);
        _cleanup_close_ int file = open("/dev/zero", O_RDONLY | O_CLOEXEC);
        char number[16];
        (void)snprintf(number, sizeof(number), "%d", file);
        expect_refusal(stage, number, -EPROTO);
}

/* I4: the node cannot lift its own gate. */
static int try_to_write(struct stage *stage) {
        char path[64];
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", stage->read_only_fd);
        if (geteuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
                return 1;
        if (pwrite(stage->read_only_fd, "", 1, 0) >= 0 || ftruncate(stage->read_only_fd, 0) >= 0 ||
                        open(path, O_RDWR | O_CLOEXEC) >= 0 || fchmod(stage->read_only_fd, 0666) >= 0)
                return 2;
        return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, stage->read_only_fd, 0) == MAP_FAILED
                               ? 0
                               : 3;
}

static void the_node_cannot_write_to_its_page(void **state) {
        struct stage *stage = *state;
        if (geteuid() != 0)
                skip(); /* the page is the test's own then */
        start_node(stage, NULL, try_to_write);
        expect_end(stage, 0);
}

#define STAGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
        static const struct CMUnitTest tests[] = {
                        STAGED(without_a_supervisor_nothing_is_done),
                        STAGED(ready_and_height_are_notified),
                        STAGED(each_thread_waits_for_its_own_height),
                        STAGED(who_waits_says_so_again_when_the_supervisor_speaks),
                        STAGED(who_could_not_be_told_is_told_later),
                        STAGED(that_it_asks_is_said_again_when_the_supervisor_has_spoken),
                        STAGED(a_wait_ends_with_its_time_or_a_signal),
                        STAGED(a_signal_does_not_open_the_gate),
                        STAGED(a_page_that_is_none_is_refused),
                        STAGED(the_node_cannot_write_to_its_page),
        };
        return cmocka_run_group_tests_name("libinterrex", tests, NULL, NULL);
}
