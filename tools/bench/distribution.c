/* SPDX-License-Identifier: MIT
 * distribution.c - the block of draw number n, from the seed and n alone.
 *
 * Each draw has a sequence of random numbers of its own, draw_bits(n, 0), (n, 1), ...: most kinds
 * need one, those that reject some of them need more.
 * Invariants: as in the header.
 * Threads:    any.
 * Ownership:  none.
 */
#include "tools/bench/distribution.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

/* A normal distribution is cut at the ends of the file; after so many draws outside it the end
 * itself is taken (its worst case, deviation 99.9 and center 0, is inside every third time). */
#define NORMAL_ATTEMPTS 64
/* fio's deviation, which is that of the mean of 12 even numbers, where none is asked for. */
#define NORMAL_DEFAULT (100.0 / 12)

__extension__ typedef unsigned __int128 wide;

static uint64_t draw_bits(const struct distribution *distribution, uint64_t n, uint64_t i)
{
	return permutation_mix(distribution->key + n * 0x9e3779b97f4a7c15u +
			       i * 0xd1b54a32d192ed03u);
}

/* From 0 to below 1, in steps of 2^-53. */
static double unit(uint64_t bits)
{
	return (double)(bits >> 11) * 0x1p-53;
}

static uint64_t below(uint64_t bits, uint64_t limit)
{
	return (uint64_t)((wide)bits * limit >> 64);
}

/* The integral of t^-theta from 1 to x, exact also where theta is near to 1; power is 1 - theta. */
static double integral(double x, double power)
{
	return expm1(power * log(x)) / power;
}

/* Its inverse. Above theta 1 the integral has a limit, which rounding may pass by a little. */
static double inverse(double y, double power)
{
	return exp(log1p(fmax(y * power, -1)) / power);
}

/* Rejection-inversion (W. Hoermann, G. Derflinger 1996): x is drawn with the density t^-theta
 * between 0.5, or what weighs as much as rank 1, and n + 0.5, and rounded to a rank. The area
 * around a rank is greater than k^-theta, by what convexity adds, and that part is rejected: less
 * than a quarter of the draws. No sum over all ranks is needed, as in the approximation of fio. */
static uint64_t zipf_rank(const struct distribution *distribution, uint64_t n)
{
	double power = distribution->power, n_ranks = (double)distribution->n_blocks;

	for (uint64_t i = 0;; i++) {
		double y = distribution->integral_last +
			   unit(draw_bits(distribution, n, i)) *
				   (distribution->integral_first - distribution->integral_last);
		double x = inverse(y, power);
		double rank = fmin(fmax(floor(x + 0.5), 1), n_ranks);

		if (rank - x <= distribution->squeeze ||
		    y >= integral(rank + 0.5, power) - pow(rank, power - 1))
			return (uint64_t)rank - 1;
	}
}

/* A share k of the blocks gets a share k^(1/power) of the IO. */
static uint64_t pareto_rank(const struct distribution *distribution, uint64_t n)
{
	double share = pow(unit(draw_bits(distribution, n, 0)), distribution->power);
	uint64_t rank = (uint64_t)(share * (double)distribution->n_blocks);

	/* 1 - 2^-53 may be rounded up to n_blocks */
	return rank < distribution->n_blocks ? rank : distribution->n_blocks - 1;
}

/* The most popular block, rank 0, is at the center if there is one. */
static uint64_t scatter(const struct distribution *distribution, uint64_t rank)
{
	uint64_t block = permutation_at(&distribution->scatter, rank);
	uint64_t room = distribution->n_blocks - distribution->shift;

	return block < room ? block + distribution->shift : block - room;
}

static uint64_t normal_block(const struct distribution *distribution, uint64_t n)
{
	double block = 0, end = (double)distribution->n_blocks;

	for (uint64_t i = 0; i < NORMAL_ATTEMPTS; i++) {
		/* Box and Muller; 1 - unit is never 0 */
		double length = sqrt(-2 * log(1 - unit(draw_bits(distribution, n, 2 * i))));
		double angle = 2 * M_PI * unit(draw_bits(distribution, n, 2 * i + 1));

		block = distribution->mean + distribution->deviation * length * cos(angle);
		if (block >= 0 && block < end)
			return (uint64_t)block;
	}
	return block < 0 ? 0 : distribution->n_blocks - 1;
}

