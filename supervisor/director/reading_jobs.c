#include "reading_jobs.h"

#include "../fetcher/fetcher.h"
#include "../lib/log.h"
#include "../reader/reader.h"
#include "schedule_import.h"
#include "source.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#define READ_TIMEOUT_US (10 * USEC_PER_SEC)
#define FETCH_TIMEOUT_US (60 * USEC_PER_SEC)
#define FETCH_TEXT_MAX 400

static int make_result(int *ret_fd);
static int reader_arguments(struct director *director, const struct reading_request *request, char ***ret_arguments);
static void describe_end(const struct keeper_exited *exited, const char *name, char *text, size_t size);

int reading_jobs_read(struct director *director, const struct reading_request *request) {
        _cleanup_strv_ char **arguments = NULL;
        _cleanup_close_ int result = -1;
        int r = make_result(&result);
        if (r >= 0)
                r = reader_arguments(director, request, &arguments);
        if (r < 0)
                return r;
        int fds[] = {request->document_fd, result, request->signature_fd};
        struct job *job =
                        jobs_start_reading(director, JOB_READ, arguments, fds, request->signature_fd >= 0 ? 3 : 2, READ_TIMEOUT_US);
        if (!job)
                return -EAGAIN;
        job->result_fd = TAKE_FD(result);
        job->asked_by = sd_bus_message_ref(request->asked_by);
        return 0;
}

int reading_jobs_fetch(struct director *director, const char *url, const char *signature_url) {
        const char *ca = director->config->schedule.ca;
        char *arguments[] = {FETCHER_NAME, (char *) url, (char *) (ca ? ca : ""), (char *) (signature_url ? signature_url : ""),
                        NULL};
        _cleanup_close_ int document = memfd_create("document", MFD_CLOEXEC);
        _cleanup_close_ int signature = signature_url ? memfd_create("signature", MFD_CLOEXEC) : -1;
        if (document < 0 || (signature_url && signature < 0))
                return -errno;
        int fds[] = {document, signature};
        struct job *job = jobs_start_reading(director, JOB_FETCH, arguments, fds, signature_url ? 2 : 1, FETCH_TIMEOUT_US);
        if (!job)
                return -EAGAIN;
        job->document_fd = TAKE_FD(document);
        job->signature_fd = TAKE_FD(signature);
        return 0;
}

static void fetched(struct director *director, struct job *job, bool worked, const struct keeper_exited *exited) {
        char text[FETCH_TEXT_MAX];
        if (worked) {
                source_is_fetched(director, job->document_fd, job->signature_fd);
                return;
        }
        job->output[strcspn(job->output, "\n")] = '\0';
        text_copy(text, sizeof(text), job->output);
        /* It may have been taken over by what it fetched. */
        text_make_printable(text);
        if (!*text)
                describe_end(exited, "fetches", text, sizeof(text));
        source_is_read(director, NULL, text);
}

static void was_read(struct director *director, struct job *job, bool worked, const struct keeper_exited *exited) {
        _cleanup_free_ struct schedule_reading *reading = calloc(1, sizeof(*reading));
        char error[200] = "";
        if (!worked)
                describe_end(exited, "reads", error, sizeof(error));
        else if (!reading || pread(job->result_fd, reading, sizeof(*reading), 0) != (ssize_t) sizeof(*reading) ||
                        schedule_reading_check(reading) < 0)
                text_copy(error, sizeof(error),
                                "the process that reads it made a result that cannot be right: nothing of it is taken");
        const struct schedule_reading *result = *error ? NULL : reading;
        if (job->asked_by)
                schedule_import_is_read(director, job->asked_by, result, error);
        else
                source_is_read(director, result, error);
}

void reading_job_done(struct director *director, struct job *job, const struct keeper_exited *exited) {
        bool worked = exited->code == CLD_EXITED && exited->status == 0;
        if (job->kind == JOB_FETCH)
                fetched(director, job, worked, exited);
        else if (job->kind == JOB_READ)
                was_read(director, job, worked, exited);
}

/* Of a size that the reader cannot change. */
static int make_result(int *ret_fd) {
        _cleanup_close_ int fd = memfd_create("reading", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0 || ftruncate(fd, sizeof(struct schedule_reading)) < 0 ||
                        fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int reader_arguments(struct director *director, const struct reading_request *request, char ***ret_arguments) {
        const struct config *config = director->config;
        _cleanup_strv_ char **arguments = NULL;
        int r = strv_push(&arguments, READER_NAME);
        if (r >= 0)
                r = strv_push(&arguments, reading_kind_name(request->kind));
        if (r >= 0)
                r = strv_push(&arguments, config->node);
        if (r >= 0)
                r = strv_push_options(&arguments, "--key", request->is_checked ? config->trust_keys : NULL);
        if (r >= 0)
                r = strv_push_options(&arguments, "--name", config->schedule.names);
        if (r >= 0)
                r = strv_push_options(&arguments, "--compatible", config->schedule.compatible);
        if (r >= 0 && request->needs_sequence)
                r = strv_push(&arguments, "--sequence");
        if (r >= 0 && request->signature_fd >= 0)
                r = strv_push(&arguments, "--signature");
        if (r >= 0)
                *ret_arguments = TAKE_POINTER(arguments);
        return r;
}

static void describe_end(const struct keeper_exited *exited, const char *name, char *text, size_t size) {
        if (exited->code == CLD_EXITED)
                (void) snprintf(text, size, "the process that %s it ended with status %d", name, exited->status);
        else
                (void) snprintf(text, size, "the process that %s it was ended by signal %d (%s)%s", name, exited->status,
                                strsignal(exited->status), exited->status == SIGKILL ? ": it took too long" : "");
}
