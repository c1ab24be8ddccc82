/* SPDX-License-Identifier: MIT
 * arena.c - see arena.h. */
#include "tests/lib/arena.h"
#include "tests/lib/fail.h"

enum { GAP = 8, BYTES = 1 << 17, CANARY = 0xc7 };

static uint8_t arena[BYTES + GAP];
static uint32_t used = BYTES; /* all of it is to be cleared at first */

bool arena_give(const uint32_t *lengths, uint32_t n, bool are_neighbours, struct iovec *ret_areas)
{
	const uint32_t gap = are_neighbours ? 0 : GAP;
	uint32_t at = used;

	for (uint32_t i = 0; i < n; i++) {
		if (at + gap + lengths[i] > BYTES)
			return false;
		ret_areas[i] = (struct iovec){ arena + at + gap, lengths[i] };
		at += gap + lengths[i];
	}
	used = at;
	return true;
}

static void check_gap(const uint8_t *gap)
{
	for (uint32_t i = 0; i < GAP; i++)
		must(gap[i] == CANARY, "memory at %zd, between two buffers, is 0x%02x",
		     &gap[i] - arena, gap[i]);
}

void arena_check(const struct iovec *areas, uint32_t n, bool are_neighbours)
{
	for (uint32_t i = 0; i < n && !are_neighbours; i++)
		check_gap((const uint8_t *)areas[i].iov_base - GAP);
	check_gap(arena + used);
}

void arena_clear(void)
{
	memset(arena, CANARY, used + GAP);
	used = 0;
}
