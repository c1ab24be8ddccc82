/* SPDX-License-Identifier: MIT
 * job_sequence.h - which block is the n-th: the same for every engine and any number of threads.
 * Invariants: block n depends on the seed and n only, so threads that share the numbers, by one
 *             counter or in turns, do together what one thread would do.
 * Threads:    any; a sequence is const while a job runs.
 * Ownership:  none.
 */
#ifndef IOE_TOOLS_JOB_SEQUENCE_H
#define IOE_TOOLS_JOB_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

struct sequence {
	uint64_t seed;
	uint64_t n_blocks;
	uint64_t block_bytes;
	bool is_random;
};

/* The output function of splitmix64: a permutation of 64-bit numbers without visible order. */
static inline uint64_t sequence_mix(uint64_t n)
{
	n += 0x9e3779b97f4a7c15u;
	n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9u;
	n = (n ^ (n >> 27)) * 0x94d049bb133111ebu;
	return n ^ (n >> 31);
}

/* Offset of the n-th IO. Random: drawn with replacement, as with fio's norandommap. Sequential:
 * from the start again after the last block. */
static inline uint64_t sequence_offset(const struct sequence *sequence, uint64_t n)
{
	__extension__ typedef unsigned __int128 wide;
	uint64_t block;

	if (sequence->is_random) /* scaled, not modulo: no division */
		block = (uint64_t)((wide)sequence_mix(sequence->seed ^ n) * sequence->n_blocks >>
				   64);
	else
		block = n < sequence->n_blocks ? n : n % sequence->n_blocks;
	return block * sequence->block_bytes;
}

#endif
