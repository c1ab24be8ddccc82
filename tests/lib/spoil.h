/* SPDX-License-Identifier: MIT
 * spoil.h - faults at random, by the seam: requests cut short before they reach the kernel; submit
 *           calls that are refused or take only a part; completions that are short, interrupted, to
 *           be tried again, late, out of order, or come twice; and guilty blocks of the file, all
 *           of whose requests fail. All but the last are invisible to who submits, by the laws.
 * Invariants: what is left of a transfer is a whole number of units, or of grains (below).
 *             A driver's faults are those of the seed, in the order of what it stages and reaps.
 * Threads:    spoil_watch() and spoil_begin() while no engine is open; the faults on the drivers'
 *             threads; spoil_is_guilty() and counts on any.
 * Ownership:  none. */
#ifndef IOE_TESTS_SPOIL_H
#define IOE_TESTS_SPOIL_H

#include <stdbool.h>
#include <stdint.h>

#define SPOIL_BLOCK 4096u

enum spoil_kind {
	SPOIL_REQUEST_CUT,   /* a request, before it reaches the kernel */
	SPOIL_SHORT_ONE,     /* a result of one unit or grain */
	SPOIL_SHORT_SECTOR,  /* of a sector less one grain; or all but one unit */
	SPOIL_SHORT_HALF,    /* of half */
	SPOIL_SHORT_SOME,    /* of any number of units */
	SPOIL_ZERO,          /* of nothing: of writes, once in a row, and of merged requests */
	SPOIL_EIO,           /* of guilty blocks */
	SPOIL_EIO_MERGED,    /* of merged requests, once */
	SPOIL_ENOSPC_MERGED, /* the same */
	SPOIL_EAGAIN,        /* in bursts */
	SPOIL_EINTR,
	SPOIL_SUBMIT_PART,   /* the system call takes some of what is staged (uring, aio) ... */
	SPOIL_SUBMIT_EAGAIN, /* ... or nothing: in bursts */
	SPOIL_SUBMIT_EINTR,
	SPOIL_SUBMIT_EBUSY, /* uring */
	SPOIL_DELAYED,
	SPOIL_REORDERED,
	SPOIL_DUPLICATE,
	SPOIL_STALE,
	SPOIL_KINDS,
};

/* Begin to watch the seam; nothing is spoiled yet. Files of up to bytes_max; unit_at says what
 * transfers of a place in the file are multiples of. Skips the test where there is no seam. */
void spoil_watch(uint64_t bytes_max, uint32_t (*unit_at)(uint64_t offset));
/* Cut transfers finer than by units: to multiples of so many bytes, in files that are not O_DIRECT,
 * of events that are resumed; those that fail may show it in their `done`. */
void spoil_grain(uint32_t bytes);
/* From now on spoil one request of so many, and have one block of so many fail; 0: none. */
void spoil_begin(uint64_t seed, uint32_t one_request_of, uint32_t one_block_of);
/* Whether a transfer of these bytes has to fail. */
bool spoil_is_guilty(uint64_t offset, uint64_t length);

/* How many faults of a kind there have been since spoil_watch(). */
uint64_t spoil_count(enum spoil_kind kind);
const char *spoil_name(enum spoil_kind kind);
/* The first kind that a backend (IOE_BACKEND_*; AUTO: any) can have and that has not been:
 * SPOIL_KINDS if there is none. */
enum spoil_kind spoil_missing(uint32_t backend);
/* Print "faults injected: ...", all kinds and their numbers. */
void spoil_report(void);

#endif
