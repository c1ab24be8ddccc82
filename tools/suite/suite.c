/* SPDX-License-Identifier: MIT
 * suite.c - `ioe suite`: ours beside the raw loops on a real file, in tables.
 *
 * This is the command: options, file, head. What it measures is in suite_main.c, suite_merge.c and
 * floor.c.
 * Invariants: a file that the suite has made is removed, however the suite ends; one that it was
 *             given stays.
 * Threads:    the main thread.
 * Ownership:  none that outlives the command.
 */
#include "tools/suite/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/machine.h"
#include "tools/suite/floor.h"
#include "tools/units.h"

/* option_def.scope: the benchmarks an option means something to. */
enum {
	SCOPE_MAIN = 1 << SUITE_MAIN,
	SCOPE_MERGE = 1 << SUITE_MERGE,
	SCOPE_FLOOR = 1 << SUITE_FLOOR,
	SCOPE_EACH = SCOPE_MAIN | SCOPE_MERGE | SCOPE_FLOOR,
	/* The row is that of `ioe bench` but for what is said here. */
	SCOPE_BENCH_ROW = 1 << 8,
};

static const struct option_choice whats[] = {
	{ "main", SUITE_MAIN, "random reads: each backend beside its raw loop" },
	{ "merge", SUITE_MERGE, "merging: sequential IO beside large requests, random IO; writes" },
	{ "floor", SUITE_FLOOR, "what the engine costs: figures with targets, T1 to T12" },
	{ NULL, 0, NULL },
};

#define AT(field) .offset = offsetof(struct suite_options, field)

_Static_assert(offsetof(struct suite_options, job) == 0, "offsets of the rows of ioe bench");

