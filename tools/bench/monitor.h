/* SPDX-License-Identifier: MIT
 * monitor.h - watches running jobs: start, ramp, deadline, Ctrl-C, rates over time, what hangs.
 * Invariants: wakes at most some ten times a second, so that what it watches is not disturbed.
 * Threads:    the main thread.
 * Ownership:  borrows all of its plan.
 */
#ifndef IOE_TOOLS_MONITOR_H
#define IOE_TOOLS_MONITOR_H

#include "tools/bench/job.h"

struct monitor_plan {
	struct job **jobs; /* job_start() has been called */
	struct job_result **results;
	uint32_t n_jobs;
	int wake_fd; /* of all jobs */
	uint64_t eta;
	uint64_t eta_newline_ns;
	/* On SIGUSR1, and every so often: print what there is so far. May be NULL. */
	void (*print_status)(void *arg);
	void *arg;
	uint64_t status_interval_ns; /* 0: none */
	uint64_t *next_status_ns;    /* kept over several plans; with status_interval_ns */
};

/* Let all jobs begin when all of them are ready, each after its startdelay; returns when every
 * thread of every job has ended, or a job was given up (job->is_given_up). Fills rates, series and
 * interrupted of the results. */
void monitor_watch(const struct monitor_plan *plan);

/* Of versus, a text before the live line ("round 2/5"), or NULL. Kept by reference. */
void monitor_set_prefix(const char *prefix);

/* The live line, in live_line.c ------------------------------------------------------------ */

enum live_state {
	LIVE_WAITING,
	LIVE_RAMP,
	LIVE_RUNNING,
	LIVE_READING_BACK,
	LIVE_ENDED,
	LIVE_FAILED,
};

/* What is known of one job. */
struct live_job {
	const struct bench_options *options;
	enum live_state state;
	uint32_t n_files;
	double progress; /* 0 to 1 */
};

struct live_rates {
	uint64_t ns;
	uint64_t ios[DIRECTIONS];
	uint64_t bytes[DIRECTIONS];
};

/* Is it wanted? */
bool live_line_is_wanted(uint64_t eta);
/* rates: since the last line; elapsed_ns: since the first job began. Returns text. */
char *live_line_format(const struct live_job jobs[], uint32_t n_jobs,
		       const struct live_rates *rates, uint64_t elapsed_ns, char *text,
		       size_t size);

#endif
