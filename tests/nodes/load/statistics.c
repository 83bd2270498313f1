#include "statistics.h"

#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

/* 16 buckets for each power of two: no value is told more than 7% too large. */
#define STEPS 16

static size_t bucket_of(uint64_t value);
static double percentile_ms(const struct statistics *statistics, double share);
static void count_version(struct statistics *statistics, const char *name);
static void print_resets(const struct statistics *statistics, FILE *out);

void statistics_answer(struct statistics *statistics, const struct response *response, uint64_t waited,
                uint64_t now) {
        if (response->status / 100 == 2)
                statistics->ok++;
        else
                statistics->http_status_bad++;
        statistics->buckets[bucket_of(waited)]++;
        statistics_wait(statistics, waited);
        uint64_t silence = statistics->last_answer_at ? now - statistics->last_answer_at : 0;
        if (silence > statistics->longest_silence)
                statistics->longest_silence = silence;
        statistics->last_answer_at = now;
        count_version(statistics, response->version);
}

void statistics_reset(struct statistics *statistics, int fd, uint64_t began_at, uint64_t ended_at) {
        union {
                struct sockaddr any;
                struct sockaddr_in v4;
                struct sockaddr_in6 v6;
        } own = {0};
        socklen_t length = sizeof(own);
        size_t i = (size_t)statistics->reset_new++;
        if (i >= RESETS_MAX)
                return;
        statistics->resets[i].began_at = began_at;
        statistics->resets[i].ended_at = ended_at;
        if (getsockname(fd, &own.any, &length) < 0)
                return;
        const void *ip = own.any.sa_family == AF_INET6 ? (const void *)&own.v6.sin6_addr : &own.v4.sin_addr;
        (void)inet_ntop(own.any.sa_family, ip, statistics->resets[i].address,
                        sizeof(statistics->resets[i].address));
        statistics->resets[i].port =
                        ntohs(own.any.sa_family == AF_INET6 ? own.v6.sin6_port : own.v4.sin_port);
}

void statistics_wait(struct statistics *statistics, uint64_t waited) {
        if (waited > statistics->longest_wait)
                statistics->longest_wait = waited;
}

static double ms(uint64_t usec) {
        return (double)usec / 1000.0;
}

void statistics_print(
                const struct statistics *statistics, const char *target, uint64_t duration, FILE *out) {
        const struct {
                const char *name;
                uint64_t value;
        } counts[] = {{"connections", statistics->connections}, {"requests", statistics->requests},
                        {"ok", statistics->ok}, {"refused", statistics->refused},
                        {"reset_new", statistics->reset_new}, {"broken_answers", statistics->broken_answers},
                        {"closed_by_node", statistics->closed_by_node},
                        {"closed_under_way", statistics->closed_under_way},
                        {"timed_out", statistics->timed_out},
                        {"http_status_bad", statistics->http_status_bad},
                        {"local_errors", statistics->local_errors}};
        (void)fprintf(out, "{\"target\": \"%s\", \"seconds\": %.3f", target, ms(duration) / 1000.0);
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
                (void)fprintf(out, ", \"%s\": %" PRIu64, counts[i].name, counts[i].value);
        (void)fprintf(out, ", \"last_local_error\": \"%s\"",
                        statistics->last_local_error ? strerror(statistics->last_local_error) : "");
        (void)fprintf(out, ", \"longest_wait_ms\": %.3f, \"longest_silence_ms\": %.3f",
                        ms(statistics->longest_wait), ms(statistics->longest_silence));
        (void)fprintf(out, ", \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f, \"versions\": {",
                        percentile_ms(statistics, 0.50), percentile_ms(statistics, 0.99),
                        percentile_ms(statistics, 1.0));
        for (size_t i = 0; i < VERSIONS_MAX && statistics->versions[i].answers > 0; i++)
                (void)fprintf(out, "%s\"%s\": %" PRIu64, i ? ", " : "", statistics->versions[i].name,
                                statistics->versions[i].answers);
        (void)fprintf(out, "}, \"reset\": [");
        print_resets(statistics, out);
        (void)fprintf(out, "]}\n");
}

static size_t bucket_of(uint64_t value) {
        if (value < STEPS)
                return (size_t)value;
        unsigned power = 63 - (unsigned)__builtin_clzll(value); /* at least 4 */
        return (size_t)(power - 3) * STEPS + (size_t)((value >> (power - 4)) & (STEPS - 1));
}

/* The upper end of the bucket in which that share of the answers is complete. */
static double percentile_ms(const struct statistics *statistics, double share) {
        uint64_t answers = 0, seen = 0;
        size_t last = 0;
        for (size_t i = 0; i < BUCKETS; i++)
                answers += statistics->buckets[i];
        for (size_t i = 0; i < BUCKETS && (double)seen < share * (double)answers; i++) {
                seen += statistics->buckets[i];
                last = i;
        }
        if (answers == 0 || last < STEPS)
                return ms(last);
        size_t power = last / STEPS + 3;
        return ms(((STEPS + last % STEPS + 1) << (power - 4)) - 1);
}

static void count_version(struct statistics *statistics, const char *name) {
        if (!*name)
                return;
        for (size_t i = 0; i < VERSIONS_MAX; i++) {
                if (statistics->versions[i].answers > 0 && strcmp(statistics->versions[i].name, name) != 0)
                        continue;
                (void)snprintf(statistics->versions[i].name, VERSION_MAX, "%s", name);
                statistics->versions[i].answers++;
                return;
        }
}

static void print_resets(const struct statistics *statistics, FILE *out) {
        for (size_t i = 0; i < RESETS_MAX && i < statistics->reset_new; i++)
                (void)fprintf(out,
                                "%s{\"address\": \"%s\", \"port\": %u, \"began_us\": %" PRIu64
                                ", \"ended_us\": %" PRIu64 "}",
                                i ? ", " : "", statistics->resets[i].address, statistics->resets[i].port,
                                statistics->resets[i].began_at, statistics->resets[i].ended_at);
}
