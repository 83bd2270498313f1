/* From what the keeper, the kernel programs and the prober say to events of the swap machine. */
#pragma once

#include "context.h"

/* One message of the keeper. */
void events_from_keeper(struct director *director, struct wire_message *message);
/* The node is to end, and the supervisor with it, also where nothing has been started yet. */
void events_stop(struct director *director);

/* Gives the machine an event: the new state is written to the journal, then its actions are carried out. Returns what
 * machine_step() returned, or -EIO if the journal could not be written (then nothing was done). */
int events_feed(struct director *director, const struct machine_event *event);

/* The same for the frequent form. */
int events_feed_about(struct director *director, enum machine_event_type type, uint64_t generation, const char *text);

/* A height was told of a generation. */
void events_height(struct director *director, uint64_t generation, uint64_t height);
/* What follows from the height that is believed of it already. */
void events_height_stands(struct director *director, struct unit *unit);

/* The generation's committing thread stands behind LAST_HEIGHT. */
void events_gate_hit(struct director *director, uint64_t generation, uint64_t last_height);
/* The same from the loop, for a generation that stands already. */
void events_gate_hit_later(struct director *director, uint64_t generation, uint64_t last_height);

/* Feeds the event from the loop, not from inside of an action. The text is copied. */
void events_later(struct director *director, const struct machine_event *event);

/* Something that the account of a generation's end waits for has come (its last words, its exit, its empty cgroup). */
void events_ending_is_complete(struct director *director, struct unit *unit);
