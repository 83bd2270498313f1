/* Addresses are read strictly, survive the way through the kernel's form, and never need a resolver. */
#include "lib/address.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct address address_of(const char *text) {
        struct address address;
        const char *why = "";
        if (address_parse(text, &address, &why) < 0)
                fail_msg("%s should be an address: %s", text, why);
        return address;
}

static void test_addresses_are_read(void **state) {
        static const struct {
                const char *text;
                enum transport transport;
                int family;
                const char *host;
                uint16_t port;
                bool wildcard;
        } vectors[] = {{"tcp:127.0.0.1:8545", TRANSPORT_TCP, AF_INET, "127.0.0.1", 8545, false},
                        {"udp:10.1.2.3:1", TRANSPORT_UDP, AF_INET, "10.1.2.3", 1, false},
                        {"tcp:0.0.0.0:65535", TRANSPORT_TCP, AF_INET, "0.0.0.0", 65535, true},
                        {"tcp:localhost:80", TRANSPORT_TCP, AF_INET, "127.0.0.1", 80, false},
                        {"tcp:[::]:30303", TRANSPORT_TCP, AF_INET6, "::", 30303, true},
                        {"udp:[2001:db8::1]:4001", TRANSPORT_UDP, AF_INET6, "2001:db8::1", 4001, false},
                        {"tcp:[::ffff:127.0.0.1]:1", TRANSPORT_TCP, AF_INET6, "::ffff:127.0.0.1", 1, false}};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(vectors); i++) {
                struct address address = address_of(vectors[i].text);
                char host[INET6_ADDRSTRLEN];
                assert_int_equal(address.transport, vectors[i].transport);
                assert_int_equal(address.family, vectors[i].family);
                assert_int_equal(address.port, vectors[i].port);
                assert_int_equal(address_is_wildcard(&address), vectors[i].wildcard);
                assert_non_null(inet_ntop(address.family, address.ip, host, sizeof(host)));
                assert_string_equal(host, vectors[i].host);
                assert_string_equal(address.text, vectors[i].text);
        }
        struct address address = address_of("unix:/run/x.sock");
        assert_int_equal(address.family, AF_UNIX);
        assert_string_equal(address.path, "/run/x.sock");
        assert_false(address_is_wildcard(&address));
}

static void test_what_is_wrong_with_an_address_is_said(void **state) {
        static const struct {
                const char *text, *why;
        } vectors[] = {{"", "write it as"}, {"127.0.0.1:80", "write it as"},
                        {"TCP:127.0.0.1:80", "write it as"}, {"sctp:127.0.0.1:80", "write it as"},
                        {"tcp:", "HOST:PORT"}, {"tcp:8545", "HOST:PORT"}, {"tcp:127.0.0.1", "HOST:PORT"},
                        {"tcp:[::1]", "HOST:PORT"}, {"tcp:[::1", "HOST:PORT"}, {"tcp:[::1]80", "HOST:PORT"},
                        {"tcp::80", "the host"}, {"tcp:[]:80", "the host"},
                        {"tcp:example.org:80", "the host"}, {"tcp:127.1:80", "the host"},
                        {"tcp:256.0.0.1:80", "the host"}, {"tcp:127.0.0.1 :80", "the host"},
                        {"tcp:[fe80::1%lo]:80", "the host"}, {"tcp:::1:80", "brackets"},
                        {"tcp:[127.0.0.1]:80", "brackets"}, {"tcp:127.0.0.1:", "the port"},
                        {"tcp:127.0.0.1:0", "the port"}, {"tcp:127.0.0.1:65536", "the port"},
                        {"tcp:127.0.0.1:-1", "the port"}, {"tcp:127.0.0.1:80x", "the port"},
                        {"tcp:127.0.0.1:99999999999999999999", "the port"}, {"unix:run/x", "absolute"},
                        {"unix:", "absolute"}, {"unix:@abstract", "absolute"},
                        {"unix:/"
                         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                         "aaaaaaaaaa"
                         "aaaaaaaaaaaaaaa",
                                        "shorter than 108"}};
        char longest[400];
        const char *why = NULL;
        struct address address = {.port = 42};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(vectors); i++) {
                why = "nothing";
                assert_int_equal(address_parse(vectors[i].text, &address, &why), -EINVAL);
                if (!strstr(why, vectors[i].why))
                        fail_msg("%s: \"%s\" does not say \"%s\"", vectors[i].text, why, vectors[i].why);
                assert_int_equal(address_parse(vectors[i].text, &address, NULL), -EINVAL);
        }
        memset(longest, '1', sizeof(longest));
        memcpy(longest, "tcp:", 4);
        longest[sizeof(longest) - 1] = '\0';
        assert_int_equal(address_parse(longest, &address, &why), -EINVAL);
        assert_non_null(strstr(why, "too long"));
        assert_int_equal(address.port, 42);
}

static void test_equal_is_what_the_kernel_would_call_equal(void **state) {
        static const char *const different[] = {"tcp:127.0.0.1:80", "udp:127.0.0.1:80", "tcp:127.0.0.1:81",
                        "tcp:127.0.0.2:80", "tcp:0.0.0.0:80", "tcp:[::]:80", "tcp:[::1]:80", "unix:/a",
                        "unix:/b"};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(different); i++)
                for (size_t j = 0; j < ELEMENTS(different); j++) {
                        struct address a = address_of(different[i]), b = address_of(different[j]);
                        assert_int_equal(address_equal(&a, &b), i == j);
                }
        struct address a = address_of("tcp:localhost:80"), b = address_of("tcp:127.0.0.1:80");
        assert_true(address_equal(&a, &b));
        a = address_of("tcp:[0:0:0:0:0:0:0:1]:80");
        b = address_of("tcp:[::1]:80");
        assert_true(address_equal(&a, &b));
}

