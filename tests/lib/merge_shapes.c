/* SPDX-License-Identifier: MIT
 * merge_shapes.c - see merge_shapes.h. */
#include "tests/lib/merge_shapes.h"
#include "tests/lib/random.h"

#include <stdlib.h>

#define BLOCK UINT64_C(4096)
#define SEED  UINT64_C(0x636f7374)

/* As the driver's, but that no request is full before its events are used up. */
#define WIDE                                                                              \
	{                                                                                 \
		.bytes_max = UINT64_C(1) << 30, .events_max = UINT32_MAX, .iov_max = 1024 \
	}

/* ---- Ordinary ----------------------------------------------------------------------------- */

/* The i-th of n random places of a file, no two of which are the same or adjacent: a permutation of
 * 2^bits numbers, since each step of it can be undone. */
static uint64_t place_of(uint32_t i, uint32_t n)
{
	const uint32_t bits = 64 - (uint32_t)__builtin_clzll(n) + 10;
	const uint64_t mask = (UINT64_C(1) << bits) - 1;
	uint64_t x = i;

	for (uint32_t round = 0; round < 4; round++) {
		x = (x * UINT64_C(0xbf58476d1ce4e5b9) + UINT64_C(0x94d049bb133111eb)) & mask;
		x ^= x >> (bits / 2 + 1);
	}
	return x * 2 * BLOCK;
}

static void put_random_reads(struct batch *batch, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		batch_put(batch, IOE_OP_READ, 3, place_of(i, n), BLOCK);
}

static void put_random_writes(struct batch *batch, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		batch_put(batch, IOE_OP_WRITE, 3, place_of(i, n), BLOCK);
}

static void put_random_mix(struct batch *batch, uint32_t n)
{
	struct random random = { SEED };

	for (uint32_t i = 0; i < n; i++)
		batch_put(batch, random_below(&random, 10) < 7 ? IOE_OP_READ : IOE_OP_WRITE, 3,
			  place_of(i, n), BLOCK);
}

static void put_sequential(struct batch *batch, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		batch_put(batch, IOE_OP_WRITE, 3, i * BLOCK, BLOCK);
}

/* Block b is producer (b / 16 % 8)'s; each producer's come together. */
static void put_producers(struct batch *batch, uint32_t n)
{
	for (uint32_t producer = 0; producer < 8; producer++)
		for (uint32_t b = 0; b < n; b++)
			if (b / 16 % 8 == producer)
				batch_put(batch, IOE_OP_WRITE, 3, b * BLOCK, BLOCK);
}

static void put_hot_block(struct batch *batch, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		batch_put(batch, IOE_OP_WRITE, 3, (i % 2 == 0 ? i : 2 * n) * BLOCK, BLOCK);
}

static void put_nops(struct batch *batch, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		batch_put(batch, IOE_OP_NOP, -1, 0, 0);
}

/* ---- Hostile ------------------------------------------------------------------------------ */

static void put_shuffled(struct batch *batch, uint32_t n)
{
	struct random random = { SEED };

	put_sequential(batch, n);
	for (uint32_t i = n; i > 1; i--) {
		const uint64_t k = random_below(&random, i);
		const struct ioe_event event = batch->events[i - 1];

		batch->events[i - 1] = batch->events[k];
		batch->events[k] = event;
	}
}

static void put_nested_writes(struct batch *batch, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		batch_put(batch, IOE_OP_WRITE, 3, i, 2 * ((uint64_t)n - i));
}

static void put_nested_reads_and_writes(struct batch *batch, uint32_t n)
{
	for (uint32_t i = n; i > 0; i--)
		batch_put(batch, i % 2 == 0 ? IOE_OP_READ : IOE_OP_WRITE, 3, i - 1,
			  2 * ((uint64_t)n - i + 1));
}

static void put_equal_ranges(struct batch *batch, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		batch_put(batch, i % 2 == 0 ? IOE_OP_READ : IOE_OP_WRITE, 3, BLOCK, BLOCK);
}

/* Each read is adjacent to the one n / 2 further on, with n / 2 others between. */
static void put_far_neighbours(struct batch *batch, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		batch_put(batch, IOE_OP_READ, 3, i, n / 2);
}

