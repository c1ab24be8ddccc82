/* SPDX-License-Identifier: MIT
 * job_io.h - one IO of a job, as every loop sees it.
 *
 * A loop has one for each IO that it can have in flight; job_next() says what it is to do,
 * job_done() what has become of it.
 * Invariants: one cache line. is_out from job_next() to job_done(); meanwhile only the loop's own
 *             fields change.
 * Threads:    whoever has the IO: the loop, or the kernel, or a callback. is_out, and what does not
 *             change while it is set, may be read by the monitor.
 * Ownership:  the loop's memory; the buffer is the job thread's.
 */
#ifndef IOE_TOOLS_JOB_IO_H
#define IOE_TOOLS_JOB_IO_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct job_io {
	char *buffer;      /* of the job's bs_bytes; NULL for a nop */
	uint64_t offset;   /* from the start of the file */
	uint64_t number;   /* which IO of the job: 0, 1, ...; of a sync that of the one after it */
	uint64_t start_ns; /* when the loop began with it; 0: not timed */
	uint64_t intended_ns; /* when it was due by the rate of the job; 0: no rate */
	union {
		uint64_t issue_ns; /* taken by the kernel; 0: not seen */
		uint64_t end_ns;   /* a loop's that notes it before it counts */
	};
	void *next;     /* the loop's */
	uint32_t bytes; /* 0 for nop and sync */
	uint16_t file;  /* of the target */
	uint8_t direction : 4;
	uint8_t is_datasync : 1;  /* of a sync */
	uint8_t is_read_back : 1; /* of what the job has written, to verify it */
	_Atomic bool is_out;
};

static_assert(sizeof(struct job_io) <= 64, "an IO is one cache line");

#endif
