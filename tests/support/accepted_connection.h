/* What accepted.bpf.c writes down and accepted.c looks up. */
#pragma once

#include <linux/types.h>

/* As the accepting side sees it. */
struct accepted_connection {
        __be32 remote_ip;
        __be16 remote_port;
        __u16 local_port; /* host order */
};
