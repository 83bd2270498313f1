/* A first pass over the events keeps out what would cost the second one too much: libyaml's time grows with
 * the square of the nesting and of the number of anchors. */
#include "config_reader.h"

#define DEPTH_MAX 32
#define ANCHORS_MAX 64

struct pass {
        unsigned depth, anchors, documents;
};

static int look_through(struct reader *reader, const char *text, size_t length);
static bool is_bearable(struct reader *reader, struct pass *pass, const yaml_event_t *event);
static int explain(struct reader *reader, const yaml_parser_t *parser, const char *text, size_t length);

int reader_load(struct reader *reader, const char *text, size_t length, yaml_document_t *ret_document) {
        if (length > CONFIG_BYTES_MAX) {
                reader_mistake(reader, 0, "the file is larger than 1 MiB; is it the right one?");
                return -EINVAL;
        }
        int r = look_through(reader, text, length);
        if (r < 0)
                return r;
        _cleanup_(yaml_parser_delete) yaml_parser_t parser;
        if (!yaml_parser_initialize(&parser))
                return -ENOMEM;
        yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
        if (!yaml_parser_load(&parser, ret_document))
                return explain(reader, &parser, text, length);
        return 0;
}

static int look_through(struct reader *reader, const char *text, size_t length) {
        struct pass pass = {0};
        _cleanup_(yaml_parser_delete) yaml_parser_t parser;
        if (!yaml_parser_initialize(&parser))
                return -ENOMEM;
        yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
        for (;;) {
                yaml_event_t event;
                if (!yaml_parser_parse(&parser, &event))
                        return explain(reader, &parser, text, length);
                bool ends = event.type == YAML_STREAM_END_EVENT;
                bool bearable = is_bearable(reader, &pass, &event);
                yaml_event_delete(&event);
                if (!bearable)
                        return -EINVAL;
                if (ends)
                        return 0;
        }
}

static bool is_bearable(struct reader *reader, struct pass *pass, const yaml_event_t *event) {
        unsigned line = (unsigned)event->start_mark.line + 1;
        bool anchored = false;
        switch (event->type) {
        case YAML_DOCUMENT_START_EVENT:
                pass->documents++;
                break;
        case YAML_SEQUENCE_START_EVENT:
                pass->depth++;
                anchored = event->data.sequence_start.anchor;
                break;
        case YAML_MAPPING_START_EVENT:
                pass->depth++;
                anchored = event->data.mapping_start.anchor;
                break;
        case YAML_SCALAR_EVENT:
                anchored = event->data.scalar.anchor;
                break;
        case YAML_SEQUENCE_END_EVENT:
        case YAML_MAPPING_END_EVENT:
                pass->depth--;
                break;
        default:
                break;
        }
        pass->anchors += anchored;
        if (pass->depth > DEPTH_MAX)
                reader_mistake(reader, line,
                                "this is nested more than %d deep; nothing in a configuration is",
                                DEPTH_MAX);
        else if (pass->anchors > ANCHORS_MAX)
                reader_mistake(reader, line, "more than %d anchors (&name); write the values out",
                                ANCHORS_MAX);
        else if (pass->documents > 1)
                reader_mistake(reader, line,
                                "a second document (---) begins here; one file describes one node");
        else
                return true;
        return false;
}

static bool is_indented_by_tab(const char *text, size_t length, unsigned line) {
        size_t at = 0;
        for (unsigned i = 1; i < line && at < length; at++)
                i += text[at] == '\n';
        while (at < length && text[at] == ' ')
                at++;
        return at < length && text[at] == '\t';
}

static int explain(struct reader *reader, const yaml_parser_t *parser, const char *text, size_t length) {
        const char *problem = parser->problem ? parser->problem : "it cannot be read";
        unsigned line = (unsigned)parser->problem_mark.line + 1;
        if (parser->error == YAML_MEMORY_ERROR)
                return -ENOMEM;
        /* For bytes that are no text the parser tells the place in the file only. */
        if (parser->error == YAML_READER_ERROR) {
                line = 1;
                for (size_t i = 0; i < length && i < parser->problem_offset; i++)
                        line += text[i] == '\n';
        }
        if (parser->error == YAML_SCANNER_ERROR && is_indented_by_tab(text, length, line))
                reader_mistake(reader, line,
                                "this is not YAML: a tab stands where the line is indented; write spaces");
        else if (parser->context)
                reader_mistake(reader, line,
                                "this is not YAML: %s, %s from line %zu on; look at indentation, quotes and "
                                "brackets",
                                problem, parser->context, parser->context_mark.line + 1);
        else
                reader_mistake(reader, line,
                                "this is not YAML: %s; look at indentation, quotes and brackets", problem);
        return -EINVAL;
}
