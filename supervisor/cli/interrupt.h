/* For a command that must clean up before it ends. Set up once, before there are other threads. */
#pragma once

#include "../lib/base.h"

/* From now on SIGINT, SIGTERM and SIGHUP (unless it is ignored, as under nohup) break off what is waited for, and end nothing. */
void interrupt_catch(void);

/* One of them came. */
bool interrupt_came(void);

/* In a child that becomes another program: they end it again. Blocked from before the fork until after this, none is lost. */
void interrupt_release(void);

/* From now on they do not even break off. */
void interrupt_block(void);
