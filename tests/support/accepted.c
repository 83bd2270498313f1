#include "accepted.h"

#include "accepted.skel.h"
#include "accepted_connection.h"
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/stat.h>

struct accepted {
        struct accepted_bpf *program;
};

static int load_program(uint16_t port, struct accepted_bpf **ret_program);
static bool read_ip(const char *address, __be32 ret_ip[4]);

int accepted_open(uint16_t port, struct accepted **ret_accepted) {
        struct accepted *accepted = calloc(1, sizeof(*accepted));
        if (!accepted)
                return -ENOMEM;
        libbpf_print_fn_t print = libbpf_set_print(NULL); /* the caller says what does not work */
        int r = load_program(port, &accepted->program);
        (void)libbpf_set_print(print);
        if (r == 0)
                *ret_accepted = accepted;
        else
                free(accepted);
        return r;
}

struct accepted *accepted_close(struct accepted *accepted) {
        if (accepted)
                accepted_bpf__destroy(accepted->program);
        free(accepted);
        return NULL;
}

bool accepted_and_closed(const struct accepted *accepted, const char *address, uint16_t port,
                uint64_t from_us, uint64_t until_us) {
        struct accepted_connection connection = {.remote_port = htons(port)};
        uint64_t at_ns = 0;
        int map = bpf_map__fd(accepted->program->maps.closed_at);
        return read_ip(address, connection.remote_ip) &&
               bpf_map_lookup_elem(map, &connection, &at_ns) == 0 && at_ns / 1000 >= from_us &&
               at_ns / 1000 <= until_us;
}

static int load_program(uint16_t port, struct accepted_bpf **ret_program) {
        struct stat namespace;
        if (stat("/proc/thread-self/ns/net", &namespace) < 0)
                return -errno;
        struct accepted_bpf *program = accepted_bpf__open();
        if (!program)
                return -errno;
        program->rodata->network_namespace = (uint32_t) namespace.st_ino;
        program->rodata->local_port = htons(port);
        int r = accepted_bpf__load(program);
        if (r == 0)
                r = accepted_bpf__attach(program);
        if (r < 0) {
                accepted_bpf__destroy(program);
                return r;
        }
        *ret_program = program;
        return 0;
}

static bool read_ip(const char *address, __be32 ret_ip[4]) {
        ret_ip[2] = htonl(0xffff);
        return inet_pton(AF_INET, address, &ret_ip[3]) == 1 || inet_pton(AF_INET6, address, ret_ip) == 1;
}
