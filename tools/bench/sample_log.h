/* SPDX-License-Identifier: MIT
 * sample_log.h - fio's logs over time: write_bw_log, write_lat_log, write_iops_log.
 *
 * NAME_bw.1.log, NAME_slat.1.log, NAME_clat.1.log, NAME_lat.1.log, NAME_iops.1.log, a line for
 * each IO, or with log_avg_msec one for each direction and window in which something came back:
 *   milliseconds, value, direction, bytes of the IO, [offset,] priority
 * Values are KiB/s, ns and IOPS; of a single IO its bytes by its clat, in 1000 bytes/s as fio has
 * it, and 1. Windows of bw and iops are logged when they are full, as by fio; those of latencies
 * also when the job has ended in them.
 * Invariants: a log has one writer; it only grows. What did not fit into memory is missing, and
 *             sample_log_write() says so.
 * Threads:    each thread that sees completions has a log of its own; written after they ended.
 * Ownership:  sample_log_deinit() frees what a log has allocated.
 */
#ifndef IOE_TOOLS_SAMPLE_LOG_H
#define IOE_TOOLS_SAMPLE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No such time is known of this IO. */
#define SAMPLE_NONE UINT64_MAX

enum sample_latency { SAMPLE_SLAT, SAMPLE_CLAT, SAMPLE_LAT, SAMPLE_LATENCIES };

/* An IO that has come back. */
struct sample {
	uint64_t at_ns; /* since the start of the job */
	uint64_t offset;
	uint64_t latency_ns[SAMPLE_LATENCIES]; /* or SAMPLE_NONE */
	uint32_t bytes;
	uint32_t direction; /* 0 read, 1 write */
};

struct sample_window {
	uint64_t n_ios;
	uint64_t bytes;
	struct {
		uint64_t n;
		uint64_t sum;
		uint64_t max;
	} latency[SAMPLE_LATENCIES];
};

#define SAMPLE_DIRECTIONS 2

struct sample_log {
	uint64_t window_ns; /* 0: every IO */
	struct sample *samples;
	struct sample_window (*windows)[SAMPLE_DIRECTIONS];
	uint64_t n;      /* of samples, or of windows */
	uint64_t n_room; /* there is memory for */
	uint64_t n_lost;
};

/* What is written, and how; a name is NULL if that log is not wanted. */
struct sample_log_names {
	const char *bw;
	const char *lat;
	const char *iops;
	uint32_t index;    /* of the job, from 1; 0: no number in the names */
	bool has_offsets;  /* log_offset */
	bool is_max;       /* log_max_value */
	uint64_t epoch_ns; /* added to every time: log_unix_epoch */
};

void sample_log_init(struct sample_log *log, uint64_t window_ns);
void sample_log_deinit(struct sample_log *log);

void sample_log_add(struct sample_log *log, const struct sample *sample);

/* Write what n logs of one job have, sorted by time. 0, or -errno and a line in ret_message. */
int sample_log_write(const struct sample_log *logs, uint32_t n, uint64_t runtime_ns,
		     const struct sample_log_names *names, char *ret_message, size_t message_bytes);

#endif
