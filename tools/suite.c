/* SPDX-License-Identifier: MIT
 * suite.c - `ioe suite`: the main job on a real file, ours beside the raw loops, in one table.
 *
 * For each backend: the best setting of its reference loop is searched (psync has none: it gets as
 * many threads as ours has helpers), then ours, with INLINE threading and events resubmitted from
 * their callbacks, runs in turn with that best.
 * Invariants: a file that the suite has made is removed, however the suite ends; one that it was
 *             given stays.
 * Threads:    the main thread.
 * Ownership:  none that outlives the command.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "interrupt.h"
#include "machine.h"
#include "report.h"
#include "search.h"
#include "units.h"

struct suite_options {
	const char *filename;
	const char *directory;
	const char *commit;
	uint64_t size_bytes;
	uint64_t bs_bytes;
	uint64_t iodepth;
	uint64_t runtime_ns;
	uint64_t search_ns;
	uint64_t rounds;
	uint64_t quick;
	uint64_t eta;
};

#define AT(field) .offset = offsetof(struct suite_options, field)

static const struct option_choice etas[] = {
	{ "auto", BENCH_ETA_AUTO, "on a terminal" },
	{ "always", BENCH_ETA_ALWAYS, "also elsewhere" },
	{ "never", BENCH_ETA_NEVER, "no live line" },
	{ NULL, 0, NULL },
};

static const struct option_def defs[] = {
	{ .name = "filename",
	  .type = OPTION_STRING,
	  AT(filename),
	  .min = 1,
	  .scope = SCOPE_ALL,
	  .initial_help = "a new one, removed at the end",
	  .help = "file to read" },
	{ .name = "directory",
	  .type = OPTION_STRING,
	  AT(directory),
	  .min = 1,
	  .initial = "/var/tmp",
	  .scope = SCOPE_ALL,
	  .help = "where to make the new file" },
	{ .name = "size",
	  .type = OPTION_SIZE,
	  AT(size_bytes),
	  .initial = "1g",
	  .min = 1 << 20,
	  .scope = SCOPE_ALL,
	  .help = "bytes of the file" },
	{ .name = "bs",
	  .type = OPTION_SIZE,
	  AT(bs_bytes),
	  .initial = "4k",
	  .min = 512,
	  .max = 1 << 20,
	  .scope = SCOPE_ALL,
	  .help = "bytes of each IO" },
	{ .name = "iodepth",
	  .type = OPTION_COUNT,
	  AT(iodepth),
	  .initial = "32",
	  .min = 1,
	  .max = 256,
	  .scope = SCOPE_ALL,
	  .help = "IOs in flight" },
	{ .name = "runtime",
	  .type = OPTION_TIME,
	  AT(runtime_ns),
	  .unit = NS_PER_SECOND,
	  .min = NS_PER_MSEC,
	  .initial = "1500ms",
	  .scope = SCOPE_ALL,
	  .help = "of each run" },
	{ .name = "search",
	  .type = OPTION_TIME,
	  AT(search_ns),
	  .unit = NS_PER_SECOND,
	  .min = NS_PER_MSEC,
	  .initial = "300ms",
	  .scope = SCOPE_ALL,
	  .help = "of each run of the search" },
	{ .name = "rounds",
	  .type = OPTION_COUNT,
	  AT(rounds),
	  .initial = "5",
	  .min = 1,
	  .max = 100,
	  .scope = SCOPE_ALL,
	  .help = "runs of each" },
	{ .name = "quick",
	  .type = OPTION_BOOL,
	  AT(quick),
	  .initial = "0",
	  .scope = SCOPE_ALL,
	  .help = "a few seconds in all: shows that it works, measures nothing" },
	{ .name = "commit",
	  .type = OPTION_STRING,
	  AT(commit),
	  .initial = "unknown",
	  .scope = SCOPE_ALL,
	  .help = "printed in the head line" },
	{ .name = "eta",
	  .type = OPTION_CHOICE,
	  AT(eta),
	  .initial = "auto",
	  .choices = etas,
	  .scope = SCOPE_ALL,
	  .help = "live line" },
	{ .name = NULL },
};

static const struct option_table suite_table = {
	.command = "ioe suite",
	.summary = "ours beside the raw loops, on a real file: one table",
	.defs = defs,
};

struct pair {
	uint64_t ours;
	uint64_t raw;
	const char *backend;
};

static const struct pair pairs[] = {
	{ BENCH_URING, BENCH_RAW_URING, "uring" },
	{ BENCH_AIO, BENCH_RAW_AIO, "aio" },
	{ BENCH_THREADS, BENCH_PSYNC, "threads" },
};

#define PAIRS (sizeof(pairs) / sizeof(pairs[0]))

struct row {
	struct versus versus;
	char setting[160];
};

/* The options of the main job; every other field at its default. */
static struct bench_options main_job(const struct suite_options *suite)
{
	struct bench_options options;

	options_init(&bench_table, &options);
	options.name = "suite";
	options.filename = suite->filename;
	options.size_bytes = suite->size_bytes;
	options.bs_bytes = suite->bs_bytes;
	options.rw = BENCH_RANDREAD;
	options.direct = 1;
	options.iodepth = suite->iodepth;
	options.threading = IOE_THREADING_INLINE;
	options.runtime_ns = suite->runtime_ns;
	options.time_based = 1;
	options.spin_ns = SPIN_DEFAULT;
	options.eta = suite->eta;
	return options;
}

