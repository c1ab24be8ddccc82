/* SPDX-License-Identifier: MIT
 * arena.h - memory for many small buffers that is given back all at once, with gaps between them
 *           that nobody writes to.
 * Invariants: an area has a gap before it, unless it was to be the neighbour of the one before.
 * Threads:    one at a time.
 * Ownership:  the arena's; areas are the caller's until arena_clear(). */
#ifndef IOE_TESTS_ARENA_H
#define IOE_TESTS_ARENA_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/* n areas of these lengths; false, and none, if there is no room for all. */
bool arena_give(const uint32_t *lengths, uint32_t n, bool are_neighbours, struct iovec *ret_areas);
/* Fails if a gap before these areas, or what is behind the last of all, has been written to. */
void arena_check(const struct iovec *areas, uint32_t n, bool are_neighbours);
void arena_clear(void);

#endif
