/* libinterrex: for nodes that cooperate with the supervisor interrex.
 *
 * A node calls interrex_ready() when it serves, interrex_gate(H) before it begins block H, and interrex_height(H)
 * when H is committed. Where `gate: {kind: notify}` is configured, that makes the gate exact: at an upgrade the
 * old release commits H-1 and waits in interrex_gate(H), while its other threads go on serving.
 *
 * Without a supervisor every function does nothing and returns 0, so they may stay in for everybody.
 *
 * Errors are negative errno values. All functions may be called by any thread at any time; none is for signal
 * handlers. The environment is read once, at the first call of any of them: make it before threads change the
 * environment or the process forks. Memory is not allocated, and no thread is started. */
#ifndef INTERREX_INTERREX_H
#define INTERREX_INTERREX_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define INTERREX_PUBLIC __attribute__((visibility("default")))
#else
#define INTERREX_PUBLIC
#endif

#define INTERREX_ALONE 0    /* there is no supervisor */
#define INTERREX_NOTIFIED 1 /* there is one that hears what the node says (systemd is one as well) */
#define INTERREX_GATED 2    /* and it may let the node wait before a height */

/* Who is there: one of the above. -EPROTO, -EBADF or another error: there is a gate that cannot be used, and
 * interrex_gate() will say the same each time. */
INTERREX_PUBLIC int interrex_supervised(void);

/* The node serves. Call it once; an upgrade to this release is not proved before that where the configuration
 * takes the height from notifications. -EAGAIN: the supervisor is behind; call it again. */
INTERREX_PUBLIC int interrex_ready(void);

/* HEIGHT is committed: the state on disk is that of HEIGHT. Does not block. -EAGAIN: the supervisor is behind;
 * nothing is lost, since the next height says it as well. */
INTERREX_PUBLIC int interrex_height(uint64_t height);

/* Call this before anything of block HEIGHT is done that another release must not find: before it is executed,
 * signed or written. 0: it may begin. Returns only when it may, which in a hold can take days, or the process is
 * ended; signal handlers run meanwhile, and do not end the wait. As long as no upgrade is near this costs
 * some loads from memory and no system call. Height 0 never waits: interrex_gate(0) at the start tells the supervisor
 * early that this release asks.
 *
 * An error means that nobody knows whether HEIGHT may begin: do not begin it. -EPROTO: what INTERREX_GATE names is
 * no gate, or one of another version; -EBADF: it names nothing. */
INTERREX_PUBLIC int interrex_gate(uint64_t height);

/* The same for at most TIMEOUT_MS milliseconds (0: only look; negative: for ever), for a node that has to join the
 * thread when it stops: -ETIMEDOUT: HEIGHT may not begin yet, ask again; -EINTR: a signal handler ran in this
 * thread while it waited (one without SA_RESTART). */
INTERREX_PUBLIC int interrex_gate_wait(uint64_t height, int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
