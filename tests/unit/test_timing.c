/* SPDX-License-Identifier: MIT
 * test_timing.c - which events are timed, and how a time is counted. */
#include "engine/timing.h"

#include "tests/check.h"

#include <string.h>

/* Whether the next event of this thread is timed. */
static bool draw(void)
{
	struct ioe_event event;
	int64_t now_ns = 1;

	ioe_prep_nop(&event);
	ioe__timing_accept(&event, &now_ns);
	check_eq(now_ns, 1);
	if (ioe__event_is_timed(&event))
		check_eq(event.ioe__node.since_ns, 1);
	return ioe__event_is_timed(&event);
}

Test(timing, first_event_is_timed_and_then_one_of_64_at_the_least)
{
	uint32_t gap = 0, gap_max = 0, gap_min = UINT32_MAX;

	cr_assert(draw());
	for (uint32_t i = 0; i < 100000; i++) {
		gap++;
		if (!draw())
			continue;
		gap_max = gap > gap_max ? gap : gap_max;
		gap_min = gap < gap_min ? gap : gap_min;
		gap = 0;
	}
	check_eq(gap_max, 64);
	check_eq(gap_min, 1);
}

/* Whatever repeats itself among events, each place of it is seen as often as any other. */
Test(timing, every_place_of_a_pattern_is_drawn_alike)
{
	enum { EACH = 8000 };

	for (uint32_t period = 1; period <= 64; period++) {
		uint32_t n_at[64] = { 0 };

		for (uint32_t i = 0; i < EACH * period; i++)
			n_at[i % period] += draw();
		for (uint32_t at = 0; at < period; at++) {
			/* 8000 / 32.5 = 246, with a deviation of 15: 6 of them. */
			check_op(n_at[at], >, 246 - 90);
			check_op(n_at[at], <, 246 + 90);
		}
	}
}

Test(timing, clock_is_read_once_for_a_call)
{
	struct ioe_event event;
	int64_t now_ns = 0, first_ns = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < 1000; i++) {
		ioe_prep_nop(&event);
		ioe__timing_accept(&event, &now_ns);
		if (!ioe__event_is_timed(&event))
			continue;
		check_op(now_ns, >, 0);
		if (n++ == 0)
			first_ns = now_ns;
		check_eq(event.ioe__node.since_ns, first_ns);
	}
	check_op(n, >, 1);
}

Test(timing, bucket_is_the_power_of_two)
{
	static const struct {
		int64_t ns;
		uint32_t bucket;
	} rows[] = {
		{ 0, 0 },
		{ 1, 0 },
		{ 2, 1 },
		{ 3, 1 },
		{ 4, 2 },
		{ 1000, 9 },
		{ 1023, 9 },
		{ 1024, 10 },
		{ (INT64_C(1) << 39) - 1, 38 },
		{ INT64_C(1) << 39, 39 },
		{ INT64_MAX, 39 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ioe_latency latency = { 0 };

		ioe__latency_add(&latency, rows[i].ns);
		check_eq(latency.n, 1);
		check_eq(latency.sum_ns, rows[i].ns);
		check_eq(latency.max_ns, rows[i].ns);
		for (uint32_t k = 0; k < IOE_LATENCY_BUCKETS; k++)
			check_eq(latency.histogram[k], k == rows[i].bucket);
	}
}

Test(timing, latencies_are_added_up)
{
	struct ioe_latency one = { 0 }, two = { 0 }, sum = { 0 };

	ioe__latency_add(&one, 5);
	ioe__latency_add(&one, 100);
	ioe__latency_add(&one, 7);
	ioe__latency_add(&two, 64);
	/* No clock goes backwards in a stage. */
	ioe__latency_add(&two, -3);
	ioe__latency_sum(&sum, &two);
	ioe__latency_sum(&sum, &one);
	check_eq(sum.n, 5);
	check_eq(sum.sum_ns, 176);
	check_eq(sum.max_ns, 100);
	check_eq(sum.histogram[0], 1);
	check_eq(sum.histogram[2], 2);
	check_eq(sum.histogram[6], 2);
}

/* A driver's round: events that move together have one reading, until it is forgotten. */
Test(timing, stages_of_an_event_join_without_a_gap)
{
	struct ioe__timing timing = { 0 };
	struct ioe_event event;
	int64_t taken_ns, given_ns, now_ns = 1000;

	ioe_prep_nop(&event);
	ioe__timing_accept_drawn(&event, &now_ns);
	timing.now_ns = 1700;
	ioe__timing_taken(&timing, &event);
	check_eq(timing.channel.sum_ns, 700);
	taken_ns = event.ioe__node.since_ns;
	check_eq(taken_ns, 1700);
	ioe__timing_forget(&timing);
	ioe__timing_given(&timing, &event);
	given_ns = event.ioe__node.since_ns;
	check_eq(timing.pending.sum_ns, given_ns - taken_ns);
	check_eq(timing.now_ns, given_ns);
	/* Once more, after a short transfer: it is with the kernel all the same. */
	event.ioe__marks |= IOE__MARK_STARTED;
	timing.now_ns = given_ns + 5;
	ioe__timing_given(&timing, &event);
	ioe__timing_finished(&timing, &event);
	check_eq(timing.kernel.sum_ns, 5);
	check_eq(event.ioe__finished_ns, given_ns + 5);
	check_eq(timing.channel.n + timing.pending.n + timing.kernel.n, 3);
}
