/* What accepted.bpf.c writes down and accepted.c looks up. */
#pragma once

#include <linux/types.h>

/* The remote end of a connection; without padding, as it is a key. */
struct accepted_connection {
        __be32 remote_ip, remote_port;
};
