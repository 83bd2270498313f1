/* Which connections a program had accepted before it closed them: when one of those is reset it is that program's doing, and not
 * because the connection was lost in an accept queue. IPv4, in the network namespace of the caller. */
#pragma once

#include "lib/base.h"
#include <netinet/in.h>

struct accepted;

/* Looks at the connections to PORT from now on. Needs CAP_BPF, CAP_PERFMON and a kernel with BTF; -errno where that is not to be had. */
int accepted_open(uint16_t port, struct accepted **ret_accepted);
struct accepted *accepted_close(struct accepted *accepted);

/* REMOTE's connection had been accepted, and was closed on this side within these times (CLOCK_MONOTONIC,
 * microseconds). Of two connections with the same addresses only the later is known. */
bool accepted_and_closed(const struct accepted *accepted, const struct sockaddr_in *remote, uint64_t from_us,
                uint64_t until_us);
