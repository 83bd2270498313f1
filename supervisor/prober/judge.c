#include "judge.h"

#include "answers.h"

static int find_height(const struct prober_check *request, const char *body, size_t size,
                uint64_t *ret_height, char *why, size_t why_size);

int judge_answer(const struct prober_check *request, uint32_t status, const char *body, size_t size,
                uint64_t *ret_height, char *why, size_t why_size) {
        uint64_t height = PROBER_HEIGHT_NONE;
        char detail[300] = "";
        int r = find_height(request, size ? body : "", size, &height, detail, sizeof(detail));
        bool status_is_right = request->status ? status == request->status : status >= 200 && status < 300;
        if (!status_is_right) {
                /* A node that says more than the status ("Loading block index") is quoted. */
                bool is_quoted = r == -EREMOTEIO;
                (void)snprintf(why, why_size, "status %u instead of %u%s%s", status,
                                request->status ? request->status : 200, is_quoted ? ": " : "",
                                is_quoted ? detail : "");
                return r < 0 ? r : -EBADMSG;
        }
        if (r < 0) {
                (void)snprintf(why, why_size, "%s", detail);
                return r;
        }
        *ret_height = height;
        return 0;
}

static int find_height(const struct prober_check *request, const char *body, size_t size,
                uint64_t *ret_height, char *why, size_t why_size) {
        const char *argument = request->argument;
        switch (request->kind) {
        case CHECK_ETHEREUM:
                return answer_ethereum(body, size, ret_height, why, why_size);
        case CHECK_BITCOIN:
                return answer_bitcoin(body, size, ret_height, why, why_size);
        case CHECK_COMETBFT:
                return answer_cometbft(body, size, ret_height, why, why_size);
        case CHECK_FLOW:
                return answer_flow(body, size, ret_height, why, why_size);
        case CHECK_FLOW_VERSION:
                return answer_flow_version(body, size, ret_height, why, why_size);
        case CHECK_METRICS:
                return answer_metrics(body, size, argument, ret_height, why, why_size);
        case CHECK_HTTP:
                if (memmem(body, size, argument, strlen(argument)))
                        return 0;
                (void)snprintf(why, why_size, "its answer does not contain \"%.100s\"", argument);
                return -EBADMSG;
        }
        (void)snprintf(why, why_size, "the prober does not know checks of kind %u", request->kind);
        return -EBADMSG;
}
