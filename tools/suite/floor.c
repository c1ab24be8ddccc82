/* SPDX-License-Identifier: MIT
 * floor.c - `ioe suite --what=floor`: runs the measurements, and hands out what they found.
 * Invariants: a target that was asked for has a figure at the end, if only one that says why it was
 *             not measured.
 * Threads:    the main thread.
 * Ownership:  a struct floor lives as long as suite_floor().
 */
#include "tools/suite/floor.h"

#include <stdlib.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/suite/search.h"

#define PATH_BYTES 4096

/* A measurement that answers several targets has a row for each, and is run once. */
static const struct row {
	const char *target;
	const char *what;
	int (*run)(struct floor *floor); /* NULL: there is none */
} rows[] = {
	{ "T1", "random reads, uring", floor_reads },
	{ "T2", "random reads, aio", floor_reads },
	{ "T3", "random reads, uring, depth 1", floor_reads },
	{ "T4", "a thread that submits and waits", floor_waits },
	{ "T5", "4 and 32 threads that submit and wait", floor_waits },
	{ "T6", "events that do nothing", floor_nops },
	{ "T7", "64 producers beside one", floor_producers },
	{ "T8", "wakes, system calls and depth at steady load", floor_steady },
	{ "T9", "an idle engine", floor_idle },
	{ "T10", "stage accounting", floor_timing },
	{ "T11", "cost as work grows", floor_growth },
	{ "T12", "memory", floor_memory },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* The next name of a list: its length, 0 at the end; *list moves behind it. */
static size_t next_name(const char **list, const char **ret_name)
{
	size_t length;

	*list += strspn(*list, ",");
	length = strcspn(*list, ",");
	*ret_name = *list;
	*list += length;
	return length;
}

static bool is_named(const char *list, const char *target)
{
	const char *name;
	size_t length;

	while ((length = next_name(&list, &name)))
		if (length == strlen(target) && !strncmp(name, target, length))
			return true;
	return false;
}

static bool is_target(const char *name, size_t length)
{
	for (size_t i = 0; i < ROWS; i++)
		if (length == strlen(rows[i].target) && !strncmp(name, rows[i].target, length))
			return true;
	return false;
}

int floor_check_only(const char *only)
{
	const char *rest = only, *name;
	size_t length, n = 0;

	for (; (length = next_name(&rest, &name)); n++) {
		if (is_target(name, length))
			continue;
		fprintf(stderr, "ioe suite: --only=%s: no target '%.*s'; there are %s to %s\n",
			only, (int)length, name, rows[0].target, rows[ROWS - 1].target);
		return -EINVAL;
	}
	if (!n)
		fprintf(stderr, "ioe suite: --only=%s: names no target\n", only);
	return n ? 0 : -EINVAL;
}

bool floor_is_wanted(const struct floor *floor, const char *target)
{
	return !floor->suite->only || is_named(floor->suite->only, target);
}

int floor_best(const struct floor *floor, const struct bench_options *base,
	       struct bench_options *ret_best)
{
	const struct suite_options *suite = floor->suite;

	return search_best(base, floor->target, suite->search_ns, suite->quick ? 1 : 5, ret_best);
}

static bool is_unavailable(int error)
{
	return error == -ENOSYS || error == -EPERM || error == -EACCES || error == -ENOENT ||
	       error == -ENOMEM || error == -EOPNOTSUPP;
}

int floor_try(const struct floor *floor, const struct bench_options *options,
	      char ret_why[JOB_MESSAGE_MAX])
{
	struct bench_options brief = *options;
	struct job_result result;
	int rc;

	brief.runtime_ns = floor->suite->search_ns;
	rc = job_run(&brief, floor->target, &result);
	memcpy(ret_why, result.message, JOB_MESSAGE_MAX);
	if (!rc && result.interrupted)
		rc = -ECANCELED;
	job_result_deinit(&result);
	if (is_unavailable(rc))
		return -ENOENT;
	if (rc && rc != -ECANCELED)
		fprintf(stderr, "ioe suite: %s\n", ret_why);
	return rc;
}

static bool has_figure(const struct floor *floor, const char *target)
{
	for (uint32_t i = 0; i < floor->n_figures; i++)
		if (!strcmp(floor->figures[i].target, target))
			return true;
	return false;
}

/* Has the measurement of row i been run for a row before it? */
static bool has_run(const struct floor *floor, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (rows[k].run == rows[i].run && floor_is_wanted(floor, rows[k].target))
			return true;
	return false;
}

/* Returns 0 or the first error of a measurement; the others run all the same. */
static int measure(struct floor *floor)
{
	int first = 0;

	for (size_t i = 0; i < ROWS && !interrupt_seen(); i++) {
		int rc = 0;

		if (!floor_is_wanted(floor, rows[i].target))
			continue;
		floor->running = rows[i].target;
		if (rows[i].run && !has_run(floor, i))
			rc = rows[i].run(floor);
		if (interrupt_seen())
			return -ECANCELED;
		first = first ? first : rc;
		if (rc)
			floor_skip(floor, "what was to follow", "failed: %s", strerror(-rc));
		floor->running = rows[i].target;
		if (!has_figure(floor, rows[i].target))
			floor_skip(floor, rows[i].what, "%s",
				   rows[i].run ? "the measurement gave nothing" :
						 "there is no measurement");
	}
	return first ? first : floor->error;
}

static int write_all(const struct floor *floor, const char *directory)
{
	char path[PATH_BYTES];
	int rc;

	snprintf(path, sizeof(path), "%s/floor.txt", directory);
	rc = floor_write_table(floor, path);
	if (rc)
		return rc;
	snprintf(path, sizeof(path), "%s/floor.json", directory);
	rc = floor_write_json(floor, path);
	return rc ? rc : floor_write_plots(floor, directory);
}

int suite_floor(const struct suite_options *suite, const struct target *target)
{
	struct floor floor = { .suite = suite, .target = target };
	int rc;

	suite_print_head(stdout, suite, FLOOR_TITLE);
	printf("\n");
	floor_print_head(stdout);
	rc = measure(&floor);
	if (!interrupt_seen()) {
		printf("\n");
		floor_print_table(stdout, &floor);
		if (suite->output && write_all(&floor, suite->output))
			rc = rc ? rc : -EIO;
	}
	if (floor.error)
		fprintf(stderr, "ioe suite: figures are missing: %s\n", strerror(-floor.error));
	free(floor.figures);
	free(floor.points);
	free(floor.notes);
	return rc ? EXIT_FAILED : EXIT_OK;
}
