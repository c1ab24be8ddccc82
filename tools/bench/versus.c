/* SPDX-License-Identifier: MIT
 * versus.c - several jobs in turn, and what their rounds say together.
 * Invariants: see versus.h.
 * Threads:    the main thread.
 * Ownership:  see versus.h.
 */
#include "tools/bench/versus.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/bench/monitor.h"
#include "tools/bench/report.h"

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct spread spread_of(double *values, uint32_t n)
{
	struct spread spread = { 0, 0, 0 };

	if (!n)
		return spread;
	qsort(values, n, sizeof(*values), compare_doubles);
	spread.min = values[0];
	spread.max = values[n - 1];
	spread.median = n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
	return spread;
}

static double by(double a, double b)
{
	return b > 0 ? a / b : 0;
}

static double measure_of(const struct job_result *result, enum versus_measure measure)
{
	const struct ioe_stats *stats = &result->engine.stats;
	const double events = (double)stats->events_finished;

	switch (measure) {
	case VERSUS_IOPS:
		return report_iops(result);
	case VERSUS_CPU_US:
		return report_cpu_us_per_io(result);
	case VERSUS_LATENCY_US:
		return report_mean_latency_ns(result) / 1e3;
	case VERSUS_BANDWIDTH:
		return report_iops(result) * (double)result->options.bs_bytes;
	case VERSUS_NS:
		return report_ns_per_event(result);
	case VERSUS_WAKES:
		return by((double)stats->wakes, events);
	case VERSUS_SYSTEM_CALLS:
		return by((double)stats->system_calls, events);
	case VERSUS_DEPTH_KEPT:
		/* The engine's own average is also of the time before the first event. */
		return by(by((double)stats->in_flight_ns, (double)result->runtime_ns),
			  (double)result->options.iodepth);
	case VERSUS_P999_US:
		return (double)report_percentile_ns(result, 99.9) / 1e3;
	case VERSUS_SLOWEST:
		return result->slowest_share;
	case VERSUS_MERGED:
		break;
	}
	return by(events, (double)stats->requests);
}

static_assert(VERSUS_SIDES_MAX < 9, "odd numbers of sides are primes");

/* Which side runs k-th in a round. A disk that is metered has something in store after a slow
 * side, so that it matters who ran before: no side may follow the same one each time. An even
 * number of sides makes a Williams square: its steps all differ, so that in n rounds each follows
 * each other one once: AB BA; ABDC BCAD CDBA DACB. A prime number goes round in other steps each
 * time, so that in n - 1 rounds none follows another twice: ABC BAC. */
static uint32_t side_at(uint32_t n_sides, uint32_t round, uint32_t k)
{
	if (n_sides < 2)
		return 0;
	if (n_sides % 2 == 0)
		return (round + (k % 2 ? (k + 1) / 2 : n_sides - k / 2)) % n_sides;
	return (round + k * (1 + round % (n_sides - 1))) % n_sides;
}

static double measure_in_round(const struct versus *versus, uint32_t round, uint32_t side,
			       enum versus_measure measure)
{
	uint32_t k = 0;

	while (side_at(versus->n_sides, round, k) != side)
		k++;
	return measure_of(&versus->results[(size_t)round * versus->n_sides + k], measure);
}

struct spread versus_value(const struct versus *versus, uint32_t side, enum versus_measure measure)
{
	double values[VERSUS_ROUNDS_MAX];

	for (uint32_t i = 0; i < versus->n_rounds; i++)
		values[i] = measure_in_round(versus, i, side, measure);
	return spread_of(values, versus->n_rounds);
}

struct spread versus_ratio(const struct versus *versus, uint32_t a, uint32_t b,
			   enum versus_measure measure)
{
	double values[VERSUS_ROUNDS_MAX];

	for (uint32_t i = 0; i < versus->n_rounds; i++)
		values[i] = by(measure_in_round(versus, i, a, measure),
			       measure_in_round(versus, i, b, measure));
	return spread_of(values, versus->n_rounds);
}

struct spread versus_difference(const struct versus *versus, uint32_t a, uint32_t b,
				enum versus_measure measure)
{
	double values[VERSUS_ROUNDS_MAX];

	for (uint32_t i = 0; i < versus->n_rounds; i++)
		values[i] = measure_in_round(versus, i, a, measure) -
			    measure_in_round(versus, i, b, measure);
	return spread_of(values, versus->n_rounds);
}

int versus_run(const struct bench_options sides[], uint32_t n_sides, const struct target *target,
	       uint32_t rounds, const char *label, struct versus *ret_versus)
{
	struct versus versus = { .n_sides = n_sides };
	char prefix[128];
	uint32_t n = 0;
	int rc = 0;

	versus.results = calloc((size_t)n_sides * rounds, sizeof(*versus.results));
	if (!versus.results)
		return -ENOMEM;
	for (uint32_t i = 0; i < n_sides; i++)
		versus.options[i] = sides[i];
	for (; n < n_sides * rounds && !rc && !versus.interrupted; n++) {
		const uint32_t side = side_at(n_sides, n / n_sides, n % n_sides);
		const struct bench_options *options = &versus.options[side];
		struct job_result *result = &versus.results[n];

		snprintf(prefix, sizeof(prefix), "[%s%s%s %u/%u]", label ? label : "",
			 label ? " " : "", options_choice_name(bench_ioengines, options->ioengine),
			 n / n_sides + 1, rounds);
		monitor_set_prefix(prefix);
		rc = job_run(options, target, result);
		versus.interrupted = result->interrupted;
		if (job_result_is_bad(result) && !rc)
			rc = -EIO;
	}
	monitor_set_prefix(NULL);
	versus.n_results = n;
	/* A round that was cut short says nothing. */
	versus.n_rounds = (rc || versus.interrupted ? n - 1 : n) / n_sides;
	*ret_versus = versus;
	return rc;
}

void versus_deinit(struct versus *versus)
{
	for (uint32_t i = 0; i < versus->n_results; i++)
		job_result_deinit(&versus->results[i]);
	free(versus->results);
	versus->results = NULL;
}
