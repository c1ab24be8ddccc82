/* SPDX-License-Identifier: MIT
 * bench.c - `ioe bench`: from the command line to a report.
 * Invariants: nothing is opened before the options have passed every check; the file of --output is
 *             as it was if nothing was run.
 * Threads:    the main thread.
 * Ownership:  none that outlives the command; of a job that will not end, what its threads use.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/bench/bench_help.h"
#include "tools/bench/fio.h"
#include "tools/bench/jobs.h"
#include "tools/bench/plan.h"
#include "tools/bench/report.h"
#include "tools/commands.h"
#include "tools/interrupt.h"

/* A run, and where its results go. */
struct run {
	const struct bench_plan *plan;
	struct jobs *jobs;
	FILE *out;
	bool is_new; /* the file of --output was not there */
	bool is_bad;
	bool is_stuck; /* a job will not end: what it uses must stay */
};

/* ---- Where results go ------------------------------------------------------------------------ */

/* To be emptied when there is something to write. */
static int open_output(struct run *run)
{
	const char *path = run->plan->output;

	run->out = stdout;
	if (!path)
		return 0;
	run->is_new = access(path, F_OK) != 0;
	run->out = fopen(path, "ae");
	if (run->out)
		return 0;
	fprintf(stderr, "ioe bench: --output=%s: %s\n", path, strerror(-(int)sys_result(-1)));
	return -EINVAL;
}

static void begin_output(struct run *run)
{
	if (run->plan->output)
		(void)!ftruncate(fileno(run->out), 0);
}

/* begun: something was run. Returns the exit status: that of the run if all was written. */
static int close_output(struct run *run, int status, bool begun)
{
	const char *path = run->plan->output;
	bool is_bad = fflush(run->out) || ferror(run->out);

	if (is_bad)
		fprintf(stderr, "ioe bench: %s%s: %s\n", path ? "--output=" : "",
			path ? path : "standard output", strerror(EIO));
	if (path) {
		fclose(run->out);
		if (!begun && run->is_new)
			unlink(path);
	}
	return is_bad && !status ? EXIT_FAILED : status;
}

static void report(struct run *run, const struct report *report)
{
	int rc = run->plan->output_format == BENCH_NORMAL ? report_normal(run->out, report) :
							    report_json(run->out, report);

	if (rc)
		run->is_bad = true;
	fflush(run->out);
}

/* What was said of all jobs; NULL: nothing. */
static const struct option_given *global_of(const struct bench_plan *plan)
{
	for (size_t i = 0; i < sizeof(plan->global.bits) / sizeof(plan->global.bits[0]); i++) {
		if (plan->global.bits[i])
			return &plan->global;
	}
	return NULL;
}

/* ---- Jobs ------------------------------------------------------------------------------------ */

static int print_head(const struct run *run)
{
	const struct bench_plan *plan = run->plan;
	struct bench_options *jobs;

	if (plan->output_format != BENCH_NORMAL)
		return 0;
	jobs = calloc(plan->n_jobs, sizeof(*jobs));
	if (!jobs)
		return -ENOMEM;
	for (uint32_t i = 0; i < plan->n_jobs; i++)
		jobs[i] = bench_options_for(&plan->jobs[i], plan->jobs[i].ioengine);
	report_head(run->out, jobs, plan->n_jobs);
	fflush(run->out);
	free(jobs);
	return 0;
}

static void print_status(void *arg)
{
	struct run *run = arg;
	uint32_t n;
	struct job_result *results = jobs_snapshot(run->jobs, &n);
	const struct report so_far = {
		.results = results,
		.n = n,
		.global = global_of(run->plan),
		.disks = jobs_disks(run->jobs),
	};

	if (results && n)
		report(run, &so_far);
	if (results)
		jobs_snapshot_free(results, n);
}

static void print_errors(const struct run *run, const struct job_result results[], uint32_t n)
{
	bool is_one = run->plan->n_jobs == 1;

	for (uint32_t i = 0; i < n; i++) {
		if (results[i].error)
			fprintf(stderr, "ioe bench: %s%s%s\n",
				is_one ? "" : results[i].options.name, is_one ? "" : ": ",
				results[i].message);
	}
}