static int run_pair(const struct suite_options *suite, const struct pair *pair,
		    const struct target *target, struct row *row)
{
	struct bench_options base = main_job(suite), ours, raw;
	uint32_t search_rounds = suite->quick ? 1 : 5;
	int rc;

	base.versus = pair->raw; /* so that psync is given a thread for each IO of the depth */
	ours = bench_options_for(&base, pair->ours);
	raw = bench_options_for(&base, pair->raw);
	if (pair->raw == BENCH_PSYNC) {
		snprintf(row->setting, sizeof(row->setting), "%llu threads",
			 (unsigned long long)raw.submit_threads);
	} else {
		rc = search_best(&raw, target, suite->search_ns, search_rounds, &raw);
		if (rc)
			return rc;
		search_describe(&raw, row->setting, sizeof(row->setting));
	}
	rc = versus_run(&ours, &raw, target, (uint32_t)suite->rounds, NULL, &row->versus);
	if (rc && row->versus.n_results)
		fprintf(stderr, "ioe suite: %s\n",
			row->versus.results[row->versus.n_results - 1].message);
	return !rc && row->versus.interrupted ? -ECANCELED : rc;
}

static void print_head(const struct suite_options *suite)
{
	char kernel[96], cpu[288], fs[600], size[UNITS_TEXT_MAX], bs[UNITS_TEXT_MAX];

	machine_kernel(kernel, sizeof(kernel));
	machine_cpu(cpu, sizeof(cpu));
	machine_file_system(suite->filename, fs, sizeof(fs));
	printf("ioe %s, commit %s: random reads of %s, O_DIRECT, depth %llu; INLINE, resubmitted "
	       "from callbacks; %llu runs of %.2f s in turn\n",
	       ioe_version(), *suite->commit ? suite->commit : "unknown",
	       units_format_bytes((double)suite->bs_bytes, UNITS_1024, bs),
	       (unsigned long long)suite->iodepth, (unsigned long long)suite->rounds,
	       (double)suite->runtime_ns / 1e9);
	printf("kernel %s; CPU %s; %s, file %s of %s\n", kernel, cpu, fs, suite->filename,
	       units_format_bytes((double)suite->size_bytes, UNITS_1024, size));
	fflush(stdout);
}

static void print_table(const struct row rows[], const int status[])
{
	printf("\n%-8s %-12s %9s %9s %8s %8s   %-21s %s\n", "", "", "ours", "raw", "ours", "raw",
	       "IOPS ours/raw", "CPU ours/raw");
	printf("%-8s %-12s %9s %9s %8s %8s   %-21s %s\n", "backend", "raw loop", "IOPS", "IOPS",
	       "us/IO", "us/IO", "median (min-max)", "median (min-max)");
	for (size_t i = 0; i < PAIRS; i++) {
		const struct versus *v = &rows[i].versus;
		const struct spread *iops = &v->ratio[VERSUS_IOPS], *cpu = &v->ratio[VERSUS_CPU_US];
		const char *raw = options_choice_name(bench_ioengines, pairs[i].raw);

		if (status[i]) {
			printf("%-8s %-12s %s\n", pairs[i].backend, raw, strerror(-status[i]));
			continue;
		}
		printf("%-8s %-12s %9.0f %9.0f %8.2f %8.2f   %.3f (%.3f-%.3f)   %.3f (%.3f-%.3f)\n",
		       pairs[i].backend, raw, v->value[0][VERSUS_IOPS].median,
		       v->value[1][VERSUS_IOPS].median, v->value[0][VERSUS_CPU_US].median,
		       v->value[1][VERSUS_CPU_US].median, iops->median, iops->min, iops->max,
		       cpu->median, cpu->min, cpu->max);
	}
	printf("\nbest settings found of the raw loops, without registered buffers:\n");
	for (size_t i = 0; i < PAIRS; i++) {
		if (!status[i])
			printf("  %-12s %s\n", options_choice_name(bench_ioengines, pairs[i].raw),
			       rows[i].setting);
	}
}

static int run_pairs(const struct suite_options *suite, const struct target *target)
{
	struct row rows[PAIRS] = { 0 };
	int status[PAIRS] = { 0 };
	int failed = 0;

	print_head(suite);
	for (size_t i = 0; i < PAIRS && !interrupt_seen(); i++) {
		status[i] = run_pair(suite, &pairs[i], target, &rows[i]);
		failed |= status[i] != 0;
	}
	if (interrupt_seen())
		fprintf(stderr, "ioe suite: interrupted\n");
	else
		print_table(rows, status);
	for (size_t i = 0; i < PAIRS; i++)
		versus_deinit(&rows[i].versus);
	return failed || interrupt_seen() ? EXIT_FAILED : EXIT_OK;
}

static int run_on_file(const struct suite_options *suite)
{
	struct bench_options options = main_job(suite);
	struct target target;
	int rc = target_open(&options, 1, &target);

	if (rc)
		return rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	target_invalidate(&target);
	rc = run_pairs(suite, &target);
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
	suite->filename = path;
	status = run_on_file(suite);
	suite->filename = NULL;
	unlink(path);
	rmdir(directory);
	return status;
}

int suite_command(int argc, char **argv)
{
	struct suite_options suite;
	struct option_given given;
	int rc;

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		options_help(&suite_table);
		return EXIT_OK;
	}
	options_init(&suite_table, &suite);
	if (options_parse(&suite_table, argc, argv, &suite, &given))
		return EXIT_USAGE;
	if (suite.quick) {
		suite.runtime_ns = 50 * NS_PER_MSEC;
		suite.search_ns = 10 * NS_PER_MSEC;
		suite.rounds = 2;
		if (!options_is_given(&suite_table, &given, "size"))
			suite.size_bytes = 16 << 20;
	}
	rc = interrupt_open();
	if (rc) {
		fprintf(stderr, "ioe suite: signals: %s\n", strerror(-rc));
		return EXIT_FAILED;
	}
	return suite.filename ? run_on_file(&suite) : run_on_new_file(&suite);
}
