/* SPDX-License-Identifier: MIT
 * job_replay.h - read_iolog=: a job whose IOs are those of a list.
 *
 * What the list says wins over the options of the pattern: which files, how large they must be,
 * what is read and written, and when, unless replay_no_stall says to do it as fast as it goes.
 * Opening and closing is not done again: all files are open while the job runs.
 * Invariants: IO number n is line n of those that are IO; with loops, of each pass.
 * Threads:    any, but for load and free: one.
 * Ownership:  a replay is the caller's, freed by replay_free(); options point into it.
 */
#ifndef IOE_TOOLS_JOB_REPLAY_H
#define IOE_TOOLS_JOB_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/bench/bench_options.h"

struct job_io;
struct replay;

/* Read the list of options->read_iolog, and change the options to what it asks for: filename, sizes
 * of IOs, rw, and options->replay. -errno, and why in ret_message. */
int replay_load(struct bench_options *options, char *ret_message, size_t message_bytes);
void replay_free(struct replay *replay);

/* How long this file, of those of filename, must be. */
uint64_t replay_file_bytes(const struct replay *replay, uint32_t file);

/* Is what is due not all due at once? */
bool replay_has_times(const struct replay *replay);

/* Fill in number n; false: there is no such. *ret_due_ns: from the start of the job. */
bool replay_at(const struct replay *replay, uint64_t n, struct job_io *io, uint64_t *ret_due_ns);

/* Reads, writes and syncs in all. */
uint64_t replay_n_ios(const struct replay *replay);

#endif
