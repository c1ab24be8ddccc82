/* SPDX-License-Identifier: MIT
 * test_overlap.c - what waits for what, alone.
 * Invariants: none.
 * Threads:    one.
 * Ownership:  events are on the stacks of the tests, or the tests' to free. */
#include "engine/overlap.h"
#include "merge/merge.h"
#include "tests/check.h"
#include "tests/lib/random.h"

#include <stdlib.h>

static void prep(struct ioe_event *event, int fd, uint64_t offset)
{
	static char byte;

	ioe_prep_write(event, fd, &byte, 4096, offset);
	event->ioe__batch = 1;
}

Test(overlap, what_conflicts_with_a_watched_event_is_held_and_released_in_turn)
{
	struct ioe__overlaps overlaps;
	struct ioe__event_list released = { NULL, NULL };
	struct ioe_event first, second, third, apart, later_batch;

	check_eq(ioe__overlap_init(&overlaps, 8), 0);
	prep(&first, 3, 0);
	prep(&second, 3, 2048);
	prep(&third, 3, 6000); /* overlaps second only */
	prep(&apart, 3, 65536);
	prep(&later_batch, 3, 0);
	later_batch.ioe__batch = 2;
	cr_assert(!ioe__overlap_is_alert(&overlaps));
	ioe__overlap_watch(&overlaps, &first);
	ioe__overlap_watch(&overlaps, &first);
	cr_assert(ioe__overlap_is_alert(&overlaps));
	cr_assert(ioe__overlap_hold(&overlaps, &second));
	cr_assert(ioe__overlap_hold(&overlaps, &third));
	cr_assert(!ioe__overlap_hold(&overlaps, &apart));
	cr_assert(!ioe__overlap_hold(&overlaps, &later_batch));

	cr_assert_null(released.first);
	/* One after another: the second is watched when it is released, and holds the third. */
	ioe__overlap_finish(&overlaps, &first, &released);
	cr_assert_eq(ioe__event_list_pop(&released), &second);
	cr_assert_null(released.first);
	ioe__overlap_finish(&overlaps, &second, &released);
	cr_assert_eq(ioe__event_list_pop(&released), &third);
	ioe__overlap_finish(&overlaps, &third, &released);
	cr_assert(!ioe__overlap_is_alert(&overlaps));
	check_eq(overlaps.n_changes, 0);
	ioe__overlap_deinit(&overlaps);
}

Test(overlap, one_that_conflicts_with_two_waits_for_both)
{
	struct ioe__overlaps overlaps;
	struct ioe__event_list released = { NULL, NULL };
	struct ioe_event left, right, both;

	check_eq(ioe__overlap_init(&overlaps, 8), 0);
	prep(&left, 3, 0);
	prep(&right, 3, 4096);
	prep(&both, 3, 2048);
	ioe__overlap_watch(&overlaps, &left);
	ioe__overlap_watch(&overlaps, &right);
	cr_assert(ioe__overlap_hold(&overlaps, &both));
	ioe__overlap_finish(&overlaps, &right, &released);
	cr_assert_null(released.first);
	ioe__overlap_finish(&overlaps, &left, &released);
	cr_assert_eq(released.first, &both);
	ioe__overlap_finish(&overlaps, &both, &released);
	ioe__overlap_deinit(&overlaps);
}

Test(overlap, reads_do_not_hold_reads)
{
	struct ioe__overlaps overlaps;
	struct ioe__event_list released = { NULL, NULL };
	struct ioe_event first, second, write;
	static char byte;

	check_eq(ioe__overlap_init(&overlaps, 8), 0);
	ioe_prep_read(&first, 3, &byte, 4096, 0);
	ioe_prep_read(&second, 3, &byte, 4096, 0);
	prep(&write, 3, 0);
	first.ioe__batch = second.ioe__batch = 1;
	ioe__overlap_watch(&overlaps, &first);
	cr_assert(!ioe__overlap_hold(&overlaps, &second));
	cr_assert(ioe__overlap_hold(&overlaps, &write));
	ioe__overlap_finish(&overlaps, &first, &released);
	cr_assert_eq(released.first, &write);
	ioe__overlap_finish(&overlaps, &write, &released);
	ioe__overlap_deinit(&overlaps);
}

