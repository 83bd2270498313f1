#include "connection.h"

#include "http.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static enum connection_wants answer_all(struct connection *connection, const struct connection_view *view);
static enum connection_wants flush(struct connection *connection);

enum connection_wants connection_serve(struct connection *connection, const struct connection_view *view) {
        for (;;) {
                enum connection_wants wants = answer_all(connection, view);
                if (wants != CONNECTION_READ)
                        return wants;
                size_t room = sizeof(connection->in) - connection->n_in;
                ssize_t n = recv(connection->source.fd, connection->in + connection->n_in, room, 0);
                if (n < 0 && errno == EAGAIN)
                        return CONNECTION_READ;
                if (n <= 0)
                        return CONNECTION_END;
                connection->n_in += (size_t)n;
                if (view->options->accept_never_answer)
                        connection->n_in = 0;
        }
}

bool connection_is_owed(const struct connection *connection) {
        return !connection->has_answered || connection->n_in > 0 || connection->out_at < connection->n_out;
}

/* First far ahead, then to and fro, then far behind. */
static uint64_t height_to_tell(const struct connection_view *view) {
        uint64_t from = view->options->lie_from, until = view->options->lie_until, height = view->height;
        if (height < from || height >= until)
                return height;
        switch ((height - from) * 3 / (until - from)) {
        case 0:
                return 10000000;
        case 1:
                return height % 2 ? 20000000 + height : 3;
        }
        return 3;
}

static enum connection_wants answer_all(struct connection *connection, const struct connection_view *view) {
        struct http_request request;
        for (;;) {
                enum connection_wants wants = flush(connection);
                if (wants != CONNECTION_READ)
                        return wants;
                int taken = http_parse(connection->in, connection->n_in, &request);
                if (taken < 0)
                        return CONNECTION_END;
                if (taken == 0)
                        return CONNECTION_READ;
                struct http_view answer = {.version = view->options->version,
                                .height = height_to_tell(view),
                                .compatible_until = view->options->compatible_until,
                                .status = (unsigned)view->options->answer_status,
                                .closes = request.wants_close || view->is_stopping};
                connection->closes = answer.closes;
                connection->n_out = http_answer(&request, &answer, connection->out, sizeof(connection->out));
                connection->out_at = 0;
                connection->n_in -= (size_t)taken;
                memmove(connection->in, connection->in + taken, connection->n_in);
        }
}

static enum connection_wants flush(struct connection *connection) {
        while (connection->out_at < connection->n_out) {
                ssize_t n = send(connection->source.fd, connection->out + connection->out_at,
                                connection->n_out - connection->out_at, MSG_NOSIGNAL);
                if (n < 0 && errno == EAGAIN)
                        return CONNECTION_WRITE;
                if (n < 0)
                        return CONNECTION_END;
                connection->out_at += (size_t)n;
        }
        if (connection->n_out == 0)
                return CONNECTION_READ;
        connection->has_answered = true;
        connection->n_out = connection->out_at = 0;
        return connection->closes ? CONNECTION_END : CONNECTION_READ;
}
