/* SPDX-License-Identifier: MIT
 * floor_memory.c - T12: what an engine takes of memory, and that using it takes no more.
 *
 * Each value is of a process of its own (floor_memory_child.c), as what the suite has used and
 * freed before would be used again, and so be free of charge. Resident is what
 * /proc/self/smaps_rollup counts page by page; the counters in status may lag by dozens of pages.
 * It has in it: what is allocated and touched, stacks of the engine's threads, and the rings, which
 * are mapped. It has not: the kernel's own memory for requests, which no process is charged for;
 * code, which all engines share; and the events, which are the caller's. What is allocated
 * (mallinfo2()) counts whether it has been touched or not.
 * Invariants: a figure is a difference within one process.
 * Threads:    the main thread.
 * Ownership:  none that outlives floor_memory().
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/suite/floor_memory.h"
#include "tools/interrupt.h"
#include "tools/suite/floor_parts.h"

#define DEFAULT_MAX_KIB ((double)(2 << 10))
#define GROWTH_MAX_KIB  64.0

#define DEPTH_SMALL 128 /* the default */

/* Between which a parameter's share is taken; in a quick suite less far apart. */
static const struct range {
	bool is_depth; /* else channel_capacity */
	uint32_t small;
	uint32_t large;
	uint32_t large_quick;
} ranges[] = {
	{ true, DEPTH_SMALL, 4096, 512 },
	/* A driver plans up to 4096 events together, and beyond that a place in the channel is only
	 * a count. */
	{ false, 1024, 4096, 4096 },
	{ false, 4096, 65536, 8192 },
};

/* In flight on both ends of a range: as many as the largest depth has slots. */
#define IN_FLIGHT       4096
#define IN_FLIGHT_QUICK 512

