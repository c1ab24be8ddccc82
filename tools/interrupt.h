/* SPDX-License-Identifier: MIT
 * interrupt.h - Ctrl-C, seen by polling instead of in a handler.
 * Invariants: after interrupt_open() SIGINT and SIGTERM are blocked in every thread started
 *             later; after the first one was seen the next one kills.
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

/* Has a signal come, now or before? */
bool interrupt_seen(void);

#endif
