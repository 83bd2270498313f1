#include "../lib/log.h"
#include "../lib/minisign.h"
#include "../lib/schedule_reading.h"
#include "commands.h"
#include "control.h"
#include "expected.h"
#include "output.h"
#include "schedule_write.h"
#include <fcntl.h>
#include <sys/stat.h>

#define CONFIG_SIZE_MAX ((size_t)1024 * 1024)

/* What the operator gives: a schedule, and a signature if there is one. */
struct offer {
        const char *path;
        int document_fd, signature_fd; /* -1: there is none */
};

static int open_offer(const struct arguments *arguments, struct offer *offer);
static int hand_over(const struct node *node, const struct offer *offer);
static int take_over(const struct arguments *arguments, const struct node *node, const struct offer *offer);
static int explain_mistakes(
                const char *path, const struct schedule_mistake *mistakes, size_t n, size_t n_in_all);

static void offer_done(struct offer *offer) {
        close_fd(offer->document_fd);
        close_fd(offer->signature_fd);
}

/* While the node is supervised, the journal is the director's, and what is in the file is looked at by a process that can do
 * nothing else. */
int command_schedule_import(const struct arguments *arguments) {
        _cleanup_(offer_done) struct offer offer = {
                        .path = arguments->words[0], .document_fd = -1, .signature_fd = -1};
        _cleanup_(node_done) struct node node = {0};
        int status = open_offer(arguments, &offer);
        if (status == 0)
                status = node_find(arguments, true, &node);
        if (status == 0)
                status = hand_over(&node, &offer);
        return status == EXIT_NO_NODE ? take_over(arguments, &node, &offer) : status;
}

static int open_regular(const char *path, int *ret_fd) {
        struct stat st;
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size > (off_t)SCHEDULE_DOCUMENT_SIZE_MAX)
                return -EFBIG;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int open_offer(const struct arguments *arguments, struct offer *offer) {
        _cleanup_free_ char *beside = NULL;
        const char *signature = arguments->signature;
        int r = open_regular(offer->path, &offer->document_fd);
        if (r == -EFBIG)
                log_error("%s is not a schedule: give a text file of at most 1 MiB", offer->path);
        else if (r < 0)
                log_error("cannot read %s: %s", offer->path, strerror(-r));
        if (r < 0)
                return EXIT_USAGE;
        if (!signature && asprintf(&beside, "%s.minisig", offer->path) < 0)
                return output_text(-ENOMEM, NULL);
        r = open_regular(signature ? signature : beside, &offer->signature_fd);
        if (r >= 0 || (!signature && r == -ENOENT))
                return 0;
        log_error("cannot read the signature %s: %s", signature ? signature : beside, strerror(-r));
        return EXIT_USAGE;
}

static int append_offer(sd_bus_message *message, const void *arguments) {
        const struct offer *offer = arguments;
        bool is_signed = offer->signature_fd >= 0;
        return sd_bus_message_append(message, "hhb", offer->document_fd,
                        is_signed ? offer->signature_fd : offer->document_fd, is_signed);
}

static void tell_set(const struct node *node, size_t n) {
        (void)printf("%zu boundar%s of node %s %s set\n", n, n == 1 ? "y" : "ies", node->name,
                        n == 1 ? "is" : "are");
}

static int read_answer(const struct node *node, const struct offer *offer, sd_bus_message *answer) {
        _cleanup_free_ struct schedule_mistake *mistakes = calloc(SCHEDULE_MISTAKES_MAX, sizeof(*mistakes));
        uint64_t sequence;
        uint32_t n_set;
        size_t n = 0;
        const char *text;
        int r = mistakes ? sd_bus_message_read(answer, "ut", &n_set, &sequence) : -ENOMEM;
        if (r >= 0)
                r = sd_bus_message_enter_container(answer, 'a', "(us)");
        while (r >= 0 && n < SCHEDULE_MISTAKES_MAX &&
                        (r = sd_bus_message_read(answer, "(us)", &mistakes[n].line, &text)) > 0)
                text_copy(mistakes[n++].text, sizeof(mistakes->text), text);
        if (r < 0)
                return control_explain(node, r, NULL);
        if (n > 0)
                return explain_mistakes(offer->path, mistakes, n, n);
        tell_set(node, n_set);
        return 0;
}

