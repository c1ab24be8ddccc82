/* SPDX-License-Identifier: MIT
 * distribution.h - random blocks of which some come more often: fio's random_distribution.
 *
 *   random            every block as often as any other
 *   zipf:THETA        the k-th most popular block comes in proportion to k^-THETA
 *   pareto:H          a share H of the blocks gets a share 1 - H of the IO (0.2: 80 to 20)
 *   normal:DEVIATION  around the middle of the file, deviation in per cent of the file
 *   zoned:60/10:40/90 60 % of the IO to the first 10 % of the file, 40 % to the next 90 %
 *   zoned_abs:60/1g:40/9g   the same, in bytes
 *
 * zipf and pareto scatter the ranks over the file. The first three with a parameter take another
 * one, :CENTER from 0 to 1, where in the file the most popular block is. fio 3.33 takes the same
 * and does the same, but for normal: it scatters that, which leaves no bell, and has a deviation of
 * 8.3 to 17 % whatever it was told; here both are what its manual says.
 * Invariants: draw n is a function of the seed and n.
 * Threads:    any; a distribution is const after distribution_init().
 * Ownership:  the caller's memory; nothing is allocated.
 */
#ifndef IOE_TOOLS_DISTRIBUTION_H
#define IOE_TOOLS_DISTRIBUTION_H

#include <stdint.h>

#include "tools/bench/permutation.h"

#define DISTRIBUTION_ZONES_MAX 256

enum distribution_kind {
	DISTRIBUTION_RANDOM,
	DISTRIBUTION_ZIPF,
	DISTRIBUTION_PARETO,
	DISTRIBUTION_NORMAL,
	DISTRIBUTION_ZONED,
	DISTRIBUTION_ZONED_ABS,
};

/* What was asked for. */
struct distribution_spec {
	enum distribution_kind kind;
	double parameter; /* theta, h, per cent */
	double center;    /* as a share of the file; below 0: normal: 0.5, else by the seed */
	uint32_t n_zones;
	struct {
		uint32_t access_percent; /* 100 in sum */
		uint64_t span;           /* per cent of the file, or bytes */
	} zones[DISTRIBUTION_ZONES_MAX];
};

struct distribution {
	enum distribution_kind kind;
	uint64_t n_blocks;
	uint64_t key;
	/* zipf, pareto: rank to block */
	struct permutation scatter;
	uint64_t shift;
	double power; /* of pareto; 1 - theta of zipf */
	/* zipf: where the inverse of the integral is cut, as zipf_rank() says */
	double integral_first;
	double integral_last;
	double squeeze;
	/* normal, in blocks */
	double mean;
	double deviation;
	/* zoned: which zone each per cent of the accesses goes to */
	uint8_t zone_of[100];
	struct {
		uint64_t first;
		uint64_t n;
	} zones[DISTRIBUTION_ZONES_MAX];
};

/* "zipf:1.2". -EINVAL: ret_why, if not NULL, is told why, as the end of a line for the user. */
int distribution_parse(const char *text, struct distribution_spec *ret_spec, const char **ret_why);

/* For a file of n_blocks, at least 1. -ERANGE: a zone with accesses begins behind the end of the
 * file. */
int distribution_init(struct distribution *distribution, const struct distribution_spec *spec,
		      uint64_t n_blocks, uint64_t block_bytes, uint64_t seed);

/* The block of draw number n: 10 ns for random and zoned, about 100 ns for the others. */
uint64_t distribution_block(const struct distribution *distribution, uint64_t n);

#endif