/* Each overlaps the one before and the one behind it. */
static void put_staircase(struct batch *batch, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		batch_put(batch, IOE_OP_WRITE, 3, i * BLOCK / 2, BLOCK);
}

/* Half of the events end where the others begin, and no two of them fit into a group. */
static void put_full_groups(struct batch *batch, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		batch_put_vector(batch, IOE_OP_READV, 3, (uint64_t)(i % 2) * BLOCK, BLOCK, 513);
}

/* The same, with a key each up to the 64th, and then some. */
static void put_traits(struct batch *batch, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		batch_put(batch, IOE_OP_READ, 3, i * BLOCK, BLOCK)->ioprio = (uint16_t)(i % 300);
}

/* A run of sequential writes, with one block of it that every fourth event writes again. */
static void put_hot_block_in_run(struct batch *batch, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		batch_put(batch, IOE_OP_WRITE, 3, (i % 4 == 3 ? 7 : i) * BLOCK, BLOCK);
}

/* One event as long as the file, beside which no range is short. */
static void put_one_huge(struct batch *batch, uint32_t n)
{
	put_random_writes(batch, n - 1);
	batch_put(batch, IOE_OP_FALLOCATE, 4, 0, UINT64_C(1) << 40);
}

static void put_one_huge_that_overlaps(struct batch *batch, uint32_t n)
{
	put_random_writes(batch, n - 1);
	batch_put(batch, IOE_OP_FALLOCATE, 3, 0, UINT64_C(1) << 40);
}

/* Lengths from 1 block to 2^20 of them. */
static void put_lengths(struct batch *batch, uint32_t n)
{
	struct random random = { SEED };

	for (uint32_t i = 0; i < n; i++)
		batch_put(batch, i % 2 == 0 ? IOE_OP_READ : IOE_OP_WRITE, 3, place_of(i, n),
			  BLOCK << random_below(&random, 21));
}

/* Blocks from the last to the first: nothing is sorted as it stands. */
static void put_descending(struct batch *batch, uint32_t n)
{
	for (uint32_t i = n; i > 0; i--)
		batch_put(batch, IOE_OP_WRITE, 3, i * BLOCK, BLOCK);
}

/* Runs on many files at once, each key with the same offsets. */
static void put_many_files(struct batch *batch, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		batch_put(batch, IOE_OP_READ, 3 + (int)(i % 97), i / 97 * BLOCK, BLOCK);
}

const struct merge_shape merge_shapes[] = {
	{ "random reads", put_random_reads, WIDE, false, true },
	{ "random writes", put_random_writes, WIDE, false, true },
	{ "random reads and writes, 70 to 30", put_random_mix, WIDE, false, true },
	{ "sequential", put_sequential, WIDE, false, true },
	{ "sequential, 8 producers interleaved by 16 blocks", put_producers, WIDE, false, false },
	{ "every second event writes the same block", put_hot_block, WIDE, false, true },
	{ "nop", put_nops, WIDE, false, true },
	{ "sequential, shuffled", put_shuffled, WIDE, true, false },
	{ "sequential, from the end", put_descending, WIDE, true, false },
	{ "sequential on 97 files in turn", put_many_files, WIDE, true, false },
	{ "sequential with one block written again and again", put_hot_block_in_run, WIDE, true,
	  false },
	{ "nested writes", put_nested_writes, WIDE, true, false },
	{ "nested reads and writes, from within", put_nested_reads_and_writes, WIDE, true, false },
	{ "one range read and written in turn", put_equal_ranges, WIDE, true, false },
	{ "each write overlaps the one before", put_staircase, WIDE, true, false },
	{ "reads with n / 2 others between neighbours", put_far_neighbours, WIDE, true, false },
	{ "full groups that end at one place", put_full_groups, WIDE, true, false },
	{ "300 sets of traits", put_traits, WIDE, true, false },
	{ "lengths of 1 to 2^20 blocks", put_lengths, WIDE, true, false },
	{ "random writes, one huge event elsewhere", put_one_huge, WIDE, true, false },
	{ "random writes, one huge event over all", put_one_huge_that_overlaps, WIDE, true, false },
};
const uint32_t merge_n_shapes = sizeof(merge_shapes) / sizeof(merge_shapes[0]);
