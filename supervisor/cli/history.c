#include "../lib/log.h"
#include "commands.h"
#include "node.h"
#include "output.h"
#include "render.h"
#include <inttypes.h>

#define SWAPS_SHOWN 100
#define STEPS_SHOWN 10000

static int read_history(const struct node *node, struct journal_swap **ret_swaps, size_t *ret_n);
static int find_swap(const struct node *node, struct journal *journal, const char *typed,
                struct journal_swap *ret_swap);

int command_history(const struct arguments *arguments) {
        _cleanup_(node_done) struct node node = {0};
        _cleanup_free_ struct journal_swap *swaps = NULL;
        _cleanup_free_ char *text = NULL;
        size_t n = 0;
        int status = node_find(arguments, false, &node);
        if (status == 0)
                status = read_history(&node, &swaps, &n);
        if (status != 0)
                return status;
        if (arguments->json) {
                _cleanup_(output_json_done) json_t *json = render_history_json(swaps, n);
                return output_json(json);
        }
        struct text_style style = text_style_for(STDOUT_FILENO);
        int r = render_history(swaps, n, &style, &text);
        return output_text(r, text);
}

int command_report(const struct arguments *arguments) {
        _cleanup_(node_done) struct node node = {0};
        _cleanup_(journal_close_at) struct journal *journal = NULL;
        _cleanup_free_ struct journal_step *steps = NULL;
        _cleanup_free_ char *text = NULL;
        struct journal_swap swap;
        size_t n = 0;
        int status = node_find(arguments, false, &node);
        if (status == 0)
                status = node_open_journal(&node, &journal);
        if (status == 0)
                status = find_swap(
                                &node, journal, arguments->n_words > 0 ? arguments->words[0] : NULL, &swap);
        if (status != 0)
                return status;
        int r = journal_step_list(journal, swap.id, STEPS_SHOWN, &steps, &n);
        struct text_style style = text_style_for(STDOUT_FILENO);
        if (r >= 0 && arguments->html) {
                r = render_report_html(node.name, &swap, steps, n, &text);
                return output_file(r, text, arguments->html);
        }
        if (r >= 0)
                r = render_report(&swap, steps, n, &style, &text);
        return output_text(r, text);
}

static int read_history(const struct node *node, struct journal_swap **ret_swaps, size_t *ret_n) {
        _cleanup_(journal_close_at) struct journal *journal = NULL;
        int status = node_open_journal(node, &journal);
        if (status != 0 || !journal)
                return status;
        int r = journal_swap_list(journal, SWAPS_SHOWN, ret_swaps, ret_n);
        if (r >= 0)
                return 0;
        log_errno(r, "cannot read %s", node->journal);
        return EXIT_FAILED;
}

/* Without a number: the newest. */
static int find_swap(const struct node *node, struct journal *journal, const char *typed,
                struct journal_swap *ret_swap) {
        _cleanup_free_ struct journal_swap *swaps = NULL;
        uint64_t id = 0;
        size_t n = 0;
        if (typed && parse_u64(typed, &id) < 0) {
                log_error("%s is not the number of a swap: `interrex history %s` shows them", typed,
                                node->name);
                return EXIT_USAGE;
        }
        int r = !journal ? -ENOENT
                : typed  ? journal_swap_get(journal, id, ret_swap)
                         : journal_swap_list(journal, 1, &swaps, &n);
        if (r >= 0 && !typed) {
                if (n > 0)
                        *ret_swap = swaps[0];
                else
                        r = -ENOENT;
        }
        if (r >= 0)
                return 0;
        if (r == -ENOENT && typed)
                log_error("node %s has no swap %s: `interrex history %s` shows those it has", node->name,
                                typed, node->name);
        else if (r == -ENOENT)
                log_error("node %s has made no swap yet", node->name);
        else
                log_errno(r, "cannot read %s", node->journal);
        return EXIT_FAILED;
}
