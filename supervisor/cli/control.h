/* Talking to the director of a running node: sd-bus, peer to peer, over RUN/NODE/control. Connections last
 * for one call; the director may be restarted at any moment, and the node does not care. Not for threads. */
#pragma once

#include "node.h"
#include <systemd/sd-bus.h>

/* How long a director that is being restarted is waited for. */
#define CONTROL_CONNECT_TIMEOUT_US (5 * USEC_PER_SEC)
/* Shorter than the keeper waits for a director that hangs, so that the operator is told what goes on. */
#define CONTROL_CALL_TIMEOUT_US (25 * USEC_PER_SEC)

/* Calls a method once. TIMEOUT_US is for all of it, from the connection on; 0: no limit, because the answer comes when
 * something is over. Then too it ends with the director, and one that hangs is killed by its keeper. The reply is the caller's (sd_bus_message_unref).
 * -ESRCH: nobody supervises the node. -EACCES: the socket may not be written. -ETIMEDOUT. -ECONNRESET: the
 * director went away after it was asked: the call may have had its effect or not. -EREMOTEIO: it refused;
 * see *ret_error. */
int control_call(const struct node *node, const char *method, uint64_t timeout_us, sd_bus_error *ret_error,
                sd_bus_message **ret_reply, const char *types, ...);

/* The same for methods that may be asked twice: asks again for as long as the node is supervised. */
int control_ask(const struct node *node, const char *method, uint64_t timeout_us, sd_bus_error *ret_error,
                sd_bus_message **ret_reply, const char *types, ...);

/* Appends the arguments of a call, for those that no list of types can tell. */
typedef int (*control_fill)(sd_bus_message *message, const void *arguments);

/* control_ask() with arguments that FILL appends, each time anew. */
int control_ask_filled(const struct node *node, const char *method, uint64_t timeout_us,
                sd_bus_error *ret_error, sd_bus_message **ret_reply, control_fill fill,
                const void *arguments);

/* Tells the operator what went wrong; gives the exit status. */
int control_explain(const struct node *node, int error, const sd_bus_error *remote);
