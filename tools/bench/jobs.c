/* SPDX-License-Identifier: MIT
 * jobs.c - all jobs of a run.
 * Invariants: see jobs.h. Clones are in the order of the plan, so walls do not go down.
 * Threads:    the main thread.
 * Ownership:  see jobs.h.
 */
#include "tools/bench/jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tools/bench/job_replay.h"
#include "tools/bench/monitor.h"
#include "tools/interrupt.h"

/* One of numjobs. */
struct clone {
	struct bench_options options;
	const struct option_given *given;
	uint32_t number; /* among those of its job */
	struct target target;
	struct job *job; /* while it runs */
	bool is_stuck;
};

struct jobs {
	const struct bench_plan *plan;
	struct clone *clones;
	struct job_result *results; /* [n_clones] */
	uint32_t n_clones;
	uint32_t n_begun;
	struct disk_stats disks;
	uint64_t start_ns;
	uint64_t next_status_ns;
	int wake_fd;
};

/* ---- Setting up ---------------------------------------------------------------------------- */

/* cpus_allowed_policy=split: one of them for each clone, from the first again after the last. */
static void split_cpus(struct bench_cpus *cpus, uint32_t number)
{
	uint64_t wanted = cpus->n ? number % cpus->n : 0, seen = 0;

	for (uint32_t i = 0; cpus->n && i < BENCH_CPUS_MAX; i++) {
		if (!(cpus->bits[i / 64] >> (i % 64) & 1))
			continue;
		if (seen++ != wanted)
			continue;
		memset(cpus->bits, 0, sizeof(cpus->bits));
		cpus->bits[i / 64] = 1ull << (i % 64);
		cpus->n = 1;
		return;
	}
}

static void make_clones(struct jobs *jobs)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < jobs->plan->n_jobs; i++) {
		const struct bench_options *job = &jobs->plan->jobs[i];

		for (uint32_t k = 0; k < (job->numjobs ? job->numjobs : 1); k++) {
			struct clone *clone = &jobs->clones[n++];

			clone->options = bench_options_for(job, job->ioengine);
			clone->given = &jobs->plan->given[i];
			clone->number = k;
			if (job->cpus_split)
				split_cpus(&clone->options.cpus_allowed, k);
		}
	}
}

/* Lists of IO say what files there are, and what is done to them. */
static int load_replays(struct jobs *jobs)
{
	char message[JOB_MESSAGE_MAX];

	for (uint32_t i = 0; i < jobs->n_clones; i++) {
		struct bench_options *options = &jobs->clones[i].options;

		if (options->read_iolog && replay_load(options, message, sizeof(message)))
			return target_complain(-EINVAL, "%s: read_iolog: %s", options->name,
					       message);
	}
	return 0;
}

static int resolve_all(struct jobs *jobs)
{
	const struct target **targets = calloc(jobs->n_clones, sizeof(struct target *));
	int rc = targets ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < jobs->n_clones && !rc; i++) {
		struct clone *clone = &jobs->clones[i];

		if (jobs->plan->readonly && clone->options.rw != BENCH_NOP &&
		    bench_is_write(&clone->options))
			rc = target_complain(-EINVAL, "%s: writes, and --readonly forbids it",
					     clone->options.name);
		if (!rc)
			rc = target_resolve(&clone->options, clone->number, &clone->target);
		targets[i] = &clone->target;
	}
	if (!rc)
		rc = target_check_space(targets, jobs->n_clones);
	free(targets);
	return rc;
}

static int lay_out_all(struct jobs *jobs)
{
	for (uint32_t i = 0; i < jobs->n_clones; i++) {
		struct clone *clone = &jobs->clones[i];
		int rc = target_lay_out(&clone->options, &clone->target);

		if (rc)
			return rc;
	}
	return 0;
}

static void free_jobs(struct jobs *jobs)
{
	for (uint32_t i = 0; jobs->clones && i < jobs->n_clones; i++)
		target_close(&jobs->clones[i].target);
	for (uint32_t i = 0; jobs->clones && i < jobs->n_clones; i++)
		replay_free(jobs->clones[i].options.replay);
	for (uint32_t i = 0; jobs->results && i < jobs->n_begun; i++)
		job_result_deinit(&jobs->results[i]);
	if (jobs->wake_fd >= 0)
		close(jobs->wake_fd);
	free(jobs->clones);
	free(jobs->results);
	free(jobs);
}