static void test_the_way_through_the_kernels_form_loses_nothing(void **state) {
        static const char *const texts[] = {
                        "tcp:127.0.0.1:8545", "udp:0.0.0.0:1", "tcp:[2001:db8::1]:443", "udp:[::]:65535"};
        struct sockaddr_storage sockaddr;
        struct address back;
        (void)state;
        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                struct address address = address_of(texts[i]);
                socklen_t length = address_to_sockaddr(&address, &sockaddr);
                assert_int_equal(sockaddr.ss_family, address.family);
                assert_int_equal(address_from_sockaddr(address.transport, (struct sockaddr *)&sockaddr,
                                                 length, &back),
                                0);
                assert_true(address_equal(&address, &back));
                assert_string_equal(back.text, texts[i]);
                /* A length that the family does not fit in. */
                assert_int_equal(address_from_sockaddr(address.transport, (struct sockaddr *)&sockaddr,
                                                 length - 1, &back),
                                -EAFNOSUPPORT);
                assert_int_equal(address_from_sockaddr(
                                                 address.transport, (struct sockaddr *)&sockaddr, 0, &back),
                                -EAFNOSUPPORT);
        }
        struct address path = address_of("unix:/run/x.sock");
        socklen_t length = address_to_sockaddr(&path, &sockaddr);
        assert_string_equal(((struct sockaddr_un *)&sockaddr)->sun_path, "/run/x.sock");
        assert_int_equal(address_from_sockaddr(TRANSPORT_TCP, (struct sockaddr *)&sockaddr, length, &back),
                        -EAFNOSUPPORT);
}

static void test_only_a_mapped_address_is_unmapped(void **state) {
        struct address mapped = address_of("tcp:[::ffff:192.0.2.7]:80"),
                       plain = address_of("tcp:192.0.2.7:80");
        struct address other = address_of("tcp:[::fffe:192.0.2.7]:80"), copy = other;
        (void)state;
        assert_false(address_equal(&mapped, &plain));
        address_unmap(&mapped);
        assert_true(address_equal(&mapped, &plain));
        address_unmap(&other);
        assert_true(address_equal(&other, &copy));
        address_unmap(&plain);
        assert_true(address_equal(&mapped, &plain));
}

static void test_urls_name_numeric_hosts(void **state) {
        static const struct {
                const char *url, *address;
        } vectors[] = {{"http://127.0.0.1:8545/x", "tcp:127.0.0.1:8545"},
                        {"http://localhost/", "tcp:127.0.0.1:80"}, {"http://localhost", "tcp:127.0.0.1:80"},
                        {"https://[::1]:1/", "tcp:[::1]:1"}, {"https://10.0.0.1", "tcp:10.0.0.1:443"},
                        {"https://[2001:db8::1]?q=1:2", "tcp:[2001:db8::1]:443"},
                        {"http://user:pass@127.0.0.1:8332/", "tcp:127.0.0.1:8332"},
                        {"http://a@b:c@127.0.0.1/", "tcp:127.0.0.1:80"},
                        {"http://127.0.0.1/@example.org:1/", "tcp:127.0.0.1:80"},
                        {"http://127.0.0.1#@example.org", "tcp:127.0.0.1:80"}};
        static const char *const refused[] = {"", "127.0.0.1:80", "ftp://127.0.0.1/", "http:/127.0.0.1/",
                        "http://", "http:///x", "http://example.org/", "http://127.0.0.1:0/",
                        "http://127.0.0.1:65536/", "http://127.0.0.1:/", "http://127.0.0.1:80:80/",
                        "http://::1/", "http://[::1/", "http://[::1]x/", "http://[::1]x:80/",
                        "http://[127.0.0.1]/", "http://[localhost]/", "http://127.0.0.1@example.org/",
                        "http://127.0.0.1/ x", "http://127.0.0.1/\r\nHost: x", "http://127.0.0.1\t/",
                        "http://127.1/", "http://2130706433/", "http://0x7f000001/"};
        (void)state;
        for (size_t i = 0; i < ELEMENTS(vectors); i++) {
                struct address from_url, expected = address_of(vectors[i].address);
                if (address_from_url(vectors[i].url, &from_url) < 0)
                        fail_msg("%s should be taken", vectors[i].url);
                if (!address_equal(&from_url, &expected))
                        fail_msg("%s is not %s", vectors[i].url, vectors[i].address);
        }
        for (size_t i = 0; i < ELEMENTS(refused); i++) {
                struct address address = {.port = 42};
                if (address_from_url(refused[i], &address) != -EINVAL)
                        fail_msg("%s should be refused", refused[i]);
                assert_int_equal(address.port, 42);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(test_addresses_are_read),
                        cmocka_unit_test(test_what_is_wrong_with_an_address_is_said),
                        cmocka_unit_test(test_equal_is_what_the_kernel_would_call_equal),
                        cmocka_unit_test(test_the_way_through_the_kernels_form_loses_nothing),
                        cmocka_unit_test(test_only_a_mapped_address_is_unmapped),
                        cmocka_unit_test(test_urls_name_numeric_hosts),
        };
        return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
