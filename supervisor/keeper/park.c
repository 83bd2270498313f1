#include "park.h"

#include "../lib/log.h"
#include <sys/ptrace.h>

int park_begin(struct keeper *keeper, const struct keeper_park *request) {
        for (size_t i = 0; i < keeper->n_parked; i++)
                if (keeper->parked[i].thread == request->thread)
                        return -EALREADY;
        if (keeper->n_parked == PARKED_MAX)
                return -ENOSPC;
        if (request->process <= 0 || request->thread <= 0)
                return -EBADMSG;
        /* I3: without its tracer it would run on, over the boundary. */
        if (ptrace(PTRACE_SEIZE, request->thread, NULL, PTRACE_O_EXITKILL) < 0)
                return -errno;
        if (ptrace(PTRACE_INTERRUPT, request->thread, NULL, NULL) < 0)
                return -errno;
        keeper->parked[keeper->n_parked++] = (struct parked_thread){.serial = request->serial,
                        .generation = request->generation,
                        .process = request->process,
                        .thread = request->thread};
        return 0;
}

static void answer(struct keeper *keeper, uint64_t serial, int error) {
        struct keeper_done done = {.serial = serial, .error = error, .value = error ? 0 : 1};
        (void) wire_send(keeper->director_link, KEEPER_DONE, &done, sizeof(done), NULL, 0);
}

static void let_run(struct keeper *keeper, struct parked_thread *parked) {
        if (ptrace(PTRACE_DETACH, parked->thread, NULL, NULL) < 0 && errno != ESRCH)
                log_warning("cannot let thread %d run on: %m", parked->thread);
        *parked = keeper->parked[--keeper->n_parked];
}

int park_stopped(struct keeper *keeper, const siginfo_t *how) {
        for (size_t i = 0; i < keeper->n_parked; i++) {
                struct parked_thread *parked = &keeper->parked[i];
                if (parked->thread != how->si_pid)
                        continue;
                if (how->si_code != CLD_TRAPPED && how->si_code != CLD_STOPPED) {
                        bool is_first_thread = parked->process == parked->thread;
                        if (!parked->is_stopped)
                                answer(keeper, parked->serial, -ESRCH);
                        *parked = keeper->parked[--keeper->n_parked];
                        return is_first_thread ? 0 : 1; /* the end of the first thread is the process's end too */
                }
                if (!parked->is_stopped) {
                        parked->is_stopped = true;
                        if (kill(parked->process, SIGCONT) < 0)
                                log_warning("cannot let process %d run on: %m", parked->process);
                        answer(keeper, parked->serial, 0);
                        if (parked->is_let_go)
                                let_run(keeper, parked);
                }
                return 1;
        }
        return 0;
}

void park_end(struct keeper *keeper, uint64_t generation) {
        for (size_t i = keeper->n_parked; i > 0; i--) {
                struct parked_thread *parked = &keeper->parked[i - 1];
                if (parked->generation != generation)
                        continue;
                /* The director that asked for the parking may have died, and the next one not wait for the answer. */
                if (parked->is_stopped)
                        let_run(keeper, parked);
                else
                        parked->is_let_go = true;
        }
}
