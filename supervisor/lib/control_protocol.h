/* The control socket's names: sd-bus without a bus, peer to peer on RUN/NODE/control. `busctl
 * --address=unix:path=RUN/NODE/control introspect org.interrex /org/interrex/node` shows the same. */
#pragma once

#define CONTROL_SOCKET_NAME "control"
#define CONTROL_OBJECT "/org/interrex/node"
#define CONTROL_INTERFACE "org.interrex.Node1"

/* Methods (signatures: in -> out):
 *   Status       ""    -> "s"   the status object as JSON text
 *   Plan         ""    -> "s"   the boundaries ahead as JSON text
 *   Upgrade      "stb" -> "t"   version, height (CONTROL_HEIGHT_NONE: none), now; one of the two; the swap's id
 *   Rollback     ""    -> "t"   the swap's id
 *   Restart      ""    -> "t"   the swap's id (a restart is a swap to the same release), or CONTROL_SWAP_NONE: the node had failed, and
 *                               its next try is begun
 *   Cancel       ""    -> ""
 *   AcceptState  ""    -> ""    the state because of which a signer is held is the right one
 *   Stop         ""    -> ""    answered when the node has stopped and the supervisor is about to end
 *   ScheduleSet  "a(uuttss)t" -> "" boundaries (unit, mode, point, from, range, protocol: see boundary.h), all or none, and
 *                               the sequence number if they are all of the schedule, else CONTROL_NO_SEQUENCE
 *   ScheduleRemove "ut" -> ""   unit and point
 *   ScheduleDocument "hhb" -> "uta(us)" a schedule's file, its signature's file, and whether there is one (else the second
 *                               descriptor is not looked at); answered when it has been read and set: how many boundaries, the
 *                               sequence number or CONTROL_NO_SEQUENCE, and mistakes with their lines; with any, nothing was set
 *   Refresh      ""    -> ""    releases on disk have changed
 *   ReleaseUse   "s"   -> "s"   what a release is needed for, so that it may not be removed; empty: nothing
 *   Wait         "t"   -> "ss"  swap id; answered when it has ended: outcome ("committed", "rolled-back", "aborted",
 *                               "held", "cancelled") and reason; a connection that breaks meanwhile (the director was
 *                               restarted) is simply asked again
 * Errors carry one of these names and a sentence for the operator. */
#define CONTROL_HEIGHT_NONE UINT64_MAX
#define CONTROL_SWAP_NONE UINT64_C(0)
#define CONTROL_NO_SEQUENCE UINT64_MAX
#define CONTROL_ERROR_REFUSED "org.interrex.Error.Refused"       /* exit 1 */
#define CONTROL_ERROR_BUSY "org.interrex.Error.Busy"             /* exit 1: something is under way */
#define CONTROL_ERROR_USAGE "org.interrex.Error.Usage"           /* exit 2 */
#define CONTROL_ERROR_PERMISSION "org.interrex.Error.Permission" /* exit 6 */

enum exit_status {
        EXIT_DONE = 0,
        EXIT_FAILED = 1,
        EXIT_USAGE = 2,
        EXIT_ROLLED_BACK = 3,
        EXIT_HELD = 4,
        EXIT_NO_NODE = 5,
        EXIT_NOT_PERMITTED = 6,
};
