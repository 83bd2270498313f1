#include "store.h"

static struct stored_descriptor *find(struct keeper *keeper, const char *name) {
        for (size_t i = 0; i < keeper->n_stored; i++)
                if (strcmp(keeper->store[i].name, name) == 0)
                        return &keeper->store[i];
        return NULL;
}

int store_put(struct keeper *keeper, const char *name, int fd) {
        struct stored_descriptor *stored = find(keeper, name);
        if (stored) {
                close_fd(stored->fd);
                stored->fd = fd;
                return 0;
        }
        if (keeper->n_stored == STORE_MAX) {
                close_fd(fd);
                return -ENOSPC;
        }
        stored = &keeper->store[keeper->n_stored++];
        text_copy(stored->name, sizeof(stored->name), name);
        stored->fd = fd;
        return 0;
}

void store_drop(struct keeper *keeper, const char *name) {
        struct stored_descriptor *stored = find(keeper, name);
        if (!stored)
                return;
        close_fd(stored->fd);
        *stored = keeper->store[--keeper->n_stored];
}

int store_tell(struct keeper *keeper) {
        for (size_t i = 0; i < keeper->n_stored; i++) {
                struct keeper_name name = {0};
                text_copy(name.name, sizeof(name.name), keeper->store[i].name);
                int r = wire_send(keeper->director_link, KEEPER_STORED, &name, sizeof(name), &keeper->store[i].fd, 1);
                if (r < 0)
                        return r;
        }
        return 0;
}

void store_close(struct keeper *keeper) {
        for (size_t i = 0; i < keeper->n_stored; i++)
                close_fd(keeper->store[i].fd);
        keeper->n_stored = 0;
}