int jobs_open(const struct bench_plan *plan, struct jobs **ret_jobs)
{
	struct jobs *jobs = calloc(1, sizeof(*jobs));
	int rc;

	if (!jobs)
		return target_complain(-ENOMEM, "no memory for the jobs");
	jobs->plan = plan;
	for (uint32_t i = 0; i < plan->n_jobs; i++)
		jobs->n_clones += (uint32_t)(plan->jobs[i].numjobs ? plan->jobs[i].numjobs : 1);
	if (!jobs->n_clones)
		abort(); /* a plan has a job */
	jobs->clones = calloc(jobs->n_clones, sizeof(*jobs->clones));
	jobs->results = calloc(jobs->n_clones, sizeof(*jobs->results));
	jobs->wake_fd = (int)sys_result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	rc = jobs->wake_fd < 0 ? jobs->wake_fd : 0;
	if (!jobs->clones || !jobs->results)
		rc = -ENOMEM;
	if (rc) {
		(void)target_complain(rc, "%u jobs: %s", jobs->n_clones, strerror(-rc));
	} else {
		make_clones(jobs);
		rc = load_replays(jobs);
	}
	if (!rc)
		rc = resolve_all(jobs);
	if (!rc)
		rc = lay_out_all(jobs);
	if (rc)
		free_jobs(jobs);
	else
		*ret_jobs = jobs;
	return rc;
}

void jobs_close(struct jobs *jobs)
{
	/* The threads of one that is stuck use its options and its files. */
	if (jobs && !jobs_are_stuck(jobs))
		free_jobs(jobs);
}

/* ---- Running ------------------------------------------------------------------------------- */

/* Open the files of a clone and start its threads. What fails is in its result. */
static void start(struct jobs *jobs, uint32_t i, bool has_company)
{
	struct clone *clone = &jobs->clones[i];
	struct job_result *result = &jobs->results[i];
	int rc;

	if (job_result_init(result, &clone->options))
		abort(); /* of some KiB, at the start of a run */
	result->given = clone->given;
	if (clone->options.create_only) /* the files are there */
		return;
	rc = target_open_files(&clone->options, job_n_fds(&clone->options), &clone->target);
	if (rc) {
		result->error = rc;
		snprintf(result->message, sizeof(result->message),
			 "%s: its files could not be opened", clone->options.name);
		return;
	}
	if (clone->options.invalidate)
		target_invalidate(&clone->target);
	for (uint32_t k = 0; clone->options.disk_util && k < clone->target.n_fds;
	     k += clone->target.fds_per_file)
		(void)disk_stats_add(&jobs->disks, clone->target.fds[k]);
	clone->job = job_new(&clone->options, &clone->target, i, jobs->wake_fd, has_company);
	job_start(clone->job);
}

static void finish(struct jobs *jobs, uint32_t i)
{
	struct clone *clone = &jobs->clones[i];
	struct job_result *result = &jobs->results[i];
	struct job *job = clone->job;

	if (!job)
		return;
	clone->is_stuck = job->is_given_up;
	if (job->end_ns > jobs->start_ns)
		result->elapsed_ns = job->end_ns - jobs->start_ns;
	else
		result->elapsed_ns = clock_now_ns() - jobs->start_ns;
	if (clone->is_stuck) {
		job_give_up(job, result);
	} else {
		job_finish(job, result);
		target_close(&clone->target);
	}
	clone->job = NULL;
}

/* Clones [from, to), all at the same time. */
static void run_wall(struct jobs *jobs, uint32_t from, uint32_t to, void (*print_status)(void *),
		     void *arg)
{
	const uint32_t n = to - from;
	struct job **running = calloc(n, sizeof(struct job *));
	struct job_result **results = calloc(n, sizeof(struct job_result *));
	struct monitor_plan watch = {
		.jobs = running,
		.results = results,
		.wake_fd = jobs->wake_fd,
		.eta = jobs->plan->eta,
		.eta_newline_ns = jobs->plan->eta_newline_ns,
		.print_status = print_status,
		.arg = arg,
		.status_interval_ns = jobs->plan->status_interval_ns,
		.next_status_ns = &jobs->next_status_ns,
	};

	if (!running || !results)
		abort(); /* of some KiB */
	jobs->n_begun = to;
	for (uint32_t i = from; i < to; i++) {
		start(jobs, i, n > 1);
		if (!jobs->clones[i].job)
			continue;
		results[watch.n_jobs] = &jobs->results[i];
		running[watch.n_jobs++] = jobs->clones[i].job;
	}
	if (watch.n_jobs)
		monitor_watch(&watch);
	disk_stats_read(&jobs->disks);
	for (uint32_t i = from; i < to; i++)
		finish(jobs, i);
	free(running);
	free(results);
}

