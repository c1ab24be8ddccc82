/* SPDX-License-Identifier: MIT
 * plan.h - a run as it is put together from what stands on the command line and in job files.
 *
 * Options before the first job, and in [global], are defaults of all jobs that are begun later.
 * Invariants: plan_finish() has seen every job and all of them together, or has said what is wrong;
 *             nothing was opened or made until then.
 * Threads:    the main thread.
 * Ownership:  the plan owns its jobs and the texts of job files; texts of argv stay where they are.
 */
#ifndef IOE_TOOLS_PLAN_H
#define IOE_TOOLS_PLAN_H

#include "tools/bench/bench_options.h"

/* Options of the run: values are a struct bench_plan. */
extern const struct option_table bench_run_table;

struct plan_builder {
	struct bench_plan *plan;
	struct bench_options defaults;
	struct option_given run_given; /* of bench_run_table */
	const char **sections;         /* --section: the only jobs to run */
	uint32_t n_sections;
	uint32_t n_jobs_max; /* that plan->jobs has room for */
	bool in_job;         /* options are those of the last job, else defaults */
	bool is_skipped;     /* ... of a job that --section leaves out */
	bool any_job;        /* also if left out */
	bool any_file;       /* jobs were to be in job files */
};

/* ret_plan is what is being built, and can be deinitialised from here on. */
void plan_begin(struct plan_builder *ret_builder, struct bench_plan *ret_plan);

/* Begin a job; a name that begins with "global" is that of none, as in fio. where: "job.fio:12";
 * NULL: on the command line. starts_file: it is the first of a job file that is not the first. */
int plan_job(struct plan_builder *builder, const char *name, const char *where, bool starts_file);

/* An option of the job, or of all; NULL: without a value. */
int plan_option(struct plan_builder *builder, const char *name, const char *text,
		const char *where);

/* Check all of it. Returns 0, or -EINVAL having said why, or -ENOMEM. */
int plan_finish(struct plan_builder *builder);

void plan_deinit(struct bench_plan *plan);

/* A copy that stays until plan_deinit(); NULL: no memory. */
char *plan_keep(struct bench_plan *plan, const char *text, size_t length);

/* The plan as a command line for `ioe bench`, quoted for a shell. */
void plan_show(FILE *out, const struct bench_plan *plan);

/* All of a command line: options, then job files. Returns 0, or -EINVAL having said why. The caller
 * has answered --help and the like. ret_plan must be deinitialised in any case. */
int command_line_parse(int argc, char **argv, struct bench_plan *ret_plan);

/* Options of fio that are none here: what becomes of one. Returns 1: no such option; 0: it can be
 * ignored, and has been said to be; -EINVAL: it cannot, and that has been said. */
int fio_option_check(const struct option_source *source, const char *name, const char *text);

#endif
