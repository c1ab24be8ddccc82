/* SPDX-License-Identifier: MIT
 * job_pace.h - when the IOs of a job are due: its rate, its time to think, the times of a replay.
 *
 * With rates on a job that reads and writes, which of the two an IO is follows from what is due, as
 * with fio, and no longer from the mix alone. Time to think is of each submitting thread, as it is
 * of each job of fio.
 * Invariants: what is due by a rate or a replay does not hang on when anything came back; unless
 *             rate_ignore_thinktime says that a pause moves all that follows.
 * Threads:    any, but for init and deinit: one, while no thread of the job runs.
 * Ownership:  the job's.
 */
#ifndef IOE_TOOLS_JOB_PACE_H
#define IOE_TOOLS_JOB_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct bench_options;
struct job;
struct job_io;
struct job_pace;
struct job_thread;

/* Is there something that makes IOs wait? */
bool job_pace_is_wanted(const struct bench_options *options);

/* job->pace. -errno: job_fail() has been called. The threads and shards of the job are there. */
int job_pace_init(struct job *job);
void job_pace_deinit(struct job *job);

/* Latency is from the intended start, too. */
bool job_pace_has_intended(const struct job_pace *pace);

/* A read or write has been taken: which of the two it really is, and io->intended_ns. */
void job_pace_take(struct job_thread *thread, struct job_io *io);

/* The same of a replay: due so long after the start. */
void job_pace_take_at(struct job_thread *thread, struct job_io *io, uint64_t due_ns);

/* 0: now; a time; or JOB_NOT_YET: when another has come back. Of the IO taken last. */
uint64_t job_pace_due_ns(struct job_thread *thread, const struct job_io *io);

/* One has come back that this thread had submitted. */
void job_pace_done(struct job *job, uint32_t thread_index, uint64_t now_ns);

#endif
