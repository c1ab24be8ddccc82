/* SPDX-License-Identifier: MIT
 * versus.c - two engines in turn, and what their rounds say together.
 * Invariants: see versus.h.
 * Threads:    the main thread.
 * Ownership:  see versus.h.
 */
#include "versus.h"

#include <stdio.h>
#include <stdlib.h>

#include "monitor.h"
#include "report.h"

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

static double measure_of(const struct job_result *result, int measure)
{
	switch (measure) {
	case VERSUS_IOPS:
		return report_iops(result);
	case VERSUS_CPU_US:
		return report_cpu_us_per_io(result);
	default:
		return report_mean_latency_ns(result) / 1e3;
	}
}

static int summarise(struct versus *versus)
{
	double *values = calloc(versus->n_rounds, sizeof(*values));

	if (!values)
		return -ENOMEM;
	for (int m = 0; m < VERSUS_MEASURES; m++) {
		for (int side = 0; side < 2; side++) {
			for (size_t i = 0; i < versus->n_rounds; i++)
				values[i] = measure_of(&versus->results[2 * i + (size_t)side], m);
			versus->value[side][m] = spread_of(values, versus->n_rounds);
		}
		for (size_t i = 0; i < versus->n_rounds; i++) {
			double a = measure_of(&versus->results[2 * i], m);
			double b = measure_of(&versus->results[2 * i + 1], m);

			values[i] = b > 0 ? a / b : 0;
		}
		versus->ratio[m] = spread_of(values, versus->n_rounds);
	}
	free(values);
	return 0;
}

int versus_run(const struct bench_options *a, const struct bench_options *b,
	       const struct target *target, uint32_t rounds, const char *label,
	       struct versus *ret_versus)
{
	struct versus versus = { .options = { *a, *b } };
	char prefix[128];
	uint32_t n = 0;
	int rc = 0;

	versus.results = calloc(2 * (size_t)rounds, sizeof(*versus.results));
	if (!versus.results)
		return -ENOMEM;
	for (; n < 2 * rounds && !rc && !versus.interrupted; n++) {
		struct job_result *result = &versus.results[n];

		snprintf(prefix, sizeof(prefix), "[%s%s%s %u/%u]", label ? label : "",
			 label ? " " : "",
			 options_choice_name(bench_ioengines, versus.options[n % 2].ioengine),
			 n / 2 + 1, rounds);
		monitor_set_prefix(prefix);
		rc = job_run(&versus.options[n % 2], target, result);
		versus.interrupted = result->interrupted;
		if (job_result_is_bad(result) && !rc)
			rc = -EIO;
	}
	monitor_set_prefix(NULL);
	versus.n_results = n;
	versus.error = rc;
	/* A pair that was cut short says nothing. */
	versus.n_rounds = (rc || versus.interrupted ? n - 1 : n) / 2;
	if (versus.n_rounds && summarise(&versus) && !versus.error)
		versus.error = -ENOMEM;
	*ret_versus = versus;
	return versus.error;
}

void versus_deinit(struct versus *versus)
{
	for (uint32_t i = 0; i < versus->n_results; i++)
		job_result_deinit(&versus->results[i]);
	free(versus->results);
	versus->results = NULL;
}
