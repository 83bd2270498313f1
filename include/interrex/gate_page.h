/* The page that a supervisor shares with its node: before which height the node has to wait.
 *
 * libinterrex reads it, and a node in another language may do so itself. The environment variable INTERREX_GATE
 * is the number of a descriptor, open for reading, of a memfd that begins with this structure in the machine's
 * byte order. It is sealed against shrinking, so it may be mapped (PROT_READ, MAP_SHARED) without fear of
 * SIGBUS. Only the supervisor writes it: first `limit`, then `sequence`, then it wakes who waits at `sequence`.
 *
 * To wait before height H: read `sequence`, then `limit` (both with acquire order). If H < limit, go on. Else
 * send the datagram "X_INTERREX_GATE=H" to NOTIFY_SOCKET and FUTEX_WAIT (shared, not private) at `sequence` for
 * the value that was read; then begin again. Say it anew whenever `sequence` has changed and the limit still
 * holds: the supervisor may be another one than before. Send "X_INTERREX_GATE=attached" before the first block,
 * and before the next one after each change of `sequence`; from then on the supervisor relies on it that no
 * block begins unasked. It remembers that of the release. */
#ifndef INTERREX_GATE_PAGE_H
#define INTERREX_GATE_PAGE_H

#include <stdint.h>

#define INTERREX_GATE_MAGIC UINT32_C(0x58544749) /* "IGTX" in little endian */
#define INTERREX_GATE_VERSION 1
#define INTERREX_GATE_OPEN UINT64_MAX /* no height has to wait */

struct interrex_gate_page {
        uint32_t magic;
        uint32_t version;  /* another one means something else by what follows `size` */
        uint32_t size;     /* of this structure in bytes; a later version 1 may add members at its end */
        uint32_t sequence; /* a futex; changes with every word of the supervisor */
        uint64_t limit;    /* the first height that may not begin */
};

#endif
