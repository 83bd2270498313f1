/* What a process keeps in memory once it has started. */
#pragma once

/* Gives back what only the start needed: pages of programs and libraries that were never written, which come back from the
 * page cache when they are used again, and free heap. Start-up walks through all symbols of some thirty libraries; what runs
 * at rest uses a fraction of them, and a supervisor must not cost the node its memory. For a process of one thread;
 * repeatable. Linux 2.6 (MADV_DONTNEED on file mappings). */
void memory_rest(void);