/* ---- Against the definition ------------------------------------------------------------------ */

enum { MANY = 4096, SOME = 200 };

enum state { AWAY, RUNNING, HELD };

struct many {
	struct ioe__overlaps overlaps;
	struct ioe_event *events;
	enum state *states;
	uint32_t n;
	uint32_t n_running;
	uint32_t *running;
};

static struct many *many_open(uint32_t n)
{
	struct many *many = calloc(1, sizeof(*many));

	cr_assert_not_null(many);
	many->events = calloc(n, sizeof(*many->events));
	many->states = calloc(n, sizeof(*many->states));
	many->running = calloc(n, sizeof(*many->running));
	cr_assert(many->events != NULL && many->states != NULL && many->running != NULL);
	check_eq(ioe__overlap_init(&many->overlaps, 1024), 0);
	return many;
}

static void many_close(struct many *many)
{
	ioe__overlap_deinit(&many->overlaps);
	free(many->running);
	free(many->states);
	free(many->events);
	free(many);
}

static struct ioe_event *many_put(struct many *many, bool writes, int fd, uint64_t offset,
				  uint64_t length)
{
	struct ioe_event *event = &many->events[many->n++];
	static char byte;

	if (writes)
		ioe_prep_write(event, fd, &byte, length, offset);
	else
		ioe_prep_read(event, fd, &byte, length, offset);
	event->ioe__batch = 1;
	return event;
}

static void run(struct many *many, uint32_t i)
{
	many->states[i] = RUNNING;
	many->running[many->n_running++] = i;
}

/* The next event, as the driver takes it. */
static void offer(struct many *many, uint32_t i)
{
	if (ioe__overlap_hold(&many->overlaps, &many->events[i])) {
		many->states[i] = HELD;
		return;
	}
	ioe__overlap_watch(&many->overlaps, &many->events[i]);
	run(many, i);
}

static void finish(struct many *many, uint32_t k)
{
	struct ioe__event_list released = { NULL, NULL };
	const uint32_t i = many->running[k];
	struct ioe_event *event;

	for (many->n_running--; k < many->n_running; k++)
		many->running[k] = many->running[k + 1];
	many->states[i] = AWAY;
	ioe__overlap_finish(&many->overlaps, &many->events[i], &released);
	while ((event = ioe__event_list_pop(&released)) != NULL)
		run(many, (uint32_t)(event - many->events));
}

/* Each event runs if and only if no event before it is unfinished that it conflicts with. */
static void check_states(const struct many *many, uint32_t n)
{
	for (uint32_t b = 0; b < n; b++) {
		bool waits = false;

		if (many->states[b] == AWAY)
			continue;
		for (uint32_t a = 0; a < b && !waits; a++)
			waits = many->states[a] != AWAY &&
				many->events[a].ioe__batch == many->events[b].ioe__batch &&
				ioe__merge_conflict(&many->events[a], &many->events[b]);
		cr_assert(waits == (many->states[b] == HELD), "event %u %s", b,
			  waits ? "does not wait" : "waits for nothing");
	}
}

static void put_any(struct many *many, struct random *random)
{
	const uint64_t unit = random_below(random, 4) == 0 ? 512 : 4096;
	uint64_t length = random_between(random, 1, 4) * unit;
	struct ioe_event *event;

	if (random_below(random, 12) == 0)
		length <<= random_below(random, 40);
	event = many_put(many, random_below(random, 3) == 0, (int)random_below(random, 2) + 3,
			 random_below(random, 40) * unit, length);
	event->ioe__batch = 1 + many->n / (SOME / 2);
	if (random_below(random, 40) == 0) {
		const int mode = random_below(random, 2) == 0 ? 0 : FALLOC_FL_COLLAPSE_RANGE;

		ioe_prep_fallocate(event, event->fd, mode, event->offset, event->length);
		event->ioe__batch = 1 + many->n / (SOME / 2);
	}
}

