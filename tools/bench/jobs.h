/* SPDX-License-Identifier: MIT
 * jobs.h - all jobs of a run: their clones, in walls, each with its own engine and files.
 *
 * Jobs of one wall run at the same time, the walls one after the other. A job that fails does not
 * lose the results of the others.
 * Invariants: no file is touched before every file of every job has been looked at; no job begins
 *             before all files are laid out.
 * Threads:    the main thread.
 * Ownership:  jobs_close() frees all, results included. Of a job that was given up, because its IO
 *             does not come back, the memory stays: its threads still use it.
 */
#ifndef IOE_TOOLS_JOBS_H
#define IOE_TOOLS_JOBS_H

#include "tools/bench/disk_stats.h"
#include "tools/bench/job.h"

struct jobs;

/* Make the clones, look at their files, and lay these out. Says on stderr what is wrong. Returns 0;
 * -EINVAL: a mistake of the caller, nothing was written; -ECANCELED: Ctrl-C; else -errno. The plan
 * must stay. */
int jobs_open(const struct bench_plan *plan, struct jobs **ret_jobs);

/* Run all of them. print_status may be NULL: it is called on SIGUSR1 and with status_interval, and
 * may call jobs_snapshot(). Returns 0, or -EIO if any job went wrong: its result says why. */
int jobs_run(struct jobs *jobs, void (*print_status)(void *arg), void *arg);

/* Of those that have begun, in the order of the plan. */
const struct job_result *jobs_results(const struct jobs *jobs, uint32_t *ret_n);
struct disk_stats *jobs_disks(struct jobs *jobs);

/* In print_status: results so far, of those that have ended and of those that run. NULL: no
 * memory. */
struct job_result *jobs_snapshot(struct jobs *jobs, uint32_t *ret_n);
void jobs_snapshot_free(struct job_result *results, uint32_t n);

/* Has a job been given up? Then the process cannot end its threads. */
bool jobs_are_stuck(const struct jobs *jobs);

void jobs_close(struct jobs *jobs);

#endif