static int run_jobs(struct run *run)
{
	struct report all = { .global = global_of(run->plan) };
	int rc = jobs_open(run->plan, &run->jobs);

	if (rc)
		return close_output(run, rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED, false);
	begin_output(run);
	run->is_bad = print_head(run) != 0;
	if (jobs_run(run->jobs, print_status, run))
		run->is_bad = true;
	all.results = jobs_results(run->jobs, &all.n);
	all.disks = jobs_disks(run->jobs);
	report(run, &all);
	print_errors(run, all.results, all.n);
	run->is_stuck = jobs_are_stuck(run->jobs);
	jobs_close(run->jobs);
	return close_output(run, run->is_bad ? EXIT_FAILED : EXIT_OK, true);
}

/* ---- Comparison ------------------------------------------------------------------------------ */

static void run_sides(struct run *run, const struct target *target)
{
	const struct bench_options *options = &run->plan->jobs[0];
	const struct bench_options sides[2] = {
		bench_options_for(options, options->ioengine),
		bench_options_for(options, options->versus),
	};
	struct versus versus = { .n_results = 0 };

	if (options->output_format == BENCH_NORMAL)
		report_head(run->out, sides, 2);
	if (versus_run(sides, 2, target, (uint32_t)options->rounds, NULL, &versus))
		run->is_bad = true;
	for (uint32_t i = 0; i < versus.n_results; i++) {
		versus.results[i].given = &run->plan->given[0];
		run->is_stuck = run->is_stuck || versus.results[i].n_missing > 0;
	}
	if (options->output_format != BENCH_NORMAL) {
		const struct report both = {
			.results = versus.results,
			.n = versus.n_results,
			.versus = &versus,
		};

		report(run, &both);
	} else {
		for (uint32_t i = 0; i < versus.n_results; i++)
			report_normal_line(run->out, &versus.results[i]);
		if (versus.n_rounds)
			report_versus_normal(run->out, &versus);
	}
	print_errors(run, versus.results, versus.n_results);
	versus_deinit(&versus);
}

static int run_versus(struct run *run)
{
	const struct bench_options *options = &run->plan->jobs[0];
	const struct bench_options other = bench_options_for(options, options->versus);
	uint32_t n_fds = job_n_fds(options);
	struct target target;
	char fio[512];
	int rc;

	if ((options->ioengine == BENCH_FIO || options->versus == BENCH_FIO) &&
	    fio_find(fio, sizeof(fio))) {
		fprintf(stderr, "ioe bench: --versus=fio: fio is not installed: none in PATH\n");
		return close_output(run, EXIT_FAILED, false);
	}
	if (job_n_fds(&other) > n_fds)
		n_fds = job_n_fds(&other);
	rc = target_open(options, n_fds, &target);
	if (rc)
		return close_output(run, rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED, false);
	if (options->invalidate)
		target_invalidate(&target);
	begin_output(run);
	run_sides(run, &target);
	if (!run->is_stuck)
		target_close(&target);
	return close_output(run, run->is_bad ? EXIT_FAILED : EXIT_OK, true);
}

static int run_plan(struct run *run)
{
	int rc = interrupt_open();

	if (rc) {
		fprintf(stderr, "ioe bench: signals: %s\n", strerror(-rc));
		return EXIT_FAILED;
	}
	if (open_output(run))
		return EXIT_USAGE;
	return run->plan->jobs[0].versus == BENCH_NO_IOENGINE ? run_jobs(run) : run_versus(run);
}

static int print_plan(const struct bench_plan *plan)
{
	/* As with fio, not to where results would go. */
	const struct bench_plan to_stdout = { .output = NULL };
	struct run shown = { .plan = &to_stdout, .out = stdout };

	plan_show(stdout, plan);
	return close_output(&shown, EXIT_OK, true);
}

int bench_command(int argc, char **argv)
{
	struct bench_plan plan;
	struct run run = { .plan = &plan };
	int status = EXIT_OK;

	if (bench_help_answer(argc, argv, &status))
		return status;
	if (command_line_parse(argc, argv, &plan))
		status = EXIT_USAGE;
	else if (plan.showcmd)
		status = print_plan(&plan);
	else if (!plan.parse_only)
		status = run_plan(&run);
	/* Threads that wait for IO which does not come back keep exit() from ending. */
	if (run.is_stuck)
		_exit(status);
	plan_deinit(&plan);
	return status;
}
