#include "node_user.h"

#include "../lib/control_protocol.h"
#include "../lib/log.h"
#include <grp.h>
#include <pwd.h>

int node_user_find(struct director *director) {
        const struct exec_config *exec = &director->config->exec;
        if (exec->user) {
                const struct passwd *user = getpwnam(exec->user);
                int n = ELEMENTS(director->node_groups);
                if (!user) {
                        log_error("exec.user %s does not exist on this host; make it with `adduser --system %s`", exec->user,
                                        exec->user);
                        return EXIT_USAGE;
                }
                director->node_uid = user->pw_uid;
                director->node_gid = user->pw_gid;
                if (getgrouplist(exec->user, user->pw_gid, director->node_groups, &n) < 0)
                        n = ELEMENTS(director->node_groups); /* more groups than a process of ours is given */
                director->n_node_groups = (size_t) n;
        }
        if (exec->group) {
                const struct group *group = getgrnam(exec->group);
                if (!group) {
                        log_error("exec.group %s does not exist on this host; make it with `addgroup --system %s`", exec->group,
                                        exec->group);
                        return EXIT_USAGE;
                }
                director->node_gid = group->gr_gid;
        }
        return 0;
}
