/* SPDX-License-Identifier: MIT
 * search.h - the best setting of a reference loop on this machine.
 * Invariants: registered buffers are never tried: our engine does not have them to set against.
 * Threads:    the main thread.
 * Ownership:  none.
 */
#ifndef IOE_TOOLS_SEARCH_H
#define IOE_TOOLS_SEARCH_H

#include "tools/bench/job.h"

/* Try settings of base->ioengine, which is raw-io_uring or raw-libaio, runtime_ns each, rounds
 * times. *ret_best is base with the best ones. Returns 0 or the job's -errno; -ECANCELED on
 * Ctrl-C. */
int search_best(const struct bench_options *base, const struct target *target, uint64_t runtime_ns,
		uint32_t rounds, struct bench_options *ret_best);

/* "iodepth_batch_submit=32 submit_and_wait ...": what a setting consists of. */
void search_describe(const struct bench_options *options, char *text, size_t size);

#endif
