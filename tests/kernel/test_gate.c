/* The gate's program alone: the thread that calls the commit function stops before its body runs, at the boundary and not before,
 * in the generation's cgroup and nowhere else. */
#include "director/gate_location.h"
#include "director/gate_stay.h"
#include "gate.skel.h"
#include "interrex.h"
#include "lib/cgroup.h"
#include "stay.skel.h"
#include "support/process.h"
#include "wake.skel.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#define HEIGHTS 10
#define BOUNDARY 5
#define GENERATION 7
#define ROUNDS 100

struct stage {
        struct gate_bpf *gate;
        struct stay_bpf *stay;
        struct wake_bpf *wake;
        struct bpf_link *link;
        struct gate_location location;
        struct gate_event event;
        struct ring_buffer *ring;
        char *own_path, name[64];
        int own, cgroup, node, committed;
        uint8_t last; /* height that was committed */
};

struct committer {
        pthread_barrier_t barrier;
        int to;
};

static int set_up(void **state);
static int tear_down(void **state);
static void set_boundary(struct stage *stage, uint64_t boundary);
static void start_node(struct stage *stage, bool inside);
static void stop_at_boundary(struct stage *stage);
static void start_threads(struct stage *stage);
static void load_stay(struct stage *stage, bool in_thread);
static int wait_node(struct stage *stage);
static unsigned last_committed(struct stage *stage);

/* What a node would call for each block: the height is written down before it returns. */
__attribute__((noinline, used)) int commit_block(uint64_t height, int to);

int commit_block(uint64_t height, int to) {
        uint8_t byte = (uint8_t)height;
        return write(to, &byte, 1) == 1 ? 0 : -1;
}

/* I4: height 4 is committed, the call for height 5 has begun and its body has not. */
static void I4_the_thread_stops_before_the_boundary(void **state) {
        struct stage *stage = *state;
        stop_at_boundary(stage);
        assert_int_equal(last_committed(stage), BOUNDARY - 1);
        assert_int_equal(ring_buffer__consume(stage->ring), 1);
        assert_int_equal(stage->event.height, BOUNDARY);
        assert_int_equal(stage->event.generation, GENERATION);
        assert_int_equal(stage->event.process, stage->node);
        assert_int_equal(stage->event.stopped, GATE_STANDS);
}

/* A signal alone does not get a node past it by more than the block that it was stopped at. */
static void each_block_past_the_boundary_stops_again(void **state) {
        struct stage *stage = *state;
        set_boundary(stage, BOUNDARY);
        start_node(stage, true);
        for (unsigned height = BOUNDARY; height < BOUNDARY + 3; height++) {
                assert_true(WIFSTOPPED(wait_node(stage)));
                assert_int_equal(last_committed(stage), height - 1);
                assert_int_equal(kill(stage->node, SIGCONT), 0);
        }
}

static void an_open_gate_lets_everything_pass(void **state) {
        struct stage *stage = *state;
        stop_at_boundary(stage);
        set_boundary(stage, 0);
        assert_int_equal(kill(stage->node, SIGCONT), 0);
        assert_true(WIFEXITED(wait_node(stage)));
        assert_int_equal(last_committed(stage), HEIGHTS);
}

/* Both generations may run the same file. */
static void another_cgroup_is_not_stopped(void **state) {
        struct stage *stage = *state;
        set_boundary(stage, BOUNDARY);
        start_node(stage, false);
        assert_true(WIFEXITED(wait_node(stage)));
        assert_int_equal(last_committed(stage), HEIGHTS);
        assert_int_equal(ring_buffer__consume(stage->ring), 0);
}

