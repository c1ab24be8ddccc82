/* SPDX-License-Identifier: MIT
 * fio.h - fio itself as one side of a comparison.
 *
 * Runs the fio that is installed on the same file with the same settings, and makes a job_result of
 * what it says. What exactly is run stands in README.md of this folder.
 * Invariants: no shell; fio ends before fio_run() returns, and with us if we are killed.
 * Threads:    the main thread, while the tool has no other: it forks.
 * Ownership:  as job_run(): the result is the caller's.
 */
#ifndef IOE_TOOLS_FIO_H
#define IOE_TOOLS_FIO_H

#include <stddef.h>

#include "tools/bench/job.h"

/* The path of the fio that would be run. Returns 0, or -ENOENT: none in PATH. */
int fio_find(char *ret_path, size_t size);

/* fio's name of the engine that it uses. */
const char *fio_engine_name(const struct bench_options *options);

/* job_run() for ioengine BENCH_FIO; ret_result->direction is there and empty. Says in message what
 * has failed; -ENOENT: no fio. engine.reason is fio's version. Returns ret_result->error. */
int fio_run(const struct bench_options *options, const struct target *target,
	    struct job_result *ret_result);

/* Fill *result from what fio has written, [text, text + length): JSON, perhaps with lines before
 * and after it. Returns 0, or -EINVAL: that is not what fio writes. In fio_result.c. */
int fio_result_read(const char *text, size_t length, struct job_result *result);

#endif
