/* SPDX-License-Identifier: MIT
 * writer.h - a process that writes records through ioe, syncs them, and says so, until it is
 *            killed.
 * Invariants: what struct acks says had been said by a callback of ioe.
 * Threads:    started before the harness has threads (it forks).
 * Ownership:  the harness kills it; it dies with the harness. */
#ifndef IOE_TESTS_WRITER_H
#define IOE_TESTS_WRITER_H

#include "tests/crash/records.h"

#include <sys/types.h>

/* Ways of saying what is not true, which the harness must find out. */
enum writer_lie {
	WRITER_IS_HONEST,
	WRITER_DOES_NOT_SYNC,  /* where there should be a sync there is a read of a byte */
	WRITER_HAS_NO_BARRIER, /* the sync does not wait for the writes */
	WRITER_DOES_NOT_WRITE, /* where there should be a write there is a nop */
};

struct writer_options {
	uint32_t backend;   /* IOE_BACKEND_* */
	uint32_t threading; /* IOE_THREADING_POOL or _INLINE */
	enum writer_lie lie;
	uint64_t seed;
};

pid_t writer_start(const struct writer_options *options, const struct layout *layout,
		   const int files[N_FILES], struct acks *acks);
/* SIGKILL, and wait until it is gone. */
void writer_kill(pid_t writer);

#endif
