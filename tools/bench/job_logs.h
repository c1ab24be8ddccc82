/* SPDX-License-Identifier: MIT
 * job_logs.h - what a job writes down of itself: write_iolog, write_bw_log, write_lat_log,
 * write_iops_log.
 * Invariants: a list of IOs has them in the order in which they were submitted; those of reading
 *             back, for verify, too, as with fio.
 * Threads:    any, but for init, write and deinit: one, while no thread of the job runs. A shard's
 *             samples are of the thread whose shard it is.
 * Ownership:  the job's.
 */
#ifndef IOE_TOOLS_JOB_LOGS_H
#define IOE_TOOLS_JOB_LOGS_H

#include <stdbool.h>
#include <stdint.h>

struct job;
struct job_io;
struct job_logs;

/* job->logs, if the job has any. -errno: job_fail() has been called. */
int job_logs_init(struct job *job);
void job_logs_deinit(struct job *job);

/* Are there samples of what comes back? A list of what is submitted? */
bool job_logs_have_samples(const struct job_logs *logs);
bool job_logs_have_list(const struct job_logs *logs);

/* An IO is being submitted. */
void job_logs_submit(struct job *job, const struct job_io *io);

/* It has come back, whole. */
void job_logs_done(struct job *job, uint32_t shard, const struct job_io *io, uint64_t now_ns,
		   bool is_issue_seen);

/* Write the files: what fails is the job's error. */
void job_logs_write(struct job *job);

#endif
