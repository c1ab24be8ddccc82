/* SPDX-License-Identifier: MIT
 * interrupt.h - Ctrl-C, and SIGUSR1, seen by polling instead of in a handler.
 * Invariants: after interrupt_open() SIGINT, SIGTERM and SIGUSR1 are blocked in every thread
 *             started later; after the first of the first two was seen the next one kills.
 * Threads:    the main thread.
 * Ownership:  the descriptor is the module's.
 */
#ifndef IOE_TOOLS_INTERRUPT_H
#define IOE_TOOLS_INTERRUPT_H

#include <stdbool.h>

/* Call before any thread is started. Returns 0 or -errno. */
int interrupt_open(void);

/* A descriptor that is readable when a signal has come. */
int interrupt_fd(void);

/* Has Ctrl-C or SIGTERM come, now or before? */
bool interrupt_seen(void);

/* Has SIGUSR1 come since the last call? */
bool interrupt_status_asked(void);

#endif
