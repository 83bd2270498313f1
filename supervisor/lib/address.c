#include "address.h"

#include <arpa/inet.h>
#include <ctype.h>

static int parse_host(const char *host, size_t length, struct address *address);
static int parse_port(const char *text, uint16_t *ret_port);
static int parse_host_and_port(const char *text, struct address *address, const char **why);

int address_parse(const char *text, struct address *ret_address, const char **ret_why) {
        struct address address = {0};
        const char *why = "write it as tcp:HOST:PORT, udp:HOST:PORT or unix:/PATH";
        int r = -EINVAL;
        text_copy(address.text, sizeof(address.text), text);
        if (strlen(text) >= sizeof(address.text))
                why = "it is too long";
        else if (strncmp(text, "tcp:", 4) == 0 || strncmp(text, "udp:", 4) == 0) {
                address.transport = *text == 't' ? TRANSPORT_TCP : TRANSPORT_UDP;
                r = parse_host_and_port(text + 4, &address, &why);
        } else if (strncmp(text, "unix:", 5) == 0) {
                address.transport = TRANSPORT_UNIX;
                address.family = AF_UNIX;
                if (text[5] != '/' || strlen(text + 5) >= sizeof(address.path))
                        why = "the path must be absolute and shorter than 108 characters";
                else {
                        text_copy(address.path, sizeof(address.path), text + 5);
                        r = 0;
                }
        }
        if (r >= 0)
                *ret_address = address;
        else if (ret_why)
                *ret_why = why;
        return r;
}

bool address_is_wildcard(const struct address *address) {
        static const uint8_t zero[16];
        return address->family != AF_UNIX &&
               memcmp(address->ip, zero, address->family == AF_INET ? 4 : 16) == 0;
}

bool address_equal(const struct address *a, const struct address *b) {
        return a->transport == b->transport && a->family == b->family && a->port == b->port &&
               memcmp(a->ip, b->ip, sizeof(a->ip)) == 0 && strcmp(a->path, b->path) == 0;
}

bool address_stands_in(const struct address *list, size_t n, const struct address *address) {
        for (size_t i = 0; i < n; i++)
                if (address_equal(&list[i], address))
                        return true;
        return false;
}

socklen_t address_to_sockaddr(const struct address *address, struct sockaddr_storage *ret_sockaddr) {
        memset(ret_sockaddr, 0, sizeof(*ret_sockaddr));
        if (address->family == AF_INET) {
                struct sockaddr_in *in = (struct sockaddr_in *)ret_sockaddr;
                in->sin_family = AF_INET;
                in->sin_port = htons(address->port);
                memcpy(&in->sin_addr, address->ip, 4);
                return sizeof(*in);
        }
        if (address->family == AF_INET6) {
                struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_sockaddr;
                in6->sin6_family = AF_INET6;
                in6->sin6_port = htons(address->port);
                memcpy(&in6->sin6_addr, address->ip, 16);
                return sizeof(*in6);
        }
        struct sockaddr_un *un = (struct sockaddr_un *)ret_sockaddr;
        un->sun_family = AF_UNIX;
        text_copy(un->sun_path, sizeof(un->sun_path), address->path);
        return sizeof(*un);
}

int address_from_sockaddr(enum transport transport, const struct sockaddr *sockaddr, socklen_t length,
                struct address *ret_address) {
        if (length < sizeof(sockaddr->sa_family))
                return -EAFNOSUPPORT;
        struct address address = {.transport = transport, .family = sockaddr->sa_family};
        char host[INET6_ADDRSTRLEN] = "";
        if (sockaddr->sa_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
                const struct sockaddr_in *in = (const struct sockaddr_in *)sockaddr;
                address.port = ntohs(in->sin_port);
                memcpy(address.ip, &in->sin_addr, 4);
        } else if (sockaddr->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6)) {
                const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sockaddr;
                address.port = ntohs(in6->sin6_port);
                memcpy(address.ip, &in6->sin6_addr, 16);
        } else
                return -EAFNOSUPPORT;
        (void)inet_ntop(address.family, address.ip, host, sizeof(host));
        bool brackets = address.family == AF_INET6;
        (void)snprintf(address.text, sizeof(address.text), "%s:%s%s%s:%u",
                        transport == TRANSPORT_UDP ? "udp" : "tcp", brackets ? "[" : "", host,
                        brackets ? "]" : "", address.port);
        *ret_address = address;
        return 0;
}

void address_unmap(struct address *address) {
        static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
        if (address->family != AF_INET6 || memcmp(address->ip, prefix, sizeof(prefix)) != 0)
                return;
        address->family = AF_INET;
        memmove(address->ip, address->ip + 12, 4);
        memset(address->ip + 4, 0, 12);
}