Test(overlap, what_waits_and_what_runs_is_what_the_definition_says)
{
	struct random random = random_open(31);

	for (uint32_t round = 0; round < 60; round++) {
		struct many *many = many_open(SOME);
		uint32_t n = 0;

		while (many->n < SOME)
			put_any(many, &random);
		while (n < SOME || many->n_running > 0) {
			if (n < SOME && (many->n_running == 0 || random_below(&random, 3) > 0))
				offer(many, n++);
			else
				finish(many, (uint32_t)random_below(&random, many->n_running));
			check_states(many, n);
		}
		check_eq(many->overlaps.n, 0);
		check_eq(many->overlaps.n_held, 0);
		check_eq(many->overlaps.n_changes, 0);
		check_eq(many->overlaps.classes, 0);
		many_close(many);
	}
}

/* ---- What it costs --------------------------------------------------------------------------- */

static void put_read_modify_write(struct many *many, uint32_t i)
{
	many_put(many, i % 2 == 1, 3, i / 2 * UINT64_C(4096), 4096);
}

static void put_one_block(struct many *many, uint32_t i)
{
	(void)i;
	many_put(many, true, 3, 0, 4096);
}

static void put_one_block_in_turn(struct many *many, uint32_t i)
{
	many_put(many, i % 2 == 1, 3, 0, 4096);
}

static void put_one_write_and_reads(struct many *many, uint32_t i)
{
	many_put(many, i == 0 || i == MANY / 2, 3, 0, 4096);
}

static void put_stairs(struct many *many, uint32_t i)
{
	many_put(many, true, 3, i * UINT64_C(2048), 4096);
}

static void put_huge_first(struct many *many, uint32_t i)
{
	if (i == 0)
		many_put(many, true, 3, 0, UINT64_C(1) << 40);
	else
		many_put(many, true, 3, i * UINT64_C(4096), 4096);
}

static void put_huge_last(struct many *many, uint32_t i)
{
	if (i + 1 == MANY)
		many_put(many, true, 3, 0, UINT64_C(1) << 40);
	else
		many_put(many, true, 3, i * UINT64_C(4096), 4096);
}

static void put_all_lengths(struct many *many, uint32_t i)
{
	many_put(many, i % 3 == 0, 3, (i * UINT64_C(2654435761) >> 8) % MANY * 4096,
		 UINT64_C(512) << i % 10);
}

#ifdef IOE_VERIFY
Test(overlap, looks_are_no_more_than_n_log_n)
{
	static const struct {
		const char *name;
		void (*put)(struct many *many, uint32_t i);
		uint32_t looks_max; /* of n log n */
	} shapes[] = {
		{ "read, modify, write", put_read_modify_write, 4 },
		{ "one block written", put_one_block, 4 },
		{ "one block read and written in turn", put_one_block_in_turn, 4 },
		{ "one block read, written twice", put_one_write_and_reads, 4 },
		{ "each overlaps the one before", put_stairs, 4 },
		{ "one huge write first", put_huge_first, 4 },
		{ "one huge write last", put_huge_last, 4 },
		/* One of 256 KiB looks at 512 places for those of 512 bytes. */
		{ "lengths of all sizes", put_all_lengths, 128 },
	};

	/* log2(MANY) is 12. */
	for (uint32_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
		for (uint32_t order = 0; order < 2; order++) {
			struct many *many = many_open(MANY);

			for (uint32_t i = 0; i < MANY; i++)
				shapes[s].put(many, i);
			for (uint32_t i = 0; i < MANY; i++)
				offer(many, i);
			while (many->n_running > 0)
				finish(many, order == 0 ? 0 : many->n_running - 1);
			check_eq(many->overlaps.n, 0);
			cr_assert(many->overlaps.work <= (uint64_t)shapes[s].looks_max * MANY * 12,
				  "%s, finished %s: %llu looks, %.1f n log n", shapes[s].name,
				  order == 0 ? "in order" : "latest first",
				  (unsigned long long)many->overlaps.work,
				  (double)many->overlaps.work / (MANY * 12));
			many_close(many);
		}
}
#endif
