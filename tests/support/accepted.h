/* Which connections a program had accepted before it closed them: when one of those is reset it is that program's doing, and not
 * because the connection was lost in an accept queue. TCP over IPv4 and IPv6, in the network namespace of the caller. */
#pragma once

#include "lib/base.h"

struct accepted;

/* Looks at the connections to PORT from now on. Needs CAP_BPF, CAP_PERFMON and a kernel with BTF; -errno where that is not to be had. */
int accepted_open(uint16_t port, struct accepted **ret_accepted);
struct accepted *accepted_close(struct accepted *accepted);

/* The connection from ADDRESS (of IPv4 or IPv6, as text) and PORT had been accepted, and was closed on this side within these times
 * (CLOCK_MONOTONIC, microseconds). Of two connections with the same addresses only the later is known. */
bool accepted_and_closed(const struct accepted *accepted, const char *address, uint16_t port,
                uint64_t from_us, uint64_t until_us);
