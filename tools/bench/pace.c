/* SPDX-License-Identifier: MIT
 * pace.c - when an IO is due.
 *
 * A group of think: A1 gate_ns is stored before A2 n_open, and A3 n_open is loaded before gate_ns.
 * So who finds its number open finds the gate of its group, or a later one; a later one only if its
 * group has come back, which it has not. Gates are written one after the other, since a group does
 * not begin before the one before it has ended.
 * Invariants: see pace.h.
 * Threads:    see pace.h.
 * Ownership:  see pace.h.
 */
#include "tools/bench/pace.h"

#include <math.h>

#include "tools/bench/permutation.h"
#include "tools/sys.h"

void pace_init(struct pace *pace, const struct pace_config *config)
{
	pthread_mutex_init(&pace->lock, NULL);
	pace->is_poisson = config->is_poisson;
	pace->seed = config->seed;
	for (uint32_t d = 0; d < PACE_DIRECTIONS; d++) {
		struct pace_stream *stream = &pace->stream[d];

		atomic_init(&stream->n, 0);
		atomic_init(&stream->bytes, 0);
		stream->bytes_per_second = config->bytes_per_second[d];
		stream->ios_per_second = config->ios_per_second[d];
		stream->io_bytes = stream->ios_per_second ? 0 : config->io_bytes[d];
		stream->next_ns = 0;
		stream->mean_gap_ns = 0;
		if (stream->ios_per_second)
			stream->mean_gap_ns =
				(double)NS_PER_SECOND / (double)stream->ios_per_second;
		else if (stream->bytes_per_second)
			stream->mean_gap_ns = (double)NS_PER_SECOND * (double)stream->io_bytes /
					      (double)stream->bytes_per_second;
	}
}

void pace_deinit(struct pace *pace)
{
	pthread_mutex_destroy(&pace->lock);
}

bool pace_is_limited(const struct pace *pace, uint32_t direction)
{
	return pace->stream[direction].ios_per_second || pace->stream[direction].bytes_per_second;
}

/* n seconds / rate, without overflow: 64 bits of ns are 584 years of the job. */
static uint64_t scale(uint64_t n, uint64_t per_second)
{
	__extension__ typedef unsigned __int128 wide;

	return (uint64_t)((wide)n * NS_PER_SECOND / per_second);
}

/* An exponential number of mean 1: the k-th of this direction. */
static double gap(const struct pace *pace, uint32_t direction, uint64_t k)
{
	uint64_t mixed = permutation_mix(permutation_mix(pace->seed + direction) ^ k);

	/* 53 bits, in (0, 1]: never log(0). */
	return -log(((double)(mixed >> 11) + 1) * 0x1p-53);
}

/* Each gap stands before its IO, and is as long for its size as the rate says. */
static uint64_t take_poisson(struct pace *pace, uint32_t direction, uint64_t bytes)
{
	struct pace_stream *stream = &pace->stream[direction];
	uint64_t k, due;

	pthread_mutex_lock(&pace->lock);
	k = atomic_fetch_add_explicit(&stream->n, 1, memory_order_relaxed);
	due = (uint64_t)stream->next_ns;
	stream->next_ns += gap(pace, direction, k) * stream->mean_gap_ns *
			   (stream->io_bytes ? (double)bytes / (double)stream->io_bytes : 1);
	pthread_mutex_unlock(&pace->lock);
	return due;
}

uint64_t pace_take(struct pace *pace, uint32_t direction, uint64_t bytes)
{
	struct pace_stream *stream = &pace->stream[direction];

	if (pace->is_poisson)
		return take_poisson(pace, direction, bytes);
	if (stream->ios_per_second)
		return scale(atomic_fetch_add_explicit(&stream->n, 1, memory_order_relaxed),
			     stream->ios_per_second);
	return scale(atomic_fetch_add_explicit(&stream->bytes, bytes, memory_order_relaxed),
		     stream->bytes_per_second);
}

uint64_t pace_next_ns(struct pace *pace, uint32_t direction)
{
	struct pace_stream *stream = &pace->stream[direction];
	uint64_t due;

	if (!pace_is_limited(pace, direction))
		return 0;
	if (pace->is_poisson) {
		pthread_mutex_lock(&pace->lock);
		due = (uint64_t)stream->next_ns;
		pthread_mutex_unlock(&pace->lock);
		return due;
	}
	if (stream->ios_per_second)
		return scale(atomic_load_explicit(&stream->n, memory_order_relaxed),
			     stream->ios_per_second);
	return scale(atomic_load_explicit(&stream->bytes, memory_order_relaxed),
		     stream->bytes_per_second);
}

uint32_t pace_choose(struct pace *pace, uint32_t wanted, uint64_t now_ns)
{
	uint32_t other = !wanted;
	uint64_t due = pace_next_ns(pace, wanted);

	return due <= now_ns || due <= pace_next_ns(pace, other) ? wanted : other;
}

void think_init(struct think *think, uint64_t think_ns, uint64_t n_group, bool is_issue)
{
	think->think_ns = think_ns;
	think->n_group = n_group ? n_group : 1;
	think->is_issue = is_issue;
	atomic_init(&think->n_counted, 0);
	atomic_init(&think->gate_ns, 0);
	atomic_init(&think->n_open, think_ns ? think->n_group : UINT64_MAX);
}

uint64_t think_due_ns(struct think *think, uint64_t n)
{
	/* A3: pairs with A2. */
	if (n >= atomic_load_explicit(&think->n_open, memory_order_acquire))
		return THINK_NOT_YET;
	return atomic_load_explicit(&think->gate_ns, memory_order_relaxed);
}

static bool count(struct think *think, uint64_t now_ns)
{
	uint64_t n = atomic_fetch_add_explicit(&think->n_counted, 1, memory_order_relaxed) + 1;

	if (n % think->n_group)
		return false;
	/* A1, and A2: pairs with A3. */
	atomic_store_explicit(&think->gate_ns, now_ns + think->think_ns, memory_order_relaxed);
	atomic_store_explicit(&think->n_open, n + think->n_group, memory_order_release);
	return true;
}

bool think_issued(struct think *think, uint64_t now_ns)
{
	return think->think_ns && think->is_issue && count(think, now_ns);
}

bool think_done(struct think *think, uint64_t now_ns)
{
	return think->think_ns && !think->is_issue && count(think, now_ns);
}