/* EXIT_NO_NODE, without a word: nobody supervises it. */
static int hand_over(const struct node *node, const struct offer *offer) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r = control_ask_filled(node, "ScheduleDocument", CONTROL_CALL_TIMEOUT_US, &error, &reply,
                        append_offer, offer);
        if (r == -ESRCH)
                return EXIT_NO_NODE;
        return r < 0 ? control_explain(node, r, &error) : read_answer(node, offer, reply);
}

/* Those with which the node was started last; before the first start, those of the configuration where the package has it. */
static int find_keys(const struct node *node, struct journal *journal, char ***ret_keys) {
        _cleanup_(config_free_at) struct config *config = NULL;
        _cleanup_(config_mistakes_done) struct config_mistakes mistakes = {0};
        _cleanup_free_ char *path = NULL, *text = NULL;
        _cleanup_close_ int fd = -1;
        size_t length = 0;
        int r = expected_note_keys(journal, ret_keys);
        if (r != -ENOENT)
                return r;
        if (asprintf(&path, "/etc/interrex/%s.yaml", node->name) < 0)
                return -ENOMEM;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        r = schedule_reading_load(fd, CONFIG_SIZE_MAX, &text, &length);
        if (r >= 0)
                r = config_parse(text, length, &config, &mistakes);
        if (r < 0)
                return r;
        return config->trust_keys ? strv_copy(config->trust_keys, ret_keys) : 0;
}

static void read_offer(const struct node *node, const struct offer *offer, char *const *keys,
                struct schedule_reading *reading) {
        const struct reading_order order = {.kind = READING_DOCUMENT, .node = node->name, .keys = keys};
        _cleanup_free_ char *document = NULL, *signature = NULL;
        size_t length = 0, signature_length = 0;
        int r = schedule_reading_load(offer->document_fd, SCHEDULE_DOCUMENT_SIZE_MAX, &document, &length);
        if (r >= 0 && offer->signature_fd >= 0)
                r = schedule_reading_load(
                                offer->signature_fd, MINISIGN_TEXT_MAX - 1, &signature, &signature_length);
        if (r < 0)
                schedule_reading_fail(r, reading);
        else
                schedule_reading_make(&order, document, length, signature, reading);
}

/* Root does it while nobody supervises the node. */
static int take_over(const struct arguments *arguments, const struct node *node, const struct offer *offer) {
        _cleanup_free_ struct schedule_reading *reading = calloc(1, sizeof(*reading));
        _cleanup_strv_ char **keys = NULL;
        struct journal *journal = NULL;
        if (!reading)
                return output_text(-ENOMEM, NULL);
        int status = node_make_state(arguments, node);
        if (status == 0)
                status = node_write_journal(node, &journal);
        if (status != 0)
                return status;
        int r = find_keys(node, journal, &keys);
        journal_close(journal);
        if (r < 0) {
                log_errno(r, "cannot find out which keys must sign the schedule of node %s", node->name);
                return EXIT_FAILED;
        }
        if (!keys && offer->signature_fd >= 0)
                log_warning("the signature is not checked: no trust.keys of node %s are known here",
                                node->name);
        read_offer(node, offer, keys, reading);
        if (reading->n_mistakes > 0)
                return explain_mistakes(offer->path, reading->mistakes, reading->n_mistakes,
                                reading->n_mistakes_in_all);
        if (reading->error < 0) {
                log_error("the schedule is not taken: %s", reading->text);
                return EXIT_FAILED;
        }
        _cleanup_(schedule_change_done) struct schedule_change change = {
                        .rules = reading->rules, .n = reading->n_rules, .sequence = reading->sequence};
        status = schedule_write(node, &change);
        if (status == 0)
                tell_set(node, reading->n_rules);
        return status;
}

static int explain_mistakes(
                const char *path, const struct schedule_mistake *mistakes, size_t n, size_t n_in_all) {
        for (size_t i = 0; i < n; i++)
                (void)fprintf(stderr, "%s:%u: %s\n", path, mistakes[i].line, mistakes[i].text);
        log_error("%zu mistake%s in %s: nothing was imported", n_in_all, n_in_all == 1 ? "" : "s", path);
        return EXIT_USAGE;
}
