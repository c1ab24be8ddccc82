/* SPDX-License-Identifier: MIT
 * job_result.h - what a job has done, as it is reported: of one job, or of several together.
 * Invariants: a result with n_jobs > 1 is a sum that job_result_merge() has made; of a job that
 *             still runs it is a snapshot, with runtime_ns so far.
 * Threads:    one at a time.
 * Ownership:  a result owns its direction and series; freed by job_result_deinit().
 */
#ifndef IOE_TOOLS_JOB_RESULT_H
#define IOE_TOOLS_JOB_RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/ioe.h"
#include "tools/bench/bench_options.h"
#include "tools/bench/series.h"
#include "tools/bench/stats.h"

#define JOB_MESSAGE_MAX 256

/* What ours says of itself. */
struct job_engine {
	bool is_set;
	char backend[16];
	char reason[256];
	struct ioe_stats stats;
};

struct job_result {
	struct bench_options options;
	const struct option_given *given; /* what was typed, for JSON; NULL: nothing to say */
	uint32_t n_jobs;                  /* in here */
	int error;       /* of the job, or of the failed IO that ended it: -errno */
	int first_error; /* of an IO, where the job went on: -errno */
	char message[JOB_MESSAGE_MAX];
	bool interrupted;
	struct io_stats *direction; /* [DIRECTIONS] */
	struct io_depths depths;
	struct rate_samples iops[DIRECTIONS];
	struct rate_samples bytes_per_second[DIRECTIONS];
	struct series series[DIRECTIONS];
	uint64_t runtime_ns;     /* of several jobs: the longest */
	uint64_t read_back_ns;   /* after that, for verify; of several jobs: the longest */
	uint64_t read_back_ios;  /* reads of that */
	uint64_t runtime_sum_ns; /* of all of them; CPU is in per cent of this */
	uint64_t elapsed_ns;     /* from the start of all jobs to the end of this */
	double usr_ns;
	double sys_ns;
	uint64_t context_switches;
	uint64_t major_faults;
	uint64_t minor_faults;
	uint64_t system_calls; /* reference loops */
	uint64_t n_missing;    /* IOs that had not come back when the job was given up */
	/* IOs of the submitting thread that did fewest, by the mean of them; 0 where callbacks
	 * submit, and of fio. */
	double slowest_share;
	struct job_engine engine;
};

/* All counters zero, and room for them. -ENOMEM. */
__attribute__((warn_unused_result)) int job_result_init(struct job_result *result,
							const struct bench_options *options);
void job_result_deinit(struct job_result *result);

/* Add the counts of another job. What cannot be added (options, name, message of the first error)
 * stays that of the first. -ENOMEM. */
__attribute__((warn_unused_result)) int job_result_merge(struct job_result *into,
							 const struct job_result *from);

/* How long this direction had: reads may have been done when the runtime was over. */
uint64_t job_result_runtime_ns(const struct job_result *result, int direction);

/* All IOs of a result, of any direction, without syncs and what was read back. */
uint64_t job_result_ios(const struct job_result *result);
bool job_result_is_bad(const struct job_result *result);

#endif
