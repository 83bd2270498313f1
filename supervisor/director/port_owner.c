#include "port_owner.h"

#include "process_sockets.h"
#include <dirent.h>
#include <sys/socket.h>

#define DESCRIPTORS_MAX 1024 /* of one process */

static bool can_bind(const struct address *address, int option) {
        struct sockaddr_storage sockaddr;
        int one = 1, type = address->transport == TRANSPORT_UDP ? SOCK_DGRAM : SOCK_STREAM;
        socklen_t length = address_to_sockaddr(address, &sockaddr);
        _cleanup_close_ int fd = socket(address->family, type | SOCK_CLOEXEC, 0);
        if (fd < 0 || (type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, option, &one, sizeof(one)) < 0))
                return true;
        return bind(fd, (struct sockaddr *) &sockaddr, length) >= 0 || errno != EADDRINUSE;
}

/* What a node before this one left in TIME_WAIT does not count: it has SO_REUSEADDR where the node set it, and SO_REUSEPORT
 * because interrex did. */
static bool is_free(const struct address *address) {
        return can_bind(address, SO_REUSEADDR) || can_bind(address, SO_REUSEPORT);
}

static uint64_t own_namespace(void) {
        uint64_t cookie = 0;
        socklen_t length = sizeof(cookie);
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        return fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) == 0 ? cookie : 0;
}

struct owner_search {
        const struct address *wanted;
        uint64_t namespace_cookie;
};

/* In the same network namespace, listening (or, for UDP, bound) on the port. */
static bool is_the_one(int fd, void *userdata) {
        const struct owner_search *search = userdata;
        const struct address *wanted = search->wanted;
        struct sockaddr_storage sockaddr;
        struct address address;
        uint64_t cookie = 0;
        int type = 0, listens = 0;
        socklen_t length = sizeof(sockaddr), cookie_length = sizeof(cookie), type_length = sizeof(type),
                  listens_length = sizeof(listens);
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_length) < 0 ||
                        type != (wanted->transport == TRANSPORT_UDP ? SOCK_DGRAM : SOCK_STREAM) ||
                        getsockname(fd, (struct sockaddr *) &sockaddr, &length) < 0 ||
                        address_from_sockaddr(wanted->transport, (struct sockaddr *) &sockaddr, length, &address) < 0 ||
                        address.port != wanted->port)
                return false;
        if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &cookie_length) == 0 && cookie != search->namespace_cookie)
                return false;
        return wanted->transport == TRANSPORT_UDP ||
               (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_length) == 0 && listens);
}

static void name_owner(const struct address *wanted, char *text, size_t size) {
        struct owner_search search = {.wanted = wanted, .namespace_cookie = own_namespace()};
        uint64_t pid;
        DIR *folder = opendir("/proc");
        text_copy(text, size, "a process that cannot be found (is it in another container?)");
        for (struct dirent *entry; folder && (entry = readdir(folder));) {
                if (parse_u64(entry->d_name, &pid) < 0 ||
                                process_visit_descriptors((int) pid, DESCRIPTORS_MAX, is_the_one, &search, NULL) <= 0)
                        continue;
                process_describe((int) pid, text, size);
                break;
        }
        if (folder)
                (void) closedir(folder);
}

static const struct address *find_taken(const struct director *director) {
        for (size_t i = 0; i < director->config->n_listen; i++) {
                const struct address *address = &director->config->listen[i];
                if (address->transport != TRANSPORT_UNIX && !is_free(address))
                        return address;
        }
        return NULL;
}

/* How many sockets on the port the table has, and how many of them belong to a process. */
static void count_sockets(const char *table, uint16_t port, size_t *n, size_t *n_owned) {
        _cleanup_fclose_ FILE *file = fopen(table, "re");
        char line[512];
        while (file && fgets(line, sizeof(line), file)) {
                unsigned local;
                unsigned long inode;
                if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*s %*s %*s %*s %*s %*s %*s %lu", &local, &inode) != 2 || local != port)
                        continue;
                (*n)++;
                *n_owned += inode != 0;
        }
}

static bool has_ended(const struct address *address) {
        size_t n = 0, n_owned = 0;
        if (address->transport != TRANSPORT_TCP)
                return false;
        count_sockets("/proc/net/tcp", address->port, &n, &n_owned);
        count_sockets("/proc/net/tcp6", address->port, &n, &n_owned);
        return n > 0 && n_owned == 0;
}

bool port_owner_has_ended(struct director *director) {
        const struct address *address = find_taken(director);
        return address && has_ended(address);
}

bool port_owner_is_nobody(struct director *director) {
        return !find_taken(director);
}

void port_owner_describe(struct director *director, char *text, size_t size) {
        const struct address *address = find_taken(director);
        char owner[160];
        if (!address) {
                text_copy(text, size, "one of its addresses was taken until just now: start it again");
                return;
        }
        if (has_ended(address)) {
                (void) snprintf(text, size,
                                "%s is kept by the kernel, because a process that has ended had closed its connections there (TIME_WAIT): "
                                "it is free again within a minute",
                                address->text);
                return;
        }
        name_owner(address, owner, sizeof(owner));
        (void) snprintf(text, size, "%s is taken by %s: stop that one first", address->text, owner);
}