/* Nobody's SIGCONT sets it going, until it is let go. */
static void I4_no_SIGCONT_lets_a_stopped_thread_pass(void **state) {
        struct stage *stage = *state;
        load_stay(stage, true);
        stop_at_boundary(stage);
        for (unsigned i = 0; i < ROUNDS; i++) {
                assert_int_equal(kill(stage->node, SIGCONT), 0);
                assert_true(WIFSTOPPED(wait_node(stage)));
                assert_int_equal(last_committed(stage), BOUNDARY - 1);
        }
        assert_int_equal(ring_buffer__consume(stage->ring), 1);
        stage->event.stopped = GATE_LET_GO;
        assert_int_equal(bpf_map_update_elem(bpf_map__fd(stage->gate->maps.gate_stopped),
                                         &stage->event.thread, &stage->event, BPF_EXIST),
                        0);
        assert_int_equal(kill(stage->node, SIGCONT), 0);
        assert_true(WIFSTOPPED(wait_node(stage)));
        assert_int_equal(last_committed(stage), BOUNDARY);
}

/* How often it helps depends on the processors: only that it loads and that the gate works with it can be asserted. */
static void the_gate_stops_where_only_the_wake_up_is_seen_too(void **state) {
        struct stage *stage = *state;
        load_stay(stage, false);
        stop_at_boundary(stage);
        assert_int_equal(last_committed(stage), BOUNDARY - 1);
}

/* What sets the other threads going when the first one is parked takes back the second one's stop. */
static void I4_two_threads_at_once_are_both_kept(void **state) {
        struct stage *stage = *state;
        load_stay(stage, true);
        set_boundary(stage, BOUNDARY);
        start_threads(stage);
        assert_true(WIFSTOPPED(wait_node(stage)));
        for (unsigned i = 0; i < ROUNDS; i++) {
                assert_int_equal(kill(stage->node, SIGCONT), 0);
                assert_true(WIFSTOPPED(wait_node(stage)));
                assert_int_equal(last_committed(stage), 0);
        }
}

#define STAGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                        STAGED(I4_the_thread_stops_before_the_boundary),
                        STAGED(each_block_past_the_boundary_stops_again),
                        STAGED(an_open_gate_lets_everything_pass),
                        STAGED(another_cgroup_is_not_stopped),
                        STAGED(I4_no_SIGCONT_lets_a_stopped_thread_pass),
                        STAGED(the_gate_stops_where_only_the_wake_up_is_seen_too),
                        STAGED(I4_two_threads_at_once_are_both_kept),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("the gate", tests, NULL, NULL);
}

static int note_event(void *userdata, void *data, size_t size) {
        struct stage *stage = userdata;
        assert_true(size >= sizeof(stage->event));
        memcpy(&stage->event, data, sizeof(stage->event));
        return 0;
}

static void attach(struct stage *stage) {
        struct gate_config config = {.kind = GATE_UPROBE,
                        .symbol = (char[]){"commit_block"},
                        .argument = 1,
                        .abi = ABI_C};
        char program[PATH_MAX];
        _cleanup_free_ char *error = NULL;
        _cleanup_close_ int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
        assert_true(n > 0);
        program[n] = '\0';
        if (gate_locate(file, &config, &stage->location, &error) < 0)
                fail_msg("%s", error ? error : "commit_block was not found");
        stage->link = bpf_program__attach_uprobe(
                        stage->gate->progs.on_commit, false, -1, program, stage->location.offset);
        assert_non_null(stage->link);
}

static int set_up(void **state) {
        struct stage *stage = calloc(1, sizeof(*stage));
        uint32_t zero = 0;
        assert_non_null(stage);
        *state = stage;
        stage->committed = -1;
        (void)snprintf(stage->name, sizeof(stage->name), "interrex-gate-%d", getpid());
        assert_int_equal(cgroup_open_own(&stage->own_path, &stage->own), 0);
        assert_int_equal(cgroup_make(stage->own, stage->name, &stage->cgroup), 0);
        stage->gate = gate_bpf__open_and_load();
        assert_non_null(stage->gate);
        attach(stage);
        stage->ring = ring_buffer__new(bpf_map__fd(stage->gate->maps.gate_events), note_event, stage, NULL);
        assert_non_null(stage->ring);
        assert_int_equal(bpf_map_update_elem(bpf_map__fd(stage->gate->maps.gate_cgroup), &zero,
                                         &stage->cgroup, BPF_ANY),
                        0);
        return 0;
}