uint64_t distribution_block(const struct distribution *distribution, uint64_t n)
{
	uint64_t bits;
	uint32_t zone;

	switch (distribution->kind) {
	case DISTRIBUTION_ZIPF:
		return scatter(distribution, zipf_rank(distribution, n));
	case DISTRIBUTION_PARETO:
		return scatter(distribution, pareto_rank(distribution, n));
	case DISTRIBUTION_NORMAL:
		return normal_block(distribution, n);
	case DISTRIBUTION_ZONED:
	case DISTRIBUTION_ZONED_ABS:
		zone = distribution->zone_of[below(draw_bits(distribution, n, 0), 100)];
		bits = draw_bits(distribution, n, 1);
		return distribution->zones[zone].first + below(bits, distribution->zones[zone].n);
	case DISTRIBUTION_RANDOM:
		break;
	}
	return below(draw_bits(distribution, n, 0), distribution->n_blocks);
}

static int init_zones(struct distribution *distribution, const struct distribution_spec *spec,
		      uint64_t block_bytes)
{
	uint32_t percent = 0;
	uint64_t begin = 0;

	for (uint32_t i = 0; i < spec->n_zones; i++) {
		uint64_t end = begin + spec->zones[i].span, n_blocks = distribution->n_blocks;
		uint64_t first, last;

		if (spec->kind == DISTRIBUTION_ZONED) {
			first = (uint64_t)((wide)n_blocks * begin / 100);
			last = (uint64_t)((wide)n_blocks * end / 100);
		} else {
			first = begin / block_bytes;
			last = end / block_bytes < n_blocks ? end / block_bytes : n_blocks;
			if (first >= n_blocks && spec->zones[i].access_percent)
				return -ERANGE;
		}
		/* less than a block is a block */
		distribution->zones[i].first = first < n_blocks ? first : n_blocks - 1;
		distribution->zones[i].n = last > first ? last - first : 1;
		for (uint32_t k = 0; k < spec->zones[i].access_percent; k++)
			distribution->zone_of[percent++] = (uint8_t)i;
		begin = end;
	}
	return 0;
}

static void init_ranks(struct distribution *distribution, const struct distribution_spec *spec,
		       uint64_t seed)
{
	double power = 1 - spec->parameter;

	permutation_init(&distribution->scatter, distribution->n_blocks, seed);
	if (spec->center >= 0) {
		uint64_t n = distribution->n_blocks, at = (uint64_t)(spec->center * (double)n);

		at = at < n ? at : n - 1;
		distribution->shift = (at + n - permutation_at(&distribution->scatter, 0)) % n;
	}
	if (spec->kind == DISTRIBUTION_PARETO) {
		distribution->power = log(spec->parameter) / log(1 - spec->parameter);
		return;
	}
	distribution->power = power;
	distribution->integral_first = integral(1.5, power) - 1;
	distribution->integral_last = integral((double)distribution->n_blocks + 0.5, power);
	distribution->squeeze = 2 - inverse(integral(2.5, power) - pow(2, power - 1), power);
}

int distribution_init(struct distribution *distribution, const struct distribution_spec *spec,
		      uint64_t n_blocks, uint64_t block_bytes, uint64_t seed)
{
	memset(distribution, 0, sizeof(*distribution));
	distribution->kind = spec->kind;
	distribution->n_blocks = n_blocks;
	distribution->key = permutation_mix(permutation_mix(seed) + 1);
	if (spec->kind == DISTRIBUTION_ZONED || spec->kind == DISTRIBUTION_ZONED_ABS)
		return init_zones(distribution, spec, block_bytes);
	if (spec->kind == DISTRIBUTION_NORMAL) {
		double percent = spec->parameter > 0 ? spec->parameter : NORMAL_DEFAULT;

		distribution->mean = (spec->center < 0 ? 0.5 : spec->center) * (double)n_blocks;
		distribution->deviation = percent / 100 * (double)n_blocks;
	}
	if (spec->kind == DISTRIBUTION_ZIPF || spec->kind == DISTRIBUTION_PARETO)
		init_ranks(distribution, spec, seed);
	return 0;
}