/* After a Ctrl-C those behind a stonewall that was not reached are in the report, too, as fio's:
 * so that what reads it finds each job at its place. */
static void list_others(struct jobs *jobs)
{
	for (; jobs->n_begun < jobs->n_clones; jobs->n_begun++) {
		const struct clone *clone = &jobs->clones[jobs->n_begun];
		struct job_result *result = &jobs->results[jobs->n_begun];

		if (job_result_init(result, &clone->options))
			abort(); /* of some KiB */
		result->given = clone->given;
		result->interrupted = true;
	}
}

static bool has_failed(const struct jobs *jobs)
{
	for (uint32_t i = 0; i < jobs->n_begun; i++) {
		if (job_result_is_bad(&jobs->results[i]))
			return true;
	}
	return false;
}

/* exitall with exit_what=all: also of the walls to come. */
static bool ends_all(const struct jobs *jobs, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		const struct bench_options *options = &jobs->clones[i].options;

		if (options->exitall && options->exit_what == BENCH_EXIT_ALL)
			return true;
	}
	return false;
}

int jobs_run(struct jobs *jobs, void (*print_status)(void *arg), void *arg)
{
	uint32_t to;

	jobs->start_ns = clock_now_ns();
	jobs->next_status_ns = jobs->start_ns + jobs->plan->status_interval_ns;
	/* The first one also after a Ctrl-C: it ends at once, with a report. */
	for (uint32_t from = 0; from < jobs->n_clones && (!from || !interrupt_seen()); from = to) {
		const uint64_t wall = jobs->clones[from].options.wall;

		for (to = from; to < jobs->n_clones && jobs->clones[to].options.wall == wall; to++)
			;
		run_wall(jobs, from, to, print_status, arg);
		if (jobs_are_stuck(jobs) || ends_all(jobs, from, to))
			break;
	}
	if (interrupt_seen())
		list_others(jobs);
	return has_failed(jobs) ? -EIO : 0;
}

bool jobs_are_stuck(const struct jobs *jobs)
{
	for (uint32_t i = 0; i < jobs->n_begun; i++) {
		if (jobs->clones[i].is_stuck)
			return true;
	}
	return false;
}

const struct job_result *jobs_results(const struct jobs *jobs, uint32_t *ret_n)
{
	*ret_n = jobs->n_begun;
	return jobs->results;
}

struct disk_stats *jobs_disks(struct jobs *jobs)
{
	return jobs->disks.n ? &jobs->disks : NULL;
}

/* ---- So far ---------------------------------------------------------------------------------- */

struct job_result *jobs_snapshot(struct jobs *jobs, uint32_t *ret_n)
{
	struct job_result *results = calloc(jobs->n_begun, sizeof(*results));
	uint32_t n = 0;

	for (; results && n < jobs->n_begun; n++) {
		const struct clone *clone = &jobs->clones[n];
		const struct job_result *so_far = &jobs->results[n];
		struct job_result *result = &results[n];

		if (job_result_init(result, &clone->options))
			break;
		result->given = clone->given;
		if (clone->job) {
			job_snapshot(clone->job, result);
			memcpy(result->iops, so_far->iops, sizeof(result->iops));
			memcpy(result->bytes_per_second, so_far->bytes_per_second,
			       sizeof(result->bytes_per_second));
		} else if (job_result_merge(result, so_far)) {
			n++;
			break;
		}
		result->n_jobs = 1;
		result->elapsed_ns = clock_now_ns() - jobs->start_ns;
	}
	disk_stats_read(&jobs->disks);
	*ret_n = results ? n : 0;
	return results;
}

void jobs_snapshot_free(struct job_result *results, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		job_result_deinit(&results[i]);
	free(results);
}