static int tear_down(void **state) {
        struct stage *stage = *state;
        int r = cgroup_kill_and_wait(stage->cgroup, process_patience(20 * USEC_PER_SEC));
        while (waitpid(-1, NULL, WNOHANG) > 0)
                continue;
        stay_bpf__destroy(stage->stay);
        wake_bpf__destroy(stage->wake);
        bpf_link__destroy(stage->link);
        ring_buffer__free(stage->ring);
        gate_bpf__destroy(stage->gate);
        close_fd(stage->committed);
        close_fd(stage->cgroup);
        if (r >= 0)
                r = cgroup_remove(stage->own, stage->name);
        close_fd(stage->own);
        free(stage->own_path);
        free(stage);
        return r;
}

static void set_boundary(struct stage *stage, uint64_t boundary) {
        struct stat st;
        uint32_t zero = 0;
        assert_int_equal(stat("/proc/self/ns/pid", &st), 0);
        struct gate_setting setting = {.boundary = boundary,
                        .generation = GENERATION,
                        .kind = stage->location.kind,
                        .register_offset = stage->location.register_offset,
                        .displacement = stage->location.displacement,
                        .size = stage->location.size,
                        .namespace_device = st.st_dev,
                        .namespace_inode = st.st_ino};
        assert_int_equal(bpf_map_update_elem(bpf_map__fd(stage->gate->maps.gate_settings), &zero, &setting,
                                         BPF_ANY),
                        0);
}

static void start_node(struct stage *stage, bool inside) {
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
        stage->committed = ends[0];
        stage->node = fork();
        assert_true(stage->node >= 0);
        if (stage->node == 0) {
                if (inside && cgroup_write(stage->cgroup, "cgroup.procs", "0") < 0)
                        _exit(1);
                for (uint64_t height = 1; height <= HEIGHTS; height++)
                        if (commit_block(height, ends[1]) < 0)
                                _exit(1);
                _exit(0);
        }
        (void)close(ends[1]);
}

static void *commit_one(void *argument) {
        struct committer *committer = argument;
        (void)pthread_barrier_wait(&committer->barrier);
        (void)commit_block(BOUNDARY, committer->to);
        return NULL;
}

/* Two of them begin the boundary's block together. */
static void start_threads(struct stage *stage) {
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
        stage->committed = ends[0];
        stage->node = fork();
        assert_true(stage->node >= 0);
        if (stage->node == 0) {
                struct committer committer = {.to = ends[1]};
                pthread_t threads[2];
                if (cgroup_write(stage->cgroup, "cgroup.procs", "0") < 0 ||
                                pthread_barrier_init(&committer.barrier, NULL, ELEMENTS(threads)) != 0)
                        _exit(1);
                for (size_t i = 0; i < ELEMENTS(threads); i++)
                        if (pthread_create(&threads[i], NULL, commit_one, &committer) != 0)
                                _exit(1);
                for (size_t i = 0; i < ELEMENTS(threads); i++)
                        (void)pthread_join(threads[i], NULL);
                _exit(0);
        }
        (void)close(ends[1]);
}

/* A kernel that cannot have the programs has nothing to be tested with. */
static void load_stay(struct stage *stage, bool in_thread) {
        int threads = bpf_map__fd(stage->gate->maps.gate_threads),
            stopped = bpf_map__fd(stage->gate->maps.gate_stopped);
        int r = in_thread ? gate_stay_in_thread(threads, stopped, &stage->stay)
                          : gate_stay_at_wake(threads, stopped, &stage->wake);
        if (r >= 0)
                return;
        print_message("skipped: this kernel cannot have the programs: %s\n", strerror(-r));
        skip();
}

static void stop_at_boundary(struct stage *stage) {
        set_boundary(stage, BOUNDARY);
        start_node(stage, true);
        assert_true(WIFSTOPPED(wait_node(stage)));
}

/* Its next stop, or its end. */
static int wait_node(struct stage *stage) {
        int status = 0;
        assert_int_equal(waitpid(stage->node, &status, WUNTRACED), stage->node);
        return status;
}

static unsigned last_committed(struct stage *stage) {
        while (read(stage->committed, &stage->last, 1) == 1)
                continue;
        return stage->last;
}
