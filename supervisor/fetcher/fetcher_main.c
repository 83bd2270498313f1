#include "fetcher.h"

#include "../lib/address.h"
#include "../lib/minisign.h"
#include "../lib/sandbox.h"
#include "../lib/schedule_document.h"
#include "../prober/curl_library.h"
#include <signal.h>

#define MEMORY_MAX ((size_t)1024 * 1024 * 1024)
#define SECONDS_MAX 10 /* of processor time */
#define DESCRIPTORS_MAX 64
#define CONNECT_TIMEOUT_MS 10000L
#define TIMEOUT_MS 25000L
#define REDIRECTS_MAX 3L

struct download {
        const struct curl_library *curl;
        const char *url, *authorities;
        int fd;
        size_t size, size_max;
        char why[CURL_ERROR_SIZE];
};

static int confine(void);
static bool set_options(CURL *easy, struct download *download);
static int fetch(struct download *download);
static int explain(const struct download *download, CURLcode code, long status);

int fetcher_main(int argc, char **argv) {
        struct curl_library curl;
        const char *why = "";
        (void)signal(SIGPIPE, SIG_IGN);
        if (argc != 4 || !url_can_be_fetched(argv[1]) || (*argv[3] && !url_can_be_fetched(argv[3]))) {
                (void)puts("the fetcher is started by the director, with a URL, authorities and the "
                           "signature's URL");
                return 2;
        }
        int r = sandbox_limit(MEMORY_MAX, SECONDS_MAX, SCHEDULE_DOCUMENT_SIZE_MAX, DESCRIPTORS_MAX);
        if (r >= 0 && curl_library_load(&curl, &why) < 0) {
                (void)printf("libcurl cannot be loaded (%s): install the package libcurl4\n", why);
                return 1;
        }
        if (r >= 0 && curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                r = -ENOMEM;
        if (r >= 0)
                r = confine();
        if (r < 0) {
                (void)printf("the fetcher cannot start: %s\n", strerror(-r));
                return 1;
        }
        struct download document = {.curl = &curl,
                        .url = argv[1],
                        .authorities = argv[2],
                        .fd = FETCHER_DOCUMENT,
                        .size_max = SCHEDULE_DOCUMENT_SIZE_MAX};
        struct download signature = {.curl = &curl,
                        .url = argv[3],
                        .authorities = argv[2],
                        .fd = FETCHER_SIGNATURE,
                        .size_max = MINISIGN_TEXT_MAX - 1};
        r = fetch(&document);
        if (r >= 0 && *signature.url)
                r = fetch(&signature);
        (void)fflush(stdout);
        _exit(r < 0 ? 1 : 0);
}

/* Names are resolved by the C library, in a thread of libcurl's, by files and sockets; files can only be read, and only those
 * that everybody may read. */
static int confine(void) {
        static const char *const allowed[] = {"read", "pread64", "readv", "write", "writev", "pwrite64",
                        "close", "fstat", "stat", "lstat", "newfstatat", "statx", "access", "faccessat",
                        "faccessat2", "lseek", "mmap", "munmap", "mremap", "mprotect", "madvise", "brk",
                        "futex", "getrandom", "clock_gettime", "clock_getres", "gettimeofday", "time",
                        "clock_nanosleep", "nanosleep", "socket", "socketpair", "connect", "bind",
                        "getsockname", "getpeername", "getsockopt", "setsockopt", "sendto", "sendmsg",
                        "sendmmsg", "recvfrom", "recvmsg", "recvmmsg", "shutdown", "poll", "ppoll", "select",
                        "pselect6", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "eventfd2",
                        "pipe2", "fcntl", "ioctl", "dup", "uname", "sysinfo", "clone", "clone3",
                        "set_robust_list", "rseq", "gettid", "getpid", "getuid", "geteuid", "getgid",
                        "getegid", "sched_yield", "sched_getaffinity", "prlimit64", "rt_sigaction",
                        "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "exit", "exit_group",
                        "restart_syscall", "getdents64", "readlink", "readlinkat", "getcwd", "membarrier",
                        NULL};
        static const char *const denied[] = {"prctl", "mlock", "sched_setscheduler", "tgkill", NULL};
        return sandbox_allow_calls_and_reading(allowed, denied);
}

/* Less than was offered makes libcurl end the exchange. */
static size_t on_body(char *data, size_t size, size_t n, void *userdata) {
        struct download *download = userdata;
        size_t length = size * n, written = 0;
        if (length > download->size_max - download->size)
                return 0;
        while (written < length) {
                ssize_t written_now = pwrite(download->fd, data + written, length - written,
                                (off_t)(download->size + written));
                if (written_now <= 0)
                        return 0;
                written += (size_t)written_now;
        }
        download->size += length;
        return length;
}

/* What is fetched over http comes from this machine, and a redirection could lead away from it. */
static bool set_options(CURL *easy, struct download *download) {
        const struct curl_library *curl = download->curl;
        bool is_secure = strncmp(download->url, "https:", 6) == 0;
        const char *scheme = is_secure ? "https" : "http";
        return curl->easy_setopt(easy, CURLOPT_URL, download->url) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, scheme) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, scheme) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, is_secure ? 1L : 0L) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_MAXREDIRS, REDIRECTS_MAX) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_TIMEOUT_MS, TIMEOUT_MS) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_USERAGENT, "interrex") == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_ERRORBUFFER, download->why) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
               curl->easy_setopt(easy, CURLOPT_WRITEDATA, download) == CURLE_OK &&
               (!*download->authorities ||
                               curl->easy_setopt(easy, CURLOPT_CAINFO, download->authorities) == CURLE_OK);
}

static int fetch(struct download *download) {
        const struct curl_library *curl = download->curl;
        CURL *easy = curl->easy_init();
        long status = 0;
        if (!easy || !set_options(easy, download)) {
                (void)puts("libcurl does not take the settings of a download");
                return -EIO;
        }
        CURLcode code = curl->easy_perform(easy);
        (void)curl->easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        curl->easy_cleanup(easy);
        return code == CURLE_OK && status == 200 ? 0 : explain(download, code, status);
}

static int explain(const struct download *download, CURLcode code, long status) {
        if (code == CURLE_OK)
                (void)printf("%s answers with HTTP status %ld instead of 200\n", download->url, status);
        else if (code == CURLE_WRITE_ERROR)
                (void)printf("%s is larger than %zu KiB\n", download->url, (download->size_max + 1) / 1024);
        else
                (void)printf("%s cannot be fetched: %s\n", download->url,
                                *download->why ? download->why : download->curl->easy_strerror(code));
        return -EIO;
}
