/* SPDX-License-Identifier: MIT
 * test_distribution.c - how often each block comes, beside theory and beside fio.
 * Invariants: seeds are fixed: what passes once passes always.
 * Threads:    one.
 * Ownership:  counts are freed by the tests. */
#include <math.h>

#include "tests/check.h"
#include "tools/bench/distribution.h"

#define BLOCK_BYTES 4096
#define DRAWS       1000000

static struct distribution make(const char *text, uint64_t n_blocks, uint64_t seed)
{
	struct distribution_spec spec;
	struct distribution distribution;
	const char *why = "";

	cr_assert_eq(distribution_parse(text, &spec, &why), 0, "%s: %s", text, why);
	check_eq(distribution_init(&distribution, &spec, n_blocks, BLOCK_BYTES, seed), 0);
	return distribution;
}

/* How often each block comes; to be freed. */
static uint32_t *count(const struct distribution *distribution, uint64_t n_draws)
{
	uint32_t *counts = calloc(distribution->n_blocks, sizeof(*counts));

	cr_assert_not_null(counts);
	for (uint64_t n = 0; n < n_draws; n++) {
		uint64_t block = distribution_block(distribution, n);

		check_op(block, <, distribution->n_blocks);
		counts[block]++;
	}
	return counts;
}

static int compare_down(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x < y) - (x > y);
}

static double share(const uint32_t *counts, uint64_t first, uint64_t n, uint64_t n_draws)
{
	double sum = 0;

	for (uint64_t i = first; i < first + n; i++)
		sum += counts[i];
	return sum / (double)n_draws;
}

static double generalised_harmonic(uint64_t n, double theta)
{
	double sum = 0;

	for (uint64_t k = 1; k <= n; k++)
		sum += pow((double)k, -theta);
	return sum;
}

/* The k most popular blocks get H(k) / H(n) of the draws, H being the sum of k^-theta. */
Test(distribution, zipf_is_as_popular_as_its_law)
{
	static const double thetas[] = { 0, 0.5, 0.99, 1.0001, 1.2, 2.5 };
	static const uint64_t tops[] = { 1, 2, 3, 10, 100 };
	const uint64_t n_blocks = 1000;

	for (size_t t = 0; t < sizeof(thetas) / sizeof(*thetas); t++) {
		struct distribution distribution;
		uint32_t *counts;
		char text[32];

		snprintf(text, sizeof(text), "zipf:%g", thetas[t]);
		distribution = make(text, n_blocks, 1);
		counts = count(&distribution, DRAWS);
		for (size_t i = 0; i < sizeof(tops) / sizeof(*tops); i++) {
			double seen = 0, law, deviation;

			/* by rank, not by count: sorting would count chance as popularity */
			for (uint64_t k = 0; k < tops[i]; k++)
				seen += counts[permutation_at(&distribution.scatter, k)];
			law = generalised_harmonic(tops[i], thetas[t]) /
			      generalised_harmonic(n_blocks, thetas[t]);
			deviation = sqrt(law * (1 - law) / DRAWS);
			cr_assert_lt(fabs(seen / DRAWS - law), 5 * deviation,
				     "%s: %llu blocks get %f, not %f", text,
				     (unsigned long long)tops[i], seen / DRAWS, law);
		}
		free(counts);
	}
}

/* A share k of the blocks gets k^(log(1 - h) / log(h)); h of them 1 - h. */
Test(distribution, pareto_is_as_popular_as_its_law)
{
	static const double powers[] = { 0.1, 0.2, 0.5, 0.8 };
	static const uint64_t tops[] = { 1, 10, 100, 200, 900 };
	const uint64_t n_blocks = 1000;

	for (size_t t = 0; t < sizeof(powers) / sizeof(*powers); t++) {
		struct distribution distribution;
		uint32_t *counts;
		char text[32];

		snprintf(text, sizeof(text), "pareto:%g", powers[t]);
		distribution = make(text, n_blocks, 2);
		counts = count(&distribution, DRAWS);
		for (size_t i = 0; i < sizeof(tops) / sizeof(*tops); i++) {
			double law = pow((double)tops[i] / (double)n_blocks,
					 log(1 - powers[t]) / log(powers[t]));
			double deviation = sqrt(law * (1 - law) / DRAWS), seen = 0;

			for (uint64_t k = 0; k < tops[i]; k++)
				seen += counts[permutation_at(&distribution.scatter, k)];
			cr_assert_lt(fabs(seen / DRAWS - law), 5 * deviation,
				     "%s: %llu blocks get %f, not %f", text,
				     (unsigned long long)tops[i], seen / DRAWS, law);
		}
		free(counts);
	}
}

/* What `fio-genzipf -t TYPE -i INPUT -g 1 -b 4096 -o 10` of fio 3.33 says of the most popular tenth
 * of the blocks that came at all, in as many draws as there are blocks. */
