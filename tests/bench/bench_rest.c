/* What the supervisor costs while nothing happens: memory of its three processes, and how often they wake up. */
#include "support/scenario.h"

#define WINDOW_S 20
#define POLL_S 1

enum { KEEPER, DIRECTOR, PROBER, PROCESSES };

struct sample {
        long resident_kb, proportional_kb, wake_ups;
};

/* "NAME:   12 kB" in /proc/PID/FILE; 0: not there. */
static long read_field(int pid, const char *file, const char *name) {
        char path[64], line[256];
        (void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
        _cleanup_fclose_ FILE *stream = fopen(path, "re");
        while (stream && fgets(line, sizeof(line), stream))
                if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
                        return strtol(line + strlen(name) + 1, NULL, 10);
        return 0;
}

static struct sample take(int pid) {
        return (struct sample){.resident_kb = read_field(pid, "status", "VmRSS"),
                        .proportional_kb = read_field(pid, "smaps_rollup", "Pss"),
                        .wake_ups = read_field(pid, "status", "voluntary_ctxt_switches")};
}

SCENARIO(at_rest) {
        static const char *const names[PROCESSES] = {"keeper", "director", "prober"};
        int pids[PROCESSES];
        struct sample before[PROCESSES], after[PROCESSES], sum = {0};
        scenario_configure_testnode(
                        s, &(struct scenario_testnode){.release = "1.0.0",
                                           .block_ms = 1000,
                                           .more = "height: {source: ethereum, url: "
                                                   "\"http://127.0.0.1:8545\", every: 1s}\n"
                                                   "probes:\n  - {name: rpc, kind: height, every: 1s}\n"});
        scenario_add_testnode(s, "1.0.0", "");
        scenario_start(s);
        pids[KEEPER] = s->supervisor.pid;
        pids[DIRECTOR] = scenario_role(s, "interrex-director");
        pids[PROBER] = scenario_role(s, "interrex-prober");
        (void)process_ends_within(&s->supervisor, 3 * USEC_PER_SEC);
        for (size_t i = 0; i < PROCESSES; i++)
                before[i] = take(pids[i]);
        (void)process_ends_within(&s->supervisor, WINDOW_S * USEC_PER_SEC);
        printf("at rest for %d s, the height and one probe asked for every %d s\n", WINDOW_S, POLL_S);
        for (size_t i = 0; i < PROCESSES; i++) {
                after[i] = take(pids[i]);
                long woke = after[i].wake_ups - before[i].wake_ups;
                printf("  %-10s resident %6ld kB   its share of it %6ld kB   wake-ups %4ld, %.2f a poll\n",
                                names[i], after[i].resident_kb, after[i].proportional_kb, woke,
                                (double)woke / (2.0 * WINDOW_S / POLL_S));
                sum.resident_kb += after[i].resident_kb;
                sum.proportional_kb += after[i].proportional_kb;
        }
        printf("  together   resident %.2f MiB (what they share counted three times), %.2f MiB (counted "
               "once, by shares); goal: "
               "under 12\n",
                        (double)sum.resident_kb / 1024, (double)sum.proportional_kb / 1024);
        scenario_stop(s);
}

int main(void) {
        const struct CMUnitTest benches[] = {SCENARIO_TEST(at_rest)};
        return cmocka_run_group_tests_name("at rest", benches, NULL, NULL);
}