static const struct option_def rows[] = {
	{ .name = "what",
	  .type = OPTION_CHOICE,
	  AT(what),
	  .initial = "main",
	  .choices = whats,
	  .scope = SCOPE_EACH,
	  .help = "what to measure" },
	{ .name = "filename",
	  .scope = SCOPE_BENCH_ROW | SCOPE_EACH,
	  .initial_help = "a new one, removed at the end",
	  .help = "file to work on; merge writes to it" },
	{ .name = "directory",
	  .type = OPTION_STRING,
	  AT(directory),
	  .min = 1,
	  .initial = "/var/tmp",
	  .scope = SCOPE_EACH,
	  .help = "where to make the new file" },
	{ .name = "size",
	  .scope = SCOPE_BENCH_ROW | SCOPE_EACH,
	  .initial = "1g",
	  .min = 1 << 20,
	  .help = "bytes of the file" },
	{ .name = "runtime",
	  .scope = SCOPE_BENCH_ROW | SCOPE_EACH,
	  .initial = "1500ms",
	  .help = "of each run" },
	{ .name = "search",
	  .type = OPTION_TIME,
	  AT(search_ns),
	  .unit = NS_PER_SECOND,
	  .min = NS_PER_MSEC,
	  .initial = "300ms",
	  .scope = SCOPE_EACH,
	  .help = "of each run of the search" },
	{ .name = "rounds", .scope = SCOPE_BENCH_ROW | SCOPE_EACH },
	{ .name = "quick",
	  .type = OPTION_BOOL,
	  AT(quick),
	  .initial = "0",
	  .scope = SCOPE_EACH,
	  .help = "a few seconds in all: shows that it works, measures nothing" },
	{ .name = "commit",
	  .type = OPTION_STRING,
	  AT(commit),
	  .initial = "unknown",
	  .scope = SCOPE_EACH,
	  .help = "printed in the head line" },
	{ .name = "eta",
	  .type = OPTION_CHOICE,
	  AT(job.eta),
	  .initial = "auto",
	  .choices = bench_etas,
	  .scope = SCOPE_EACH,
	  .help = "live line" },

	{ .group = "--what=main",
	  .name = "bs",
	  .scope = SCOPE_BENCH_ROW | SCOPE_MAIN,
	  .min = 512,
	  .max = 1 << 20 },
	/* A thread of psync and a helper of ours for each. */
	{ .name = "iodepth",
	  .scope = SCOPE_BENCH_ROW | SCOPE_MAIN,
	  .initial = "32",
	  .max = 256,
	  .help = "IOs in flight" },

	{ .group = "--what=merge",
	  .name = "batch",
	  .type = OPTION_COUNT,
	  AT(batch),
	  .min = 1,
	  .max = 1024,
	  .initial = "32",
	  .scope = SCOPE_MERGE,
	  .help = "blocks that a producer waits for before it submits again; or its slice" },

	{ .group = "--what=floor",
	  .name = "only",
	  .type = OPTION_STRING,
	  AT(only),
	  .min = 1,
	  .initial_help = "all",
	  .scope = SCOPE_FLOOR,
	  .help = "the targets to measure: T1,T6" },
	{ .name = "output",
	  .type = OPTION_STRING,
	  AT(output),
	  .min = 1,
	  .initial_help = "none",
	  .scope = SCOPE_FLOOR,
	  .help = "directory to write table, JSON and plots to" },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static struct option_def defs[ROWS + 1];

static const struct option_table suite_table = {
	.command = "ioe suite",
	.summary = "ours beside the raw loops, on a real file: tables",
	.parts = (const struct option_def *const[]){ defs, NULL },
};

static struct option_def complete_row(const struct option_def *row)
{
	struct option_def def = *row;

	if (!(row->scope & SCOPE_BENCH_ROW))
		return def;
	def = *option_at(&bench_table, options_find(&bench_table, row->name));
	def.scope = row->scope;
	def.group = row->group;
	if (row->initial || row->initial_help) {
		def.initial = row->initial;
		def.initial_help = row->initial_help;
	}
	if (row->min)
		def.min = row->min;
	if (row->max)
		def.max = row->max;
	if (row->help)
		def.help = row->help;
	return def;
}

const char *suite_format_spread(struct spread spread, char text[SUITE_SPREAD_MAX])
{
	snprintf(text, SUITE_SPREAD_MAX, "%.3f (%.3f-%.3f)", spread.median, spread.min, spread.max);
	return text;
}

void suite_print_head(FILE *out, const struct suite_options *suite, const char *what)
{
	const struct bench_options *job = &suite->job;
	char kernel[96], cpu[288], fs[600], size[UNITS_TEXT_MAX];

	machine_kernel(kernel, sizeof(kernel));
	machine_cpu(cpu, sizeof(cpu));
	machine_file_system(job->filename, fs, sizeof(fs));
	fprintf(out, "ioe %s, commit %s: %s; %llu runs of %.2f s in turn\n", ioe_version(),
		*suite->commit ? suite->commit : "unknown", what, (unsigned long long)job->rounds,
		(double)job->runtime_ns / 1e9);
	fprintf(out, "kernel %s; CPU %s; %s, file %s of %s\n", kernel, cpu, fs, job->filename,
		units_format_bytes((double)job->size_bytes, UNITS_1024, size));
	fflush(out);
}

int suite_run(const struct suite_options *suite, const struct bench_options sides[],
	      uint32_t n_sides, const struct target *target, const char *label,
	      struct versus *ret_versus)
{
	int rc = versus_run(sides, n_sides, target, (uint32_t)suite->job.rounds, label, ret_versus);

	if (rc && ret_versus->n_results)
		fprintf(stderr, "ioe suite: %s\n",
			ret_versus->results[ret_versus->n_results - 1].message);
	return !rc && ret_versus->interrupted ? -ECANCELED : rc;
}

static int run_on_file(const struct suite_options *suite)
{
	static int (*const runs[])(const struct suite_options *, const struct target *) = {
		[SUITE_MAIN] = suite_main,
		[SUITE_MERGE] = suite_merge,
		[SUITE_FLOOR] = suite_floor,
	};
	struct bench_options job = suite->job;
	struct target target;
	int rc;

	job.rw = suite->what == SUITE_MERGE ? BENCH_WRITE : BENCH_READ;
	rc = target_open(&job, 1, &target);
	if (rc)
		return rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	target_invalidate(&target);
	rc = runs[suite->what](suite, &target);
	if (interrupt_seen())
		fprintf(stderr, "ioe suite: interrupted\n");
	target_close(&target);
	return rc;
}

/* With a file of our own, in a directory of our own. */
static int run_on_new_file(struct suite_options *suite)
{
	char directory[512], path[544];
	int status;

	snprintf(directory, sizeof(directory), "%s/ioe-suite-XXXXXX", suite->directory);
	if (!mkdtemp(directory)) {
		fprintf(stderr, "ioe suite: %s: cannot make a directory there\n", suite->directory);
		return EXIT_USAGE;
	}
	snprintf(path, sizeof(path), "%s/data", directory);
	suite->job.filename = path;
	status = run_on_file(suite);
	suite->job.filename = NULL;
	unlink(path);
	rmdir(directory);
	return status;
}

/* Where the results are to go: before hours have been spent on them. */
static int make_directory(const char *path)
{
	struct stat st;
	int rc = (int)sys_result(mkdir(path, 0777));

	if (rc == -EEXIST && !stat(path, &st) && S_ISDIR(st.st_mode))
		rc = 0;
	if (rc)
		fprintf(stderr, "ioe suite: --output=%s: %s\n", path, strerror(-rc));
	return rc;
}

/* What all that the suite runs has in common. */
static void init_options(struct suite_options *suite)
{
	for (size_t i = 0; i < ROWS; i++)
		defs[i] = complete_row(&rows[i]);
	bench_options_init(&suite->job);
	suite->job.name = "suite";
	suite->job.direct = 1;
	suite->job.time_based = 1;
	suite->job.norandommap = 1;
	suite->job.threading = IOE_THREADING_INLINE;
	options_init(&suite_table, suite);
}

int suite_command(int argc, char **argv)
{
	const struct option_source source = { .command = suite_table.command };
	struct suite_options suite;
	struct option_given given;
	int rc;

	init_options(&suite);
	if (options_ask_for_help(argc, argv)) {
		options_help(&suite_table);
		return EXIT_OK;
	}
	if (options_parse(&suite_table, argc, argv, &suite, &given) ||
	    options_check_scope(&suite_table, &given, 1u << suite.what, "what",
				options_choice_name(whats, suite.what), &source))
		return EXIT_USAGE;
	if (suite.what == SUITE_FLOOR && suite.only && floor_check_only(suite.only))
		return EXIT_USAGE;
	if (suite.output && make_directory(suite.output))
		return EXIT_USAGE;
	if (suite.quick) {
		suite.job.runtime_ns = 50 * NS_PER_MSEC;
		suite.search_ns = 10 * NS_PER_MSEC;
		suite.job.rounds = 2;
		if (!options_is_given(&suite_table, &given, "size"))
			suite.job.size_bytes = 16 << 20;
	}
	rc = interrupt_open();
	if (rc) {
		fprintf(stderr, "ioe suite: signals: %s\n", strerror(-rc));
		return EXIT_FAILED;
	}
	return suite.job.filename ? run_on_file(&suite) : run_on_new_file(&suite);
}
