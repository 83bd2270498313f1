/* interrex as PID 1, as in a container: it takes in every orphan, and a signal to it stops the node in good order. */
#include "support/scenario.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#define HEIGHT_TIMEOUT_US (20 * USEC_PER_SEC)
#define LOOK_AGAIN_US (20 * USEC_PER_MSEC)

static const char *const as_pid_1[] = {
                "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--", NULL};

static void begin(struct scenario *s, const char *command);
static void stop_by_signal(struct scenario *s);
static int init_pid(struct scenario *s);
static int count_zombies(int parent);
static int count_children(int parent, bool zombies_alone, int *ret_last);

SCENARIO(I1_upgrades_as_pid_1) {
        begin(s, "testnode");
        scenario_start_load(s, 300, 20);
        scenario_expect(s, 0, "upgrade", s->node, "2.0.0", "--now", "--wait", NULL);
        scenario_end_load_unharmed(s);
        stop_by_signal(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", "2.0.0", NULL});
}

SCENARIO(who_asks_from_outside_is_told_to_go_inside) {
        begin(s, "testnode");
        char *inside = s->interrex;
        s->interrex = realpath(getenv("INTERREX") ? getenv("INTERREX") : "build/interrex", NULL);
        struct process_result result = scenario_cli(s, "status", s->node, NULL);
        assert_int_equal(result.status, 6);
        if (!strstr(result.error, "PID namespace"))
                fail_msg("it says: %s", result.error);
        process_result_done(&result);
        free(s->interrex);
        s->interrex = inside;
        stop_by_signal(s);
}

SCENARIO(a_signal_to_pid_1_stops_the_node_in_good_order) {
        begin(s, "testnode");
        stop_by_signal(s);
        scenario_assert_order(s, (const char *const[]){"1.0.0", NULL});
}

SCENARIO(pid_1_takes_in_the_orphans_of_its_node) {
        uint64_t deadline = now_monotonic() + process_patience(HEIGHT_TIMEOUT_US);
        begin(s, "start.sh");
        int init = init_pid(s);
        char orphans[192];
        (void)snprintf(orphans, sizeof(orphans), "%s/orphans", s->data);
        struct stat st;
        while (stat(orphans, &st) < 0 || st.st_size < 3 || count_zombies(init) > 0) {
                if (now_monotonic() > deadline)
                        fail_msg("%d zombies are left of %ld orphans", count_zombies(init),
                                        (long)st.st_size);
                (void)process_ends_within(&s->supervisor, LOOK_AGAIN_US);
        }
        stop_by_signal(s);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        SCENARIO_TEST(I1_upgrades_as_pid_1),
                        SCENARIO_TEST(who_asks_from_outside_is_told_to_go_inside),
                        SCENARIO_TEST(a_signal_to_pid_1_stops_the_node_in_good_order),
                        SCENARIO_TEST(pid_1_takes_in_the_orphans_of_its_node),
        };
        cmocka_set_test_filter(getenv("TEST"));
        return cmocka_run_group_tests_name("interrex as PID 1", tests, NULL, NULL);
}

/* Leaves three orphans, each of which writes a byte before it ends, and becomes the node. */
static void add_start_script(struct scenario *s, const char *version) {
        char folder[128], path[160];
        (void)snprintf(folder, sizeof(folder), "%s/source-%s", s->directory, version);
        (void)snprintf(path, sizeof(path), "%s/start.sh", folder);
        FILE *file = fopen(path, "wex");
        assert_non_null(file);
        (void)fprintf(file,
                        "#!/bin/sh\n"
                        "for i in 1 2 3; do (setsid sh -c 'printf x >> %s/orphans' &); done\n"
                        "exec %s/testnode \"$@\"\n",
                        s->data, folder);
        assert_int_equal(fchmod(fileno(file), 0755), 0);
        assert_int_equal(fclose(file), 0);
        scenario_expect(s, 0, "release", "add", s->node, "1.0.1", folder, NULL);
}

/* As `docker exec` does; the director hears nobody from outside. */
static void command_from_inside(struct scenario *s) {
        uint64_t deadline = now_monotonic() + process_patience(HEIGHT_TIMEOUT_US);
        int init;
        while (count_children(s->supervisor.pid, false, &init) == 0 && now_monotonic() < deadline)
                (void)process_ends_within(&s->supervisor, LOOK_AGAIN_US);
        char path[128];
        (void)snprintf(path, sizeof(path), "%s/inside", s->directory);
        FILE *file = fopen(path, "wex");
        assert_non_null(file);
        (void)fprintf(file, "#!/bin/sh\nexec nsenter --target %d --pid --mount -- %s \"$@\"\n", init_pid(s),
                        s->interrex);
        assert_int_equal(fchmod(fileno(file), 0755), 0);
        assert_int_equal(fclose(file), 0);
        free(s->interrex);
        s->interrex = strdup(path);
}

static void begin(struct scenario *s, const char *command) {
        bool is_script = strcmp(command, "testnode") != 0;
        scenario_configure_testnode(s, &(struct scenario_testnode){.release = is_script ? "1.0.1" : "1.0.0",
                                                       .command = command});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_add_testnode(s, "2.0.0", "");
        if (is_script)
                add_start_script(s, "1.0.0");
        s->prefix = as_pid_1;
        scenario_start_supervisor(s);
        command_from_inside(s);
        scenario_wait_phase(s, "running", SCENARIO_START_TIMEOUT_US);
        scenario_wait_height(s, 3, HEIGHT_TIMEOUT_US);
}

/* The parent and the state of a process; 0: it is gone. */
static char state_of(const char *pid, int *ret_parent) {
        char path[64], text[512], state = 0;
        (void)snprintf(path, sizeof(path), "/proc/%.16s/stat", pid);
        _cleanup_fclose_ FILE *file = fopen(path, "re");
        size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
        text[n] = '\0';
        const char *name_ends = strrchr(text, ')');
        return name_ends && sscanf(name_ends, ") %c %d", &state, ret_parent) == 2 ? state : 0;
}

/* Visits the children of PARENT: how many there are, zombies alone or all; the last one's number. */
static int count_children(int parent, bool zombies_alone, int *ret_last) {
        DIR *directory = opendir("/proc");
        int n = 0, of = 0;
        assert_non_null(directory);
        for (const struct dirent *entry; (entry = readdir(directory));) {
                char state = entry->d_name[0] >= '1' && entry->d_name[0] <= '9'
                                             ? state_of(entry->d_name, &of)
                                             : 0;
                if (state == 0 || of != parent || (zombies_alone && state != 'Z'))
                        continue;
                n++;
                *ret_last = atoi(entry->d_name);
        }
        (void)closedir(directory);
        return n;
}

static int init_pid(struct scenario *s) {
        int pid = 0;
        assert_int_equal(count_children(s->supervisor.pid, false, &pid), 1);
        return pid;
}

/* `interrex stop` from inside would end with the namespace. */
static void stop_by_signal(struct scenario *s) {
        int status = -1;
        assert_int_equal(kill(init_pid(s), SIGTERM), 0);
        assert_int_equal(process_wait(&s->supervisor, HEIGHT_TIMEOUT_US, &status), 0);
        assert_int_equal(status, 0);
}

static int count_zombies(int parent) {
        int last;
        return count_children(parent, true, &last);
}