int address_from_url(const char *url, struct address *ret_address) {
        struct address address = {.transport = TRANSPORT_TCP};
        static const char *const schemes[] = {"http://", "https://", "ws://", "wss://"};
        size_t scheme = 0;
        while (scheme < ELEMENTS(schemes) && strncmp(url, schemes[scheme], strlen(schemes[scheme])) != 0)
                scheme++;
        if (scheme == ELEMENTS(schemes))
                return -EINVAL;
        bool secure = scheme == 1 || scheme == 3;
        /* A space or line end would go on into the request. */
        for (const char *c = url; *c; c++)
                if ((unsigned char)*c <= ' ' || *c == 0x7f)
                        return -EINVAL;
        const char *authority = url + strlen(schemes[scheme]);
        size_t length = strcspn(authority, "/?#");
        const char *at = memrchr(authority, '@', length);
        if (at) {
                length -= (size_t)(at + 1 - authority);
                authority = at + 1;
        }
        char text[128];
        if (length == 0 || length >= sizeof(text))
                return -EINVAL;
        memcpy(text, authority, length);
        text[length] = '\0';
        char *bracket = strchr(text, ']'), *colon = bracket ? strchr(bracket, ':') : strchr(text, ':');
        address.port = secure ? 443 : 80;
        if (colon) {
                *colon = '\0';
                if (parse_port(colon + 1, &address.port) < 0)
                        return -EINVAL;
        }
        const char *host = text;
        size_t host_length = strlen(text);
        if (*text == '[') {
                if (!bracket || bracket != text + host_length - 1)
                        return -EINVAL;
                host++;
                host_length -= 2;
        }
        if (parse_host(host, host_length, &address) < 0 || (*text == '[') != (address.family == AF_INET6))
                return -EINVAL;
        text_copy(address.text, sizeof(address.text), text);
        *ret_address = address;
        return 0;
}

bool url_can_be_fetched(const char *url) {
        static const char host_characters[] =
                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]";
        static const uint8_t loopback[16] = {[15] = 1};
        struct address address;
        bool is_secure = strncmp(url, "https://", 8) == 0;
        if (!is_secure && strncmp(url, "http://", 7) != 0)
                return false;
        for (const char *c = url; *c; c++)
                if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f || *c == '#')
                        return false;
        const char *host = url + (is_secure ? 8 : 7);
        size_t length = strcspn(host, "/?");
        if (length == 0 || strspn(host, host_characters) < length)
                return false;
        if (is_secure)
                return true;
        return address_from_url(url, &address) >= 0 &&
               (address.family == AF_INET ? address.ip[0] == 127
                                          : memcmp(address.ip, loopback, sizeof(loopback)) == 0);
}

static int parse_host(const char *host, size_t length, struct address *address) {
        char text[INET6_ADDRSTRLEN + 1];
        if (length == 0 || length >= sizeof(text))
                return -EINVAL;
        memcpy(text, host, length);
        text[length] = '\0';
        if (strcmp(text, "localhost") == 0)
                text_copy(text, sizeof(text), "127.0.0.1");
        address->family = strchr(text, ':') ? AF_INET6 : AF_INET;
        return inet_pton(address->family, text, address->ip) == 1 ? 0 : -EINVAL;
}

static int parse_port(const char *text, uint16_t *ret_port) {
        uint64_t port;
        if (parse_u64(text, &port) < 0 || port == 0 || port > UINT16_MAX)
                return -EINVAL;
        *ret_port = (uint16_t)port;
        return 0;
}

/* "HOST:PORT" with an IPv6 host in brackets. */
static int parse_host_and_port(const char *text, struct address *address, const char **why) {
        const char *host = text, *end, *port;
        if (*text == '[') {
                host = text + 1;
                end = strchr(host, ']');
                port = end && end[1] == ':' ? end + 2 : NULL;
        } else {
                end = strrchr(text, ':');
                port = end ? end + 1 : NULL;
        }
        if (!end || !port) {
                *why = "write it as HOST:PORT, an IPv6 host in brackets: tcp:127.0.0.1:8545 or "
                       "tcp:[::]:8545";
                return -EINVAL;
        }
        if (parse_host(host, (size_t)(end - host), address) < 0) {
                *why = "the host must be an IP address or localhost";
                return -EINVAL;
        }
        if ((*text == '[') != (address->family == AF_INET6)) {
                *why = "an IPv6 host stands in brackets: tcp:[::1]:8545";
                return -EINVAL;
        }
        if (parse_port(port, &address->port) < 0) {
                *why = "the port must be a number from 1 to 65535";
                return -EINVAL;
        }
        return 0;
}
