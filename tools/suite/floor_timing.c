/* SPDX-License-Identifier: MIT
 * floor_timing.c - T10: what the engine's accounting of time costs, for each event.
 *
 * Nops are all cost and no device, so that a few ns can be seen; the same jobs run with the
 * accounting, without it, and without it again: what the latter two differ by is noise.
 * The figure is of CPU, which other load on the machine leaves alone; that of time stands beside.
 * Invariants: the sides run in turn; a difference is of two runs of one round.
 * Threads:    the main thread.
 * Ownership:  none that outlives floor_timing().
 */
#include <stdio.h>
#include <string.h>

#include "tools/suite/floor_parts.h"

#define COST_NS_MAX 20.0

enum { ON, OFF, OFF_AGAIN, SIDES };

static const struct mode {
	uint64_t threading;
	const char *name;
} modes[] = {
	{ IOE_THREADING_NONE, "NONE" },
	{ IOE_THREADING_INLINE, "INLINE" },
	{ IOE_THREADING_POOL, "POOL, 1 worker" },
};

static struct spread in_ns(struct spread spread_us)
{
	return (struct spread){
		.min = spread_us.min * 1e3,
		.median = spread_us.median * 1e3,
		.max = spread_us.max * 1e3,
	};
}

static void add_figures(struct floor *floor, const struct mode *mode, const struct versus *versus)
{
	const struct {
		const char *name;
		struct spread spread;
		const char *unit;
		enum floor_bound bound;
	} figures[] = {
		{ "CPU, timing on - off", in_ns(versus_difference(versus, ON, OFF, VERSUS_CPU_US)),
		  "ns of CPU/event", FLOOR_AT_MOST },
		{ "CPU, off - off again: noise",
		  in_ns(versus_difference(versus, OFF, OFF_AGAIN, VERSUS_CPU_US)),
		  "ns of CPU/event", FLOOR_REPORTED },
		{ "time, timing on - off", versus_difference(versus, ON, OFF, VERSUS_NS),
		  "ns/event", FLOOR_REPORTED },
		{ "CPU, off", in_ns(versus_value(versus, OFF, VERSUS_CPU_US)), "ns of CPU/event",
		  FLOOR_REPORTED },
	};

	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
		char what[sizeof(floor->figures->what)];

		snprintf(what, sizeof(what), "nops, %s, callbacks submit again: %s", mode->name,
			 figures[i].name);
		floor_add(floor, what, figures[i].unit, figures[i].spread, versus->n_rounds,
			  figures[i].bound, figures[i].bound == FLOOR_AT_MOST ? COST_NS_MAX : 0);
	}
}

static int run_mode(struct floor *floor, const struct mode *mode)
{
	struct bench_options sides[SIDES];
	struct versus versus = { 0 };
	int rc;

	for (uint32_t i = 0; i < SIDES; i++) {
		sides[i] = floor_nop_job(floor);
		sides[i].threading = mode->threading;
		sides[i].callback_threads = 1;
		sides[i].no_timing = i != ON;
	}
	rc = suite_run(floor->suite, sides, SIDES, floor->target, "timing", &versus);
	if (!rc)
		add_figures(floor, mode, &versus);
	versus_deinit(&versus);
	return rc;
}

int floor_timing(struct floor *floor)
{
	int rc = floor_backend_status(IOE_BACKEND_URING);

	if (rc) {
		floor_skip(floor, "stage accounting", "no io_uring here: %s", strerror(-rc));
		return 0;
	}
	for (size_t i = 0; !rc && i < sizeof(modes) / sizeof(modes[0]); i++)
		rc = run_mode(floor, &modes[i]);
	return rc;
}