static int spawn_child(const struct errand *errand, int output, pid_t *ret_pid)
{
	char numbers[ERRAND_NUMBERS][24];
	const char *argv[ERRAND_NUMBERS + 4] = { "ioe", FLOOR_MEMORY_COMMAND, errand->filename };
	posix_spawn_file_actions_t actions;
	int rc = -posix_spawn_file_actions_init(&actions);

	if (rc)
		return rc;
	for (int i = 0; i < ERRAND_NUMBERS; i++) {
		snprintf(numbers[i], sizeof(numbers[i]), "%llu",
			 (unsigned long long)errand->numbers[i]);
		argv[3 + i] = numbers[i];
	}
	rc = -posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	if (!rc)
		rc = -posix_spawn(ret_pid, "/proc/self/exe", &actions, NULL, (char *const *)argv,
				  environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	return rc;
}

/* Send a child, and wait for what it has found. */
static int send_child(const struct errand *errand, struct findings *ret_findings)
{
	int fds[2], rc = (int)sys_result(pipe2(fds, O_CLOEXEC));
	ssize_t n = 0;
	pid_t pid;

	if (rc < 0)
		return rc;
	rc = spawn_child(errand, fds[1], &pid);
	close(fds[1]);
	if (!rc) {
		/* It comes as a whole, or not at all. */
		n = read(fds[0], ret_findings, sizeof(*ret_findings));
		(void)waitpid(pid, NULL, 0);
	}
	close(fds[0]);
	if (interrupt_seen())
		return -ECANCELED;
	if (rc)
		return rc;
	return n == (ssize_t)sizeof(*ret_findings) ? ret_findings->status : -EPIPE;
}

enum kind { OPENED, USED, USED_ANONYMOUS, ALLOCATED, GROWN, KINDS };

struct samples {
	double kib[KINDS][VERSUS_ROUNDS_MAX];
	uint32_t n;
};

static int run_errand(const struct floor *floor, const char *name, const struct errand *errand,
		      struct samples *ret_samples)
{
	const uint32_t rounds = floor->suite->quick ? 1 : (uint32_t)floor->suite->job.rounds;

	ret_samples->n = 0;
	for (uint32_t i = 0; i < rounds; i++) {
		struct findings findings;
		int rc = send_child(errand, &findings);

		if (rc) {
			if (rc != -ECANCELED && rc != -ENOENT)
				fprintf(stderr, "ioe suite: memory, %s: %s\n", name, strerror(-rc));
			return rc;
		}
		ret_samples->kib[OPENED][i] = findings.opened.resident_kib;
		ret_samples->kib[USED][i] = findings.used.resident_kib;
		ret_samples->kib[USED_ANONYMOUS][i] = findings.used.anonymous_kib;
		ret_samples->kib[ALLOCATED][i] = findings.opened.allocated_kib;
		ret_samples->kib[GROWN][i] = findings.later.resident_kib;
		ret_samples->n++;
	}
	return 0;
}

static struct errand default_errand(const struct floor *floor)
{
	return (struct errand){
		.filename = floor->suite->job.filename,
		.numbers = {
			[ERRAND_BACKEND] = IOE_BACKEND_AUTO,
			[ERRAND_IN_FLIGHT] = DEPTH_SMALL,
			[ERRAND_NOPS_FIRST] = floor->suite->quick ? 1000 : 100000,
			[ERRAND_FILE_BYTES] = floor->target->size_bytes,
		},
	};
}

static int run_default(struct floor *floor, struct samples *samples)
{
	static const struct {
		const char *what;
		enum kind kind;
		enum floor_bound bound;
		double limit;
	} figures[] = {
		{ "default engine, resident after opening", OPENED, FLOOR_AT_MOST,
		  DEFAULT_MAX_KIB },
		{ "default engine, resident after use", USED, FLOOR_AT_MOST, DEFAULT_MAX_KIB },
		{ "default engine, of that anonymous: heap and stacks, not rings", USED_ANONYMOUS,
		  FLOOR_REPORTED, 0 },
		{ "default engine, allocated, touched or not; without rings and stacks", ALLOCATED,
		  FLOOR_REPORTED, 0 },
	};
	struct errand errand = default_errand(floor);
	char what[sizeof(floor->figures->what)];
	unsigned long long nops;
	int rc;

	errand.numbers[ERRAND_NOPS_MORE] = 9 * errand.numbers[ERRAND_NOPS_FIRST];
	nops = errand.numbers[ERRAND_NOPS_FIRST] + errand.numbers[ERRAND_NOPS_MORE];
	rc = run_errand(floor, "default engine", &errand, samples);
	if (rc)
		return rc;
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		floor_add(floor, figures[i].what, "KiB",
			  spread_of(samples->kib[figures[i].kind], samples->n), samples->n,
			  figures[i].bound, figures[i].limit);
	snprintf(what, sizeof(what), "default engine, resident after %llu nops - after %llu", nops,
		 (unsigned long long)errand.numbers[ERRAND_NOPS_FIRST]);
	floor_add(floor, what, "KiB", spread_of(samples->kib[GROWN], samples->n), samples->n,
		  FLOOR_AT_MOST, GROWTH_MAX_KIB);
	return 0;
}

static int run_backends(struct floor *floor, struct samples *samples)
{
	for (size_t i = 0; i < FLOOR_BACKENDS; i++) {
		struct errand errand = default_errand(floor);
		char what[sizeof(floor->figures->what)];
		int rc = floor_backend_status(floor_backends[i].backend);

		snprintf(what, sizeof(what), "engine on %s, else default, resident after use",
			 floor_backends[i].name);
		if (rc) {
			floor_skip(floor, what, "not available here: %s", strerror(-rc));
			continue;
		}
		errand.numbers[ERRAND_BACKEND] = floor_backends[i].backend;
		rc = run_errand(floor, floor_backends[i].name, &errand, samples);
		if (rc)
			return rc;
		floor_add(floor, what, "KiB", spread_of(samples->kib[USED], samples->n), samples->n,
			  FLOOR_REPORTED, 0);
	}
	return 0;
}

/* What one more of a parameter takes: the slope between a small and a large value. */
static int run_slope(struct floor *floor, const struct range *range, struct samples samples[2])
{
	static const struct {
		const char *name;
		enum kind kind;
	} kinds[] = {
		{ "resident after use", USED },
		{ "allocated", ALLOCATED },
	};
	const bool quick = floor->suite->quick;
	const uint32_t values[2] = { range->small, quick ? range->large_quick : range->large };
	const char *parameter = range->is_depth ? "depth_max" : "channel_capacity";
	int rc = 0;

	for (int i = 0; i < 2 && !rc; i++) {
		struct errand errand = default_errand(floor);

		errand.numbers[ERRAND_IN_FLIGHT] = quick ? IN_FLIGHT_QUICK : IN_FLIGHT;
		errand.numbers[ERRAND_DEPTH_MAX] = range->is_depth ? values[i] : DEPTH_SMALL;
		errand.numbers[ERRAND_CHANNEL_CAPACITY] = range->is_depth ? IN_FLIGHT : values[i];
		rc = run_errand(floor, parameter, &errand, &samples[i]);
	}
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]) && !rc; k++) {
		double slopes[VERSUS_ROUNDS_MAX];
		char what[sizeof(floor->figures->what)];

		for (uint32_t i = 0; i < samples[0].n; i++)
			slopes[i] = (samples[1].kib[kinds[k].kind][i] -
				     samples[0].kib[kinds[k].kind][i]) *
				    1024 / (values[1] - values[0]);
		snprintf(what, sizeof(what), "for each of %s, %u to %u, %s", parameter, values[0],
			 values[1], kinds[k].name);
		floor_add(floor, what, "bytes", spread_of(slopes, samples[0].n), samples[0].n,
			  FLOOR_REPORTED, 0);
	}
	return rc;
}

int floor_memory(struct floor *floor)
{
	struct samples *samples = calloc(2, sizeof(*samples));
	int rc;

	if (!samples)
		return -ENOMEM;
	rc = run_default(floor, samples);
	if (!rc)
		rc = run_backends(floor, samples);
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]) && !rc; i++)
		rc = run_slope(floor, &ranges[i], samples);
	free(samples);
	if (rc == -ENOENT) {
		floor_skip(floor, "memory", "no /proc/self/smaps_rollup here");
		return 0;
	}
	return rc;
}