Test(distribution, ranks_are_as_popular_as_those_of_fio)
{
	static const struct {
		const char *text;
		double fio;
	} rows[] = {
		{ "zipf:1.2", 0.8876 },
		{ "zipf:0.8", 0.5154 },
		{ "pareto:0.2", 0.6355 },
		{ "pareto:0.1", 0.8340 },
	};
	const uint64_t n_blocks = UINT64_C(1) << 18;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct distribution distribution = make(rows[i].text, n_blocks, 3);
		uint32_t *counts = count(&distribution, n_blocks);
		uint64_t n_hit = 0;
		double ours;

		qsort(counts, n_blocks, sizeof(*counts), compare_down);
		while (n_hit < n_blocks && counts[n_hit])
			n_hit++;
		ours = share(counts, 0, n_hit / 10, n_blocks);
		/* fio's zipf is an approximation, and its hash lets some blocks share a place */
		cr_assert_lt(fabs(ours - rows[i].fio), 0.02, "%s: %f, fio %f", rows[i].text, ours,
			     rows[i].fio);
		free(counts);
	}
}

/* Popular blocks are not side by side: each eighth of the file has its share of the top 800. */
Test(distribution, ranks_are_scattered)
{
	struct distribution distribution = make("zipf:1.2", 100000, 4);
	uint32_t n_in[8] = { 0 };

	for (uint64_t k = 0; k < 800; k++)
		n_in[permutation_at(&distribution.scatter, k) * 8 / 100000]++;
	for (uint32_t i = 0; i < 8; i++) {
		/* 100 expected, deviation 9.4 */
		check_op(n_in[i], >, 53);
		check_op(n_in[i], <, 147);
	}
}

