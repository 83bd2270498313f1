/* What accepted.bpf.c writes down and accepted.c looks up. */
#pragma once

#include <linux/types.h>

/* The remote end of a connection, of IPv4 as IPv6 writes it (::ffff:127.0.0.1); without padding, as it is a key. */
struct accepted_connection {
        __be32 remote_ip[4], remote_port;
};
