/* SPDX-License-Identifier: MIT
 * cost_merge.c - what planning costs: the table of merge/README.md.
 *   IOE_COST_RUNS=9 PROGRAM [SUBSTRING]     only shapes whose name holds the text
 * For each shape (lib/merge_shapes.c) and each n: ns for each event to add, form and take a batch
 * of n; the least of the runs, of the thread's own time, so that other work on the machine shows
 * as little as can be. Batches are made before; what is planned again is the same batch.
 * Invariants: none.
 * Threads:    main.
 * Ownership:  the batches are main's. */
#include "tests/lib/fail.h"
#include "tests/lib/merge_shapes.h"
#include "tests/lib/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { EVENTS_OF_A_RUN = 1 << 17 };

static const uint32_t sizes[] = { 8, 32, 128, 256, 1024, 8192 };

#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static uint64_t plan_once(struct batch *batch, const struct ioe__merge_limits *limits)
{
	struct ioe__merge_group group;
	uint64_t n_groups = 0;

	ioe__merge_reset(&batch->plan);
	for (uint32_t i = 0; i < batch->n; i++)
		ioe__merge_add(&batch->plan, &batch->events[i]);
	ioe__merge_form(&batch->plan, limits);
	while (ioe__merge_take(&batch->plan, &group))
		n_groups++;
	return n_groups;
}

static int64_t own_time_ns(void)
{
	struct timespec now;

	must_sys(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now));
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Nanoseconds for each event. */
static double cost_of(const struct merge_shape *shape, uint32_t n, uint32_t n_runs)
{
	struct batch *batch = batch_open(n);
	const uint32_t n_times = n_runs > 1 ? EVENTS_OF_A_RUN / n : 1;
	int64_t least_ns = INT64_MAX;

	shape->put(batch, n);
	plan_once(batch, &shape->limits);
	for (uint32_t run = 0; run < n_runs; run++) {
		const int64_t started_ns = own_time_ns();
		int64_t taken_ns;

		for (uint32_t i = 0; i < n_times; i++)
			must(plan_once(batch, &shape->limits) > 0, "no groups");
		taken_ns = own_time_ns() - started_ns;
		least_ns = taken_ns < least_ns ? taken_ns : least_ns;
	}
	batch_close(batch);
	return (double)least_ns / n_times / n;
}

int main(int argc, char **argv)
{
	const uint64_t n_runs = process_number("IOE_COST_RUNS", 9);

	support_is_program = true;
	must(n_runs >= 1 && n_runs <= 1000, "IOE_COST_RUNS: 1 to 1000");
	printf("ns for each event, the least of %llu runs\n| batch |", (unsigned long long)n_runs);
	for (size_t k = 0; k < N_SIZES; k++)
		printf(" n = %u |", sizes[k]);
	printf("\n| --- |");
	for (size_t k = 0; k < N_SIZES; k++)
		printf(" --- |");
	printf("\n");
	for (uint32_t s = 0; s < merge_n_shapes; s++) {
		if (argc > 1 && strstr(merge_shapes[s].name, argv[1]) == NULL)
			continue;
		printf("| %s |", merge_shapes[s].name);
		for (size_t k = 0; k < N_SIZES; k++)
			printf(" %.0f |", cost_of(&merge_shapes[s], sizes[k], (uint32_t)n_runs));
		printf("\n");
		fflush(stdout);
	}
	return 0;
}
