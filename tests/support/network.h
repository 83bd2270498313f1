/* A network of one's own, and a client for looking into it. */
#pragma once

#include "lib/base.h"

/* Moves the calling thread into a fresh network namespace with its loopback up, so that tests that run side
 * by side may use the same ports. Needs CAP_SYS_ADMIN. */
int network_isolate(void);

/* GETs http://127.0.0.1:PORT/PATH; *ret_status is HTTP's; BODY gets what fits, terminated. -ECONNREFUSED,
 * -ECONNRESET, -ETIMEDOUT, -EBADMSG: not HTTP. */
int network_get(uint16_t port, const char *path, uint64_t timeout_us, unsigned *ret_status, char *body,
                size_t size);

/* 0: something accepts on 127.0.0.1:PORT. */
int network_try_connect(uint16_t port, uint64_t timeout_us);
