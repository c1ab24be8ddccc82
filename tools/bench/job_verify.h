/* SPDX-License-Identifier: MIT
 * job_verify.h - verify=: a job's writes are blocks that say what they are, and are read back.
 *
 * The unit is a block of verify.h: the size of the IO, or verify_interval, or the least size where
 * sizes differ. A map has a word for each unit of each file: how often it was written, and whether
 * it is being written. Generation: verify_generation for the first write of a unit by this job, one
 * more for each that follows.
 *   V1 at the start of a write, when none of the unit is under way, what is there afterwards will
 *      be this generation or a later one: low = begun + 1. Otherwise low stays, since nobody knows
 *      which of the two is the last to reach the disk.
 *   V2 read back, a unit must be of a generation in [low, begun].
 *   V3 what a failed write, or one that was not submitted, has left is not known, until the next
 *      write of the unit begins when none is under way.
 * V4 while a read of the backlog is under way, low stays as well: so what a write may do meanwhile
 *      does not move it.
 * V5 a read of the backlog does not begin while a write of the unit is under way: low is what
 *      will be there afterwards (V1), and the read may still see what was there before. That write
 *      comes into the backlog itself; the other units of a read that was dropped may not, so all
 *      is read back in the end then.
 * A job that only reads checks what it reads, against what the options say: any generation from
 * verify_generation on.
 * Invariants: only units that were written, and of which it is known what they are, are read back.
 * Threads:    any, but for init, deinit, start_read_back and finish: one, while no IO is out.
 * Ownership:  the job's, from job_verify_init() to job_verify_deinit().
 */
#ifndef IOE_TOOLS_JOB_VERIFY_H
#define IOE_TOOLS_JOB_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench_options;
struct job;
struct job_io;
struct job_verify;
struct io_stats;

/* Can IOs of these sizes be verified? -EINVAL, and why not. */
int job_verify_check(const struct bench_options *options, char *ret_message, size_t message_bytes);

/* job->verify, if the job has one; else NULL. -errno: job_fail() has been called. The pattern of
 * the job is there. */
int job_verify_init(struct job *job);
void job_verify_deinit(struct job *job);

/* A write is about to be submitted: fill its buffer. */
void job_verify_begin(struct job_verify *verify, const struct job_io *io);

/* Take a write for done. */
void job_verify_assume(struct job_verify *verify, const struct job_io *io);

/* It has come back, or will not be submitted: result < 0. */
void job_verify_end(struct job_verify *verify, const struct job_io *io, int64_t result);

/* A read of a job that verifies has come back whole: look at it. */
void job_verify_look(struct job *job, struct io_stats *stats, const struct job_io *io);

/* Is a read of this job to be looked at? */
bool job_verify_wants(const struct job_verify *verify, const struct job_io *io);

/* Does the job write nothing, and only check what an earlier run has written (verify_only)? */
bool job_verify_is_dry(const struct job *job);

/* Is there something to be read back, when all writes have come back? */
bool job_verify_has_more(const struct job *job);
/* From here on job_verify_next() says what to do. */
void job_verify_start_read_back(struct job *job);

/* The next IO of reading back; false: there is no more. */
bool job_verify_next(struct job *job, struct job_io *io);

/* verify_backlog: is it time to read back something that was written a while ago? Fills *io. */
bool job_verify_next_of_backlog(struct job_verify *verify, struct job_io *io);
/* A read of job_verify_next() or of the backlog has ended, or will not be submitted. */
void job_verify_read_ended(struct job_verify *verify, const struct job_io *io);

/* How much of reading back is done, 0 to 1. Any thread, at any time. */
double job_verify_progress(struct job_verify *verify);

/* After all: what was found is the job's error. */
void job_verify_finish(struct job *job);

#endif
