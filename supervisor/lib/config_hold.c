/* hold: what a release that is held, cut off from its peers, may serve. Whether it can is seen in the whole file. */
#include "config_sections.h"

#include "config_values.h"

static void push_served(struct reader *reader, const yaml_node_t *item, const char *text, void *target) {
        struct config *config = target;
        struct address address;
        if (!read_address(reader, item, text, &address))
                return;
        if (address.transport != TRANSPORT_TCP) {
                reader_wrong(reader, item,
                                "\"%.100s\" is no tcp: address; nothing else can be served while "
                                "peers are cut off",
                                text);
                return;
        }
        push_address(reader, item, &address, &config->hold_serve, &config->n_hold_serve);
}

static void take_serve(struct reader *reader, const yaml_node_t *value, void *target) {
        struct config *config = target;
        size_t n_before = reader->mistakes.n;
        take_each(reader, value, push_served, target);
        if (config->n_hold_serve == 0 && reader->mistakes.n == n_before)
                reader_wrong(reader, value,
                                "name at least one address of `listen`, as in "
                                "[\"tcp:127.0.0.1:8545\"]");
}

void take_hold(struct reader *reader, const yaml_node_t *value, void *target) {
        static const struct reader_key keys[] = {{"serve", take_serve, 0}};
        unsigned line = reader->line;
        reader_section(reader, value, "hold", keys, ELEMENTS(keys), target);
        if (value->type == YAML_MAPPING_NODE && !reader_find(reader, value, "serve"))
                reader_mistake(reader, line,
                                "hold needs `serve`: the addresses at which users read while the node is "
                                "held");
}

/* The items are gone through once more, because `listen` may stand after them. */
static void check_are_held(struct reader *reader, const yaml_node_t *serve, const struct config *config) {
        size_t i = 0;
        if (serve->type != YAML_SEQUENCE_NODE ||
                        (size_t)(serve->data.sequence.items.top - serve->data.sequence.items.start) !=
                                        config->n_hold_serve)
                return; /* what is wrong with them was told */
        for (const yaml_node_item_t *item = serve->data.sequence.items.start;
                        item < serve->data.sequence.items.top; item++, i++)
                if (!address_stands_in(config->listen, config->n_listen, &config->hold_serve[i]))
                        reader_mistake(reader, reader_line(yaml_document_get_node(reader->document, *item)),
                                        "hold.serve: \"%.100s\" is none of `listen`; write it there too, as "
                                        "it stands here",
                                        config->hold_serve[i].text);
}

void hold_check(struct reader *reader, const yaml_node_t *root, const struct config *config) {
        const yaml_node_t *hold = reader_find(reader, root, "hold");
        const yaml_node_t *serve = hold ? reader_find(reader, hold, "serve") : NULL;
        unsigned line = hold ? reader_find_line(reader, hold, "serve") : 0;
        if (!serve)
                return;
        check_are_held(reader, serve, config);
        if (state_signs(&config->state))
                reader_mistake(reader, line,
                                "hold.serve is not for a node that signs (state.signer): cut off from its "
                                "peers it would still sign");
        if (config->gate.kind == GATE_UPROBE)
                reader_mistake(reader, line,
                                "hold.serve is for gates that cannot stop a thread: with gate.kind: uprobe "
                                "the node that is held serves all its addresses");
        /* Such sockets are of interrex's cgroup, where nothing is cut off. */
        for (size_t i = 0; config->exec.listen_fds && i < config->n_listen; i++)
                if (!address_stands_in(config->hold_serve, config->n_hold_serve, &config->listen[i]))
                        reader_mistake(reader, line,
                                        "hold.serve: %s is handed to the node as a socket "
                                        "(exec.listen_fds), and could not be cut off; serve all of "
                                        "`listen`, "
                                        "or none",
                                        config->listen[i].text);
}
