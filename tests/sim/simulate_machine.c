/* The simulator: many lives of the swap machine, each with its own order of events, failures and crashes. */
#include "world.h"

#define STEPS_MAX 2000

static int fail(struct world *world, uint64_t seed, const char *why) {
        fprintf(stderr, "seed %lu: %s\n%s", seed, why, world->trace);
        return 1;
}

int main(int argc, char **argv) {
        uint64_t lives = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
        uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
        struct world *world = calloc(1, sizeof(*world));
        uint64_t rested[PHASES] = {0};
        if (!world)
                return 1;
        for (uint64_t seed = first; seed < first + lives; seed++) {
                unsigned steps = 0;
                world_begin(world, seed);
                while (steps < STEPS_MAX && world_step(world))
                        steps++;
                if (*world->violation)
                        return fail(world, seed, world->violation);
                if (!world_may_rest(world) && steps < STEPS_MAX)
                        return fail(world, seed,
                                        "I6: nothing can happen any more, and the machine is not at rest");
                if (steps == STEPS_MAX)
                        return fail(world, seed, "I6: it does not come to rest");
                rested[world->machine.phase]++;
        }
        printf("%lu lives: %lu running, %lu held, %lu stopped\n", lives, rested[PHASE_RUNNING],
                        rested[PHASE_HELD], rested[PHASE_STOPPED]);
        printf("%lu passed, 0 failed\n", lives);
        free(world);
        return 0;
}