Test(distribution, the_most_popular_block_is_at_the_center)
{
	static const struct {
		const char *text;
		uint64_t block;
	} rows[] = {
		{ "zipf:1.2:0.25", 250 },
		{ "zipf:1.2:0", 0 },
		{ "zipf:1.2:1", 999 },
		{ "pareto:0.1:0.5", 500 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct distribution distribution = make(rows[i].text, 1000, 5);
		uint32_t *counts = count(&distribution, 100000);
		uint64_t best = 0;

		for (uint64_t block = 0; block < 1000; block++)
			if (counts[block] > counts[best])
				best = block;
		check_eq(best, rows[i].block);
		free(counts);
	}
}

static void check_normal(const char *text, double mean, double deviation)
{
	const uint64_t n_blocks = 100000;
	struct distribution distribution = make(text, n_blocks, 6);
	double sum = 0, squares = 0, fourth = 0, sd;

	for (uint64_t n = 0; n < DRAWS; n++) {
		double x = (double)distribution_block(&distribution, n) / (double)n_blocks - mean;

		sum += x;
		squares += x * x;
		fourth += x * x * x * x;
	}
	sd = sqrt(squares / DRAWS - pow(sum / DRAWS, 2));
	cr_assert_lt(fabs(sum / DRAWS), 5 * deviation / 1000, "%s: mean off by %f", text,
		     sum / DRAWS);
	cr_assert_lt(fabs(sd / deviation - 1), 5 / sqrt(2.0 * DRAWS), "%s: deviation %f", text, sd);
	/* a bell: 3 times the square of the variance; even numbers would have 1.8 */
	cr_assert_lt(fabs(fourth / DRAWS / pow(deviation, 4) - 3), 0.05, "%s: no bell", text);
}

Test(distribution, normal_has_its_mean_and_deviation)
{
	check_normal("normal:10", 0.5, 0.1);
	check_normal("normal:2", 0.5, 0.02);
	check_normal("normal:3:0.25", 0.25, 0.03);
	check_normal("normal:1:0.9", 0.9, 0.01);
	check_normal("normal", 0.5, 1.0 / 12);
}

/* The ends are cut, not heaped up: at both ends a wide bell is as high as it is there. */
Test(distribution, normal_is_cut_at_the_ends)
{
	struct distribution distribution = make("normal:50", 100, 7);
	uint32_t *counts = count(&distribution, DRAWS);
	/* 1 block of 100, z = -1, in what is inside of +-1: 0.01 / 0.5 * 0.2420 / 0.6827 */
	double end = share(counts, 0, 1, DRAWS);

	cr_assert_lt(fabs(end - 0.00712), 0.0005, "%f", end);
	cr_assert_lt(fabs(share(counts, 99, 1, DRAWS) - 0.00712), 0.0005);
	free(counts);
	distribution = make("normal:99.9:0", 100, 7);
	free(count(&distribution, 10000));
}

static void check_zones(const char *text, uint64_t n_blocks, uint32_t n_zones,
			const double zones[][2])
{
	struct distribution distribution = make(text, n_blocks, 8);
	uint32_t *counts = count(&distribution, DRAWS);
	uint64_t first = 0;

	for (uint32_t i = 0; i < n_zones; i++) {
		uint64_t n = (uint64_t)(zones[i][1] * (double)n_blocks + 0.5);
		double seen = share(counts, first, n, DRAWS), even;

		cr_assert_lt(fabs(seen - zones[i][0]), 0.0025, "%s: zone %u gets %f", text, i,
			     seen);
		/* evenly inside of it */
		even = share(counts, first, n / 2, DRAWS);
		cr_assert_lt(fabs(even - zones[i][0] / 2), 0.0025, "%s: half of zone %u gets %f",
			     text, i, even);
		first += n;
	}
	free(counts);
}

Test(distribution, zones_get_their_shares)
{
	static const double manual[][2] = { { .6, .1 }, { .3, .2 }, { .08, .3 }, { .02, .4 } };
	static const double open[][2] = { { .5, .1 }, { .25, .45 }, { .25, .45 } };
	static const double part[][2] = { { .5, .5 }, { .5, .25 } };

	check_zones("zoned:60/10:30/20:8/30:2/40", 10000, 4, manual);
	check_zones("zoned:50/10:25:25/", 10000, 3, open);
	check_zones("zoned:50/50:50/25", 10000, 2, part); /* the last quarter is left alone */
	/* 10000 blocks of 4 KiB are 40000k */
	check_zones("zoned_abs:60/4000k:30/8000k:8/12000k:2/16000k", 10000, 4, manual);
	check_zones("zoned_abs:60/4000k:30/8000k:8/12000k:2/1t", 10000, 4, manual);
}

Test(distribution, zones_of_less_than_a_block_have_one)
{
	struct distribution distribution = make("zoned:50/1:0/9:50/90", 3, 9);
	uint32_t *counts = count(&distribution, 1000);

	check_op(counts[0], >, 400);
	free(counts);
	distribution = make("zoned:99/99:1/1", 1, 9);
	free(count(&distribution, 1000));
}

Test(distribution, zone_behind_the_end_is_refused)
{
	struct distribution_spec spec;
	struct distribution distribution;

	check_eq(distribution_parse("zoned_abs:50/1m:50/1m", &spec, NULL), 0);
	check_eq(distribution_init(&distribution, &spec, 256, BLOCK_BYTES, 1), -ERANGE);
	check_eq(distribution_init(&distribution, &spec, 257, BLOCK_BYTES, 1), 0);
}

Test(distribution, random_is_even)
{
	struct distribution distribution = make("random", 100, 10);
	uint32_t *counts = count(&distribution, DRAWS);

	for (uint32_t i = 0; i < 100; i++) {
		check_op(counts[i], >, 10000 - 500);
		check_op(counts[i], <, 10000 + 500);
	}
	free(counts);
}

/* Of unrelated draws among many blocks hardly any is the same; of the same seed all are. */
Test(distribution, draws_hang_on_the_seed_alone)
{
	static const char *const texts[] = { "random", "zipf:0.5", "pareto:0.5", "normal:20",
					     "zoned:50/50:50/50" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct distribution a = make(texts[i], 1000000, 1), b = make(texts[i], 1000000, 1);
		struct distribution other = make(texts[i], 1000000, 2);
		uint32_t n_same = 0, n_shifted = 0;

		for (uint64_t n = 0; n < 10000; n++) {
			uint64_t block = distribution_block(&a, n);

			check_eq(block, distribution_block(&b, n));
			n_same += block == distribution_block(&other, n);
			n_shifted += block == distribution_block(&other, n ^ 3);
		}
		check_op(n_same, <, 20);
		check_op(n_shifted, <, 20);
	}
}

Test(distribution, one_block_is_the_only_one)
{
	static const char *const texts[] = { "random",      "zipf:1.2",    "zipf:0.5",
					     "pareto:0.2",  "normal:10",   "zipf:1.2:0.5",
					     "zoned:100/1", "normal:10:1", "zoned_abs:100/1k" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct distribution distribution = make(texts[i], 1, 1);

		free(count(&distribution, 1000));
	}
}

Test(distribution, what_fio_refuses_is_refused)
{
	static const char *const texts[] = {
		"",
		"foo",
		"zip",
		"random:3",
		"zipf:",
		"zipf:x",
		"zipf:1.2x",
		"zipf:1.0",
		"zipf:-1",
		"zipf:inf",
		"zipf:nan",
		"zipf: 1",
		"zipf:1.2:1.5",
		"zipf:1.2:-0.5",
		"zipf:1.2:0.5:0.5",
		"zipf:1.2,pareto:0.3",
		"pareto:0",
		"pareto:1",
		"pareto:-2",
		"normal:100",
		"normal:-1",
		"zoned",
		"zoned:",
		"zoned:60/10:30/20",
		"zoned:60/10:50/90",
		"zoned:60/10:40/95",
		"zoned:/10:100/90",
		"zoned:50.5/50:49.5/50",
		"zoned:100/0",
		"zoned:50/100:50",
		"zoned:50/10:50/90:",
		"zoned:50/10k:50/90",
		"zoned:50/10,50/90",
		"zoned_abs:100",
		"zoned_abs:50/1m:50",
		"zoned_abs:100/-1",
	};
	struct distribution_spec spec = { .parameter = 77 };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		const char *why = NULL;

		cr_assert_eq(distribution_parse(texts[i], &spec, &why), -EINVAL, "'%s'", texts[i]);
		cr_assert_not_null(why);
		check_eq(spec.parameter, 77);
	}
}
