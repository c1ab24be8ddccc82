/* SPDX-License-Identifier: MIT
 * series.h - how a job went over time: a sample for each period of the monitor.
 *
 * rate_samples is what fio says of its own samples: ends, mean and deviation. A series keeps the
 * samples themselves, for plots: IOs and bytes, mean and 99th percentile of the latency of the IOs
 * that ended in that period. A sampler makes both from the counters of a job while it runs.
 * Invariants: the samples of a series are in the order of time, and do not overlap.
 * Threads:    one at a time: the monitor, then the report.
 * Ownership:  a series owns its samples, a sampler what it remembers.
 */
#ifndef IOE_TOOLS_SERIES_H
#define IOE_TOOLS_SERIES_H

#include "tools/bench/stats.h"

/* Of a rate. Merged of several jobs it is their sum, so the mean is kept and not the total. */
struct rate_samples {
	uint64_t n;
	double min;
	double max;
	double mean;
	double squares; /* of the distances from the mean */
};

struct series_sample {
	uint64_t at_ns; /* end of the period, from the start of the job */
	uint64_t span_ns;
	uint64_t ios;
	uint64_t bytes;
	uint64_t n_timed; /* IOs in mean_ns and p99_ns; 0: neither is known */
	double mean_ns;
	uint64_t p99_ns;
};

struct series {
	struct series_sample *samples;
	uint32_t n;
	uint32_t room;
};

/* What one direction of a job was like at the end of each period. */
struct sampler {
	uint64_t start_ns;
	uint64_t last_ns;
	struct io_stats *last; /* [DIRECTIONS] */
};

void rate_samples_add(struct rate_samples *samples, double value);
/* The rates of two jobs together: as fio, ends, means and squares are added up. */
void rate_samples_merge(struct rate_samples *into, const struct rate_samples *from);
double rate_samples_stddev(const struct rate_samples *samples);

void series_deinit(struct series *series);
/* Add a sample of the same job. -ENOMEM. */
__attribute__((warn_unused_result)) int series_add(struct series *series,
						   const struct series_sample *sample);
/* Two jobs at the same time. Samples whose ends are within half a period become one; of their
 * 99th percentiles the higher one stays, so that of all lies at or below it. -ENOMEM. */
__attribute__((warn_unused_result)) int series_merge(struct series *into,
						     const struct series *from);

/* start_ns: of the job. -ENOMEM. */
__attribute__((warn_unused_result)) int sampler_init(struct sampler *sampler, uint64_t start_ns);
void sampler_deinit(struct sampler *sampler);

/* End a period at now_ns: now[DIRECTIONS] are the merged counters of the job at this time. Adds a
 * sample for each direction that has had an IO ever. The arrays are [DIRECTIONS]. -ENOMEM. */
__attribute__((warn_unused_result)) int sampler_take(struct sampler *sampler,
						     const struct io_stats *now, uint64_t now_ns,
						     struct rate_samples *iops,
						     struct rate_samples *bytes_per_second,
						     struct series *series);

#endif
