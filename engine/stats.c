/* SPDX-License-Identifier: MIT
 * stats.c - sum up the counters of the drivers.
 * Invariants: none; counters are read while others write them.
 * Threads:    any.
 * Ownership:  none. */
#include "engine/engine.h"

#include <string.h>

static uint64_t load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void add_driver(struct ioe_stats *stats, const struct ioe__driver *driver)
{
	const struct ioe__driver_counters *counters = &driver->counters;
	const uint64_t in_flight_max = load(&counters->in_flight_max);
	const uint64_t finished = load(&counters->events_finished);

	for (uint32_t op = 0; op < IOE_OP_END; op++)
		stats->events_by_op[op] += load(&counters->events_by_op[op]);
	stats->events_finished += finished;
	/* The channel counts to 2^40 and over; it is ahead of what has finished by less. */
	stats->events_accepted += finished + ((ioe__channel_reserved(&driver->channel) - finished) &
					      IOE__CHANNEL_COUNT_MASK);
	stats->errors += load(&counters->errors);
	stats->bytes_read += load(&counters->bytes_read);
	stats->bytes_written += load(&counters->bytes_written);
	stats->requests += load(&counters->requests);
	stats->merged_requests += load(&counters->merged_requests);
	stats->merged_events += load(&counters->merged_events);
	stats->resumed += load(&counters->resumed);
	stats->retried += load(&counters->retried);
	stats->split += load(&counters->split);
	stats->stale_completions += load(&counters->stale_completions);
	stats->parks += load(&counters->parks);
	stats->in_flight += load(&counters->in_flight);
	if (in_flight_max > stats->in_flight_max)
		stats->in_flight_max = in_flight_max;
	stats->in_flight_ns += load(&counters->in_flight_ns);
	stats->elapsed_ns += load(&counters->elapsed_ns);
	stats->helped += load(&driver->backend_counters.helped);
	stats->system_calls += load(&driver->backend_counters.system_calls);
	stats->cq_overflows += load(&driver->backend_counters.cq_overflows);
	stats->wakes += load(&driver->channel.n_wakes);
	stats->channel_full_waits += load(&driver->channel.n_waits);
}

int ioe_engine_stats(const struct ioe_engine *engine, struct ioe_stats *ret_stats)
{
	struct ioe_stats stats = { 0 };

	if (engine == NULL || ret_stats == NULL || ret_stats->size < 2 * sizeof(uint32_t))
		return -EINVAL;
	stats.size = ret_stats->size < sizeof(stats) ? ret_stats->size : (uint32_t)sizeof(stats);
	stats.n_drivers = engine->n_drivers;
	stats.depth = engine->drivers[0]->depth;
	for (uint32_t i = 0; i < engine->n_drivers; i++)
		add_driver(&stats, engine->drivers[i]);
	if (stats.elapsed_ns > 0)
		stats.in_flight_average = (double)stats.in_flight_ns / (double)stats.elapsed_ns;
	memcpy(ret_stats, &stats, stats.size);
	return 0;
}
