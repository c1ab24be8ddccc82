/* SPDX-License-Identifier: MIT
 * pace.h - when an IO is due: rates, and time to think.
 *
 * A rate gives every IO an intended start, counted from the start of the job, whatever became of
 * those before it: the open loop. An IO that could not start then, since all that may be under way
 * was, starts late, and its latency from the intended start says so.
 *   linear:  due = (bytes or IOs of this direction before it) / rate
 *   poisson: the gaps between two are exponential with the same mean; gap number k follows from
 *            the seed and k
 * Worked: rate=1m with 4 KiB: IO 256 is due at 256 * 4096 / 1048576 = 1 s.
 *
 * Time to think is of the closed loop: a group of n IOs begins when all of the group before it have
 * come back (or have been issued) and the time has passed.
 * Invariants: what is taken of one direction is due in the order in which it is taken.
 * Threads:    any. Linear without a lock; poisson under one, since each gap adds to the last.
 * Ownership:  memory is the caller's; pace_deinit() and nothing to free.
 */
#ifndef IOE_TOOLS_PACE_H
#define IOE_TOOLS_PACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PACE_DIRECTIONS 2 /* read and write */

/* Of one direction; 0: no limit. */
struct pace_config {
	uint64_t bytes_per_second[PACE_DIRECTIONS];
	uint64_t ios_per_second[PACE_DIRECTIONS];
	/* poisson: what counts as one IO of a rate in bytes: the least size, as with fio. */
	uint64_t io_bytes[PACE_DIRECTIONS];
	bool is_poisson;
	uint64_t seed;
};

struct pace_stream {
	_Alignas(64) _Atomic uint64_t n; /* IOs taken */
	_Atomic uint64_t bytes;
	/* poisson, under the lock; due_ns may be read without */
	double next_ns;
	uint64_t bytes_per_second;
	uint64_t ios_per_second;
	double mean_gap_ns; /* of io_bytes, or of an IO */
	uint64_t io_bytes;  /* 0: the rate is in IOs */
};

struct pace {
	struct pace_stream stream[PACE_DIRECTIONS];
	pthread_mutex_t lock;
	bool is_poisson;
	uint64_t seed;
};

void pace_init(struct pace *pace, const struct pace_config *config);
void pace_deinit(struct pace *pace);

/* Has this direction a rate? */
bool pace_is_limited(const struct pace *pace, uint32_t direction);

/* Take the next IO of this direction, which has a rate: its intended start, in ns from the start
 * of the job. */
uint64_t pace_take(struct pace *pace, uint32_t direction, uint64_t bytes);

/* When the next of this direction would be due; 0: it has no rate. Somebody else may take it. */
uint64_t pace_next_ns(struct pace *pace, uint32_t direction);

/* Of a job that reads and writes: which of the two now. The one that the mix wants, if it is due;
 * else the one that is due first. So either gets its rate, as with fio. */
uint32_t pace_choose(struct pace *pace, uint32_t wanted, uint64_t now_ns);

/* Time to think -------------------------------------------------------------------------------- */

#define THINK_NOT_YET UINT64_MAX

struct think {
	uint64_t think_ns; /* 0: none */
	uint64_t n_group;  /* thinktime_blocks */
	bool is_issue;     /* counted when issued, not when complete */
	_Alignas(64) _Atomic uint64_t n_counted;
	/* When the last group that may begin does; written by whoever counts the last IO of the
	 * group before it. */
	_Atomic uint64_t gate_ns;
	_Atomic uint64_t n_open; /* IOs that may begin: number n may if n < n_open */
};

void think_init(struct think *think, uint64_t think_ns, uint64_t n_group, bool is_issue);

/* When IO number n, counted from 0, may begin: 0 at once, a time, or THINK_NOT_YET: ask again when
 * another has come back. Numbers are taken in order. */
uint64_t think_due_ns(struct think *think, uint64_t n);

/* Another IO has been issued, or has come back; true: a group has ended with it, so those that
 * were told THINK_NOT_YET have a time now. */
bool think_issued(struct think *think, uint64_t now_ns);
bool think_done(struct think *think, uint64_t now_ns);

#endif
