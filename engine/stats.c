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

static void add_calls(struct ioe_stats *stats, const struct ioe__calls *calls)
{
	ioe__latency_sum(&stats->latency[IOE_LATENCY_WORKER], &calls->worker);
	ioe__latency_sum(&stats->latency[IOE_LATENCY_CALLBACK], &calls->callback);
}

static void add_driver(struct ioe_stats *stats, const struct ioe__driver *driver)
{
	const struct ioe__driver_counters *counters = &driver->counters;
	const uint64_t in_flight_max = load(&counters->in_flight_max);
	/* Before what has been accepted, which is counted before it is finished (settle.c). */
	const uint64_t finished = __atomic_load_n(&counters->events_finished, __ATOMIC_ACQUIRE);
	const uint64_t unfinished =
		(ioe__driver_accepted(driver) - finished) & IOE__CHANNEL_COUNT_MASK;

	for (uint32_t op = 0; op < IOE_OP_END; op++)
		stats->events_by_op[op] += load(&counters->events_by_op[op]);
	stats->events_finished += finished;
	/* Counted to 2^40 and over; ahead of what has finished by less. */
	stats->events_accepted += finished + unfinished;
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
	ioe__latency_sum(&stats->latency[IOE_LATENCY_CHANNEL], &driver->timing.channel);
	ioe__latency_sum(&stats->latency[IOE_LATENCY_PENDING], &driver->timing.pending);
	ioe__latency_sum(&stats->latency[IOE_LATENCY_KERNEL], &driver->timing.kernel);
	add_calls(stats, &driver->timing.calls);
	stats->wakes += load(&driver->channel.n_wakes);
	stats->channel_full_waits += load(&driver->channel.n_waits);
}

int ioe_engine_stats(const struct ioe_engine *engine, struct ioe_stats *ret_stats)
{
	struct ioe_stats stats = { 0 };
	uint32_t size;

	if (engine == NULL || ret_stats == NULL)
		return -EINVAL;
	/* Once: what is compared is what is copied. */
	size = __atomic_load_n(&ret_stats->size, __ATOMIC_RELAXED);
	if (size < 2 * sizeof(uint32_t))
		return -EINVAL;
	stats.size = size < sizeof(stats) ? size : (uint32_t)sizeof(stats);
	stats.n_drivers = engine->n_drivers;
	stats.depth = engine->drivers[0]->depth;
	for (uint32_t i = 0; i < engine->n_drivers; i++)
		add_driver(&stats, engine->drivers[i]);
	if (engine->calls != NULL)
		for (uint32_t i = 0; i < ioe__workers_n(engine->workers); i++)
			add_calls(&stats, &engine->calls[i]);
	if (stats.elapsed_ns > 0)
		stats.in_flight_average = (double)stats.in_flight_ns / (double)stats.elapsed_ns;
	memcpy(ret_stats, &stats, stats.size);
	return 0;
}
