/* Addresses a node is held at: "tcp:127.0.0.1:80", "udp:[::]:4001", "unix:/run/x.sock". Pure. */
#pragma once

#include "base.h"
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

enum transport { TRANSPORT_TCP, TRANSPORT_UDP, TRANSPORT_UNIX };

struct address {
        enum transport transport;
        int family;     /* AF_INET, AF_INET6, AF_UNIX */
        uint8_t ip[16]; /* network order; the first four bytes for AF_INET */
        uint16_t port;  /* host order; 0 for AF_UNIX */
        char path[108]; /* AF_UNIX only */
        char text[128]; /* as written, for messages */
};

/* Parses an address. "[::]" and "0.0.0.0" are wildcards; a host must be a numeric address or "localhost".
 * On -EINVAL, *ret_why (if not NULL) is a static sentence saying what would be right. */
int address_parse(const char *text, struct address *ret_address, const char **ret_why);

bool address_is_wildcard(const struct address *address);

/* The transport, family, ip, port and path are the same; the text may differ. */
bool address_equal(const struct address *a, const struct address *b);
/* Is it one of N? */
bool address_stands_in(const struct address *list, size_t n, const struct address *address);

/* To and from what the kernel takes. address_from_sockaddr: -EAFNOSUPPORT for other families. A v4-mapped
 * IPv6 address is kept as IPv6; address_unmap() turns it into the IPv4 address it stands for. */
socklen_t address_to_sockaddr(const struct address *address, struct sockaddr_storage *ret_sockaddr);
int address_from_sockaddr(enum transport transport, const struct sockaddr *sockaddr, socklen_t length,
                struct address *ret_address);
void address_unmap(struct address *address);

/* Where a URL's host and port lie: "http://127.0.0.1:8545/x", "http://localhost/", "https://[::1]:1/", or the same with
 * ws or wss. Port defaults to 80 or 443. -EINVAL: another scheme or a host that would need a resolver. */
int address_from_url(const char *url, struct address *ret_address);

/* May a document be fetched from there: https, or http from this machine itself; nothing that steers a request or hides a
 * password in it. The host of https need not be an address. */
bool url_can_be_fetched(const char *url);
