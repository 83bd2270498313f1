/* D-Bus calls about the schedule. */
#pragma once

#include "../lib/schedule_reading.h"
#include "context.h"

int schedule_on_set(sd_bus_message *message, void *userdata, sd_bus_error *error);
int schedule_on_remove(sd_bus_message *message, void *userdata, sd_bus_error *error);
/* Answered when the document has been read. */
int schedule_on_document(sd_bus_message *message, void *userdata, sd_bus_error *error);

/* READING NULL: ERROR says why there is none. */
void schedule_import_is_read(struct director *director, sd_bus_message *message, const struct schedule_reading *reading,
                const char *error);
