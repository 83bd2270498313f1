#include "keeper_protocol.h"

#include <sys/syscall.h>

#define REQUEST(name, body, least, most) \
        { name, sizeof(struct body), least, most, #name }
#define EMPTY(name, least, most) \
        { name, 0, least, most, #name }

_Static_assert(sizeof(struct keeper_spawn) <= WIRE_BODY_MAX, "the largest message must fit");

const struct wire_type keeper_requests[] = {
                REQUEST(KEEPER_SETUP, keeper_setup, 0, 0),
                REQUEST(KEEPER_READY, keeper_status, 0, 0),
                REQUEST(KEEPER_STORE, keeper_name, 1, 1),
                REQUEST(KEEPER_DROP, keeper_name, 0, 0),
                REQUEST(KEEPER_SPAWN, keeper_spawn, 2, WIRE_FDS_MAX),
                REQUEST(KEEPER_SIGNAL, keeper_signal, 0, 0),
                REQUEST(KEEPER_CGROUP, keeper_cgroup, 0, 0),
                REQUEST(KEEPER_FORGET, keeper_forget, 0, 0),
                REQUEST(KEEPER_PASS, keeper_forget, 0, 0),
                REQUEST(KEEPER_CONTINUE, keeper_continue, 0, 0),
                REQUEST(KEEPER_PARK, keeper_park, 0, 0),
                REQUEST(KEEPER_UNPARK, keeper_forget, 0, 0),
                REQUEST(KEEPER_UPROBE, keeper_uprobe, 1, 1),
                REQUEST(KEEPER_OPEN, keeper_open, 0, 0),
                REQUEST(KEEPER_CHOWN, keeper_chown, 1, 1),
                EMPTY(KEEPER_PONG, 0, 0),
                EMPTY(KEEPER_KILL_PROBER, 0, 0),
                REQUEST(KEEPER_EXIT, keeper_status, 0, 0),
};
const size_t n_keeper_requests = ELEMENTS(keeper_requests);

const struct wire_type keeper_events[] = {
                REQUEST(KEEPER_WELCOME, keeper_welcome, 0, 1),
                REQUEST(KEEPER_DIRECTORIES, keeper_directories, 0, 1),
                REQUEST(KEEPER_STORED, keeper_name, 1, 1),
                REQUEST(KEEPER_GENERATION, keeper_generation, 0, 2),
                REQUEST(KEEPER_FENCED, keeper_fenced, 0, 0),
                REQUEST(KEEPER_EXITED, keeper_exited, 0, 0),
                REQUEST(KEEPER_EMPTY, keeper_forget, 0, 0),
                REQUEST(KEEPER_STARTED, keeper_started, 0, 0),
                EMPTY(KEEPER_PROBER, 1, 1),
                EMPTY(KEEPER_RESUME, 0, 0),
                REQUEST(KEEPER_DONE, keeper_done, 0, 2),
                REQUEST(KEEPER_STOP, keeper_stop, 0, 0),
                EMPTY(KEEPER_PING, 0, 0),
};
const size_t n_keeper_events = ELEMENTS(keeper_events);

bool keeper_fenced_is_about_socket(const struct keeper_fenced *fenced) {
        return fenced->call == SYS_bind || fenced->call == SYS_listen;
}
