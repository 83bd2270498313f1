/* Versions, ranges and addresses from any bytes: what is taken must survive being written and read again,
 * and precedence must be an order. `make fuzz` builds and runs it. */
#include "lib/address.h"
#include "lib/version.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_version(const struct version *version) {
        char text[VERSION_TEXT_MAX];
        struct version again;
        version_format(version, text, sizeof(text));
        INVARIANT(version_parse(text, &again) == 0);
        INVARIANT(version_compare(version, &again) == 0);
        INVARIANT(strcmp(version->build, again.build) == 0);
}

static void check_order(const struct version *a, const struct version *b) {
        int r = version_compare(a, b), reverse = version_compare(b, a);
        INVARIANT((r < 0) == (reverse > 0) && (r == 0) == (reverse == 0));
}

/* The exact range of a version allows it and what is equal to it only. */
static void check_range_of(const struct version *version, const struct version *other) {
        char text[VERSION_TEXT_MAX];
        struct range range;
        version_format(version, text, sizeof(text));
        INVARIANT(range_parse(text, &range) == 0);
        INVARIANT(range_allows(&range, version));
        INVARIANT(range_allows(&range, other) == (version_compare(version, other) == 0));
}

static void check_address(const char *text) {
        struct address address, again;
        struct sockaddr_storage sockaddr;
        const char *why = NULL;
        if (address_parse(text, &address, &why) < 0) {
                INVARIANT(why && *why);
                return;
        }
        socklen_t length = address_to_sockaddr(&address, &sockaddr);
        if (address.transport == TRANSPORT_UNIX)
                return;
        INVARIANT(address_from_sockaddr(address.transport, (struct sockaddr *)&sockaddr, length, &again) ==
                        0);
        INVARIANT(address_equal(&address, &again));
        INVARIANT(address_parse(again.text, &again, NULL) == 0 && address_equal(&address, &again));
}

/* Up to three texts, one a line: two versions (or addresses, or URLs) and a range. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = malloc(size + 1);
        INVARIANT(text);
        memcpy(text, data, size);
        text[size] = '\0';
        char *rest = text, *lines[3] = {strsep(&rest, "\n"), strsep(&rest, "\n"), strsep(&rest, "\n")};
        struct version versions[2] = {0};
        struct address address;
        struct range range;
        bool parsed[2] = {0};
        for (size_t i = 0; i < 2 && lines[i]; i++) {
                parsed[i] = version_parse(lines[i], &versions[i]) == 0;
                if (parsed[i])
                        check_version(&versions[i]);
                check_address(lines[i]);
                if (address_from_url(lines[i], &address) == 0)
                        INVARIANT(address.port > 0 &&
                                        (address.family == AF_INET || address.family == AF_INET6));
        }
        if (parsed[0] && parsed[1]) {
                check_order(&versions[0], &versions[1]);
                check_range_of(&versions[0], &versions[1]);
        }
        if (lines[2] && range_parse(lines[2], &range) == 0) {
                INVARIANT(range.n_comparators <= RANGE_COMPARATORS_MAX && range.comparators[0].starts_set);
                (void)range_allows(&range, &versions[0]);
                (void)range_allows(&range, &versions[1]);
        }
        return 0;
}
