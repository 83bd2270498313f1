/* What the director asks for, carried out. */
#pragma once

#include "context.h"

/* Event handler of the director's link. */
int requests_on_link(sd_event_source *source, int fd, uint32_t revents, void *userdata);

/* Carries out all that still lies in the link. */
void requests_drain(struct keeper *keeper);
