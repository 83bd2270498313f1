#include "capabilities.h"

const struct capability needed_capabilities[] = {
                {CAP_BPF, "CAP_BPF", "to load the programs that steer connections", true},
                {CAP_NET_ADMIN, "CAP_NET_ADMIN", "to watch the node's sockets", true},
                {CAP_PERFMON, "CAP_PERFMON", "to trace the gate's function", true},
                {CAP_SYS_PTRACE, "CAP_SYS_PTRACE",
                                "to hold duplicates of the node's sockets and park its threads", true},
                {CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "to open uprobes and the fence's notification", true},
                {CAP_SETUID, "CAP_SETUID", "to run node, director and prober as users of their own", true},
                {CAP_SETGID, "CAP_SETGID", "to run node, director and prober in groups of their own", true},
                {CAP_SETPCAP, "CAP_SETPCAP", "to take capabilities away from director and prober", true},
                {CAP_KILL, "CAP_KILL", "to stop nodes of other users", true},
                {CAP_CHOWN, "CAP_CHOWN", "to give the director its folders", true},
                {CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE", "to reach the state of the node's user", true},
                {CAP_FOWNER, "CAP_FOWNER", "to keep owners and modes when a state is copied", true},
                {CAP_SYS_RESOURCE, "CAP_SYS_RESOURCE", "to raise limits as `exec.limits` asks", false},
                {CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE",
                                "to listen on ports below 1024 for nodes that take LISTEN_FDS", false},
};
const size_t n_needed_capabilities = ELEMENTS(needed_capabilities);

bool capability_is_permitted(cap_value_t value) {
        cap_flag_value_t has = CAP_CLEAR;
        cap_t now = cap_get_proc();
        bool is_set = now && cap_get_flag(now, value, CAP_PERMITTED, &has) == 0 && has == CAP_SET;
        if (now)
                (void)cap_free(now);
        return is_set;
}
