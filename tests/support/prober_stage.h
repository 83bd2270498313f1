/* A prober in a process of its own, and the test in the place of its director and of the node. The functions
 * fail the test where they say what must be. As root: the prober becomes another user. */
#pragma once

#include "../../supervisor/lib/prober_protocol.h"
#include <sys/types.h>

/* For whatever must happen; far longer than it takes. */
#define PROBER_STAGE_PATIENCE_MS 10000

struct prober_stage {
        pid_t pid;
        int link, output; /* output: what the prober writes to stderr */
        int listener;     /* the node's port, at ADDRESS; blocking */
        struct sockaddr_in address;
        struct wire_message message;
};

/* For cmocka: starts PROBER (prober_main), which is not named here because scenarios are linked without it,
 * and waits until it is ready. The tear-down fails the test if the prober did not end by itself, with status
 * 0, with its link. */
int prober_stage_set_up(void **state, int (*prober)(int, char **));
int prober_stage_tear_down(void **state);

/* Sends a check of the stage's address; answers come by prober_stage_expect...(). */
void prober_stage_ask(struct prober_stage *stage, uint64_t id, uint32_t kind, uint32_t timeout_ms,
                const char *url, const char *argument);

/* True: FD can be read within the time. */
bool prober_stage_await(int fd, int timeout_ms);

/* The next message, which must be of this type: its body, valid until the next one. */
const void *prober_stage_expect(struct prober_stage *stage, uint32_t type);
void prober_stage_expect_healthy(struct prober_stage *stage, uint64_t id, uint64_t height);
const struct prober_result *prober_stage_expect_unhealthy(
                struct prober_stage *stage, uint64_t id, const char *sentence);
void prober_stage_expect_height(struct prober_stage *stage, uint64_t generation, uint64_t height);

void prober_stage_write(int fd, const char *text);
