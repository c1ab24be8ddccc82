/* SPDX-License-Identifier: MIT
 * test_pattern.c - what IO number n is: fio's sequences, each block once, mixes, sizes, syncs.
 * Invariants: seeds are fixed, so a bound that holds holds always.
 * Threads:    one, but for the test of threads that step together.
 * Ownership:  patterns of the tests. */
#include <pthread.h>

#include "tests/check.h"
#include "tools/bench/pattern.h"

#define KIB 1024ull

static const struct pattern_area whole = { .offset_bytes = 0, .length_bytes = 1024 * KIB };

static struct bench_options options_of(uint64_t rw)
{
	struct bench_options options;

	bench_options_init(&options);
	options.rw = rw;
	options.bs_bytes = 4 * KIB;
	return options;
}

static struct pattern pattern_of(const struct bench_options *options,
				 const struct pattern_area *areas, uint32_t n)
{
	struct pattern pattern;

	check_eq(pattern_init(&pattern, options, areas, n, 0), 0);
	return pattern;
}

/* The next IO, whichever kind; n counts those of a plain pattern. */
static bool next(struct pattern *pattern, uint64_t *n, struct job_io *io)
{
	if (pattern->kind == PATTERN_STEPPED)
		return pattern_step(pattern, io);
	if (*n >= pattern->ios_max)
		return false;
	pattern_prepare(pattern, io);
	pattern_at(pattern, (*n)++, io);
	return true;
}

/* How often each block of 4 KiB is touched, by all IO there is. Returns the number of IOs. */
static uint64_t touch(struct pattern *pattern, uint32_t *touched, uint64_t n_blocks)
{
	struct job_io io = { .bytes = 0 };
	uint64_t n = 0, ios = 0;

	memset(touched, 0, n_blocks * sizeof(*touched));
	while (next(pattern, &n, &io)) {
		if (io.direction == DIRECTION_SYNC)
			continue;
		ios++;
		check_eq(io.offset % (4 * KIB), 0);
		check_op(io.offset + io.bytes, <=, n_blocks * 4 * KIB);
		for (uint64_t at = 0; at < io.bytes; at += 4 * KIB)
			touched[(io.offset + at) / (4 * KIB)]++;
	}
	return ios;
}

static void check_each_once(const struct bench_options *options)
{
	struct pattern pattern = pattern_of(options, &whole, 1);
	uint32_t touched[256];

	(void)touch(&pattern, touched, 256);
	for (int i = 0; i < 256; i++)
		check_eq(touched[i], 1);
	pattern_deinit(&pattern);
}

Test(pattern, every_block_once_in_a_pass)
{
	static const uint64_t rws[] = { BENCH_READ, BENCH_WRITE, BENCH_RANDREAD, BENCH_RANDWRITE,
					BENCH_RANDRW };

	for (size_t i = 0; i < sizeof(rws) / sizeof(*rws); i++) {
		struct bench_options options = options_of(rws[i]);

		check_each_once(&options);
		options.fsync = 5; /* the stepped kind of the same */
		check_each_once(&options);
	}
}

Test(pattern, every_block_once_with_sizes_that_vary)
{
	struct bench_options options = options_of(BENCH_RANDWRITE);

	options.bs_bytes = 16 * KIB;
	for (int d = 0; d < BENCH_DIRECTIONS; d++) {
		options.sizes[d].min_bytes = 4 * KIB;
		options.sizes[d].max_bytes = 16 * KIB;
	}
	check_each_once(&options);
	options.rw = BENCH_WRITE;
	check_each_once(&options);
}

Test(pattern, passes_differ)
{
	struct bench_options options = options_of(BENCH_RANDREAD);
	struct pattern pattern;
	uint32_t touched[256], same = 0;

	options.loops = 2;
	pattern = pattern_of(&options, &whole, 1);
	check_eq(touch(&pattern, touched, 256), 512);
	for (int i = 0; i < 256; i++)
		check_eq(touched[i], 2);
	for (uint64_t i = 0; i < 256; i++) {
		struct job_io a = { .bytes = 0 }, b = { .bytes = 0 };

		pattern_at(&pattern, i, &a);
		pattern_at(&pattern, i + 256, &b);
		same += a.offset == b.offset;
	}
	check_op(same, <, 10); /* of two random orders 1 on average */
	pattern_deinit(&pattern);
}

Test(pattern, norandommap_draws_with_replacement)
{
	struct bench_options options = options_of(BENCH_RANDREAD);
	struct pattern pattern;
	uint32_t touched[256], none = 0;

	options.norandommap = 1;
	pattern = pattern_of(&options, &whole, 1);
	check_eq(touch(&pattern, touched, 256), 256);
	for (int i = 0; i < 256; i++)
		none += touched[i] == 0;
	/* 256 / e = 94 on average, with a deviation below 8 */
	check_op(none, >, 94 - 32);
	check_op(none, <, 94 + 32);
	pattern_deinit(&pattern);
}

/* Of n IOs with probability p within 5 deviations: n p (1 - p) is their square. */
static void check_mix(struct bench_options *options, uint64_t percent)
{
	const uint64_t n_all = 100000;
	struct job_io io = { .bytes = 0 };
	struct pattern pattern;
	uint64_t n = 0, reads = 0;
	long long off;

	options->rwmixread = percent;
	options->number_ios = n_all;
	options->time_based = 1;
	pattern = pattern_of(options, &whole, 1);
	while (next(&pattern, &n, &io))
		reads += io.direction == DIRECTION_READ;
	off = (long long)reads - (long long)(n_all / 100 * percent);
	check_op(off * off, <=,
		 25ll * (long long)n_all * (long long)percent * (long long)(100 - percent) / 10000);
	pattern_deinit(&pattern);
}

Test(pattern, mixes_are_as_asked_for)
{
	static const uint64_t percents[] = { 0, 1, 30, 50, 70, 99, 100 };

	for (size_t i = 0; i < sizeof(percents) / sizeof(*percents); i++) {
		struct bench_options options = options_of(BENCH_RANDRW);

		check_mix(&options, percents[i]);
		options.rw = BENCH_RW;
		check_mix(&options, percents[i]);
	}
}

Test(pattern, splits_are_as_asked_for)
{
	struct bench_options options = options_of(BENCH_RANDREAD);
	struct job_io io = { .bytes = 0 };
	uint64_t n = 0, small = 0, middle = 0;
	struct pattern pattern;

	options.bs_bytes = 64 * KIB;
	options.norandommap = 1;
	options.number_ios = 100000;
	options.time_based = 1;
	options.sizes[0] = (struct bench_sizes){
		.min_bytes = 4 * KIB,
		.max_bytes = 64 * KIB,
		.n_splits = 3,
		.splits = { { 4 * KIB, 60 }, { 16 * KIB, 30 }, { 64 * KIB, 10 } },
	};
	pattern = pattern_of(&options, &(struct pattern_area){ 0, 1ull << 40 }, 1);
	while (next(&pattern, &n, &io)) {
		small += io.bytes == 4 * KIB;
		middle += io.bytes == 16 * KIB;
		cr_assert(io.bytes == 4 * KIB || io.bytes == 16 * KIB || io.bytes == 64 * KIB);
	}
	/* deviations: sqrt(1e5 x 0.6 x 0.4) = 155, sqrt(1e5 x 0.3 x 0.7) = 145 */
	check_op(llabs((long long)small - 60000), <, 5 * 155);
	check_op(llabs((long long)middle - 30000), <, 5 * 145);
	pattern_deinit(&pattern);
}

/* "r0 w0 r1 s" : directions and blocks of 4 KiB, as many as there are, or fit. */
static void check_sequence(struct pattern *pattern, const char *expected)
{
	char text[512] = "";
	struct job_io io = { .bytes = 0 };
	uint64_t n = 0;
	size_t length = 0;

	while (length < 400 && next(pattern, &n, &io)) {
		if (io.direction == DIRECTION_SYNC)
			length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s",
						   length ? " " : "", io.is_datasync ? "d" : "s");
		else
			length += (size_t)snprintf(text + length, sizeof(text) - length,
						   "%s%c%llu.%u", length ? " " : "",
						   io.direction == DIRECTION_READ ? 'r' : 'w',
						   (unsigned long long)(io.offset / (4 * KIB)),
						   io.file);
	}
	cr_assert_str_eq(text, expected, "%s\nnot %s", text, expected);
	pattern_deinit(pattern);
}

static const struct pattern_area small = { .offset_bytes = 8 * KIB, .length_bytes = 32 * KIB };

Test(pattern, sequential_with_offset_and_io_size)
{
	struct bench_options options = options_of(BENCH_READ);
	struct pattern pattern = pattern_of(&options, &small, 1);

	check_sequence(&pattern, "r2.0 r3.0 r4.0 r5.0 r6.0 r7.0 r8.0 r9.0");
	options.io_size_bytes = 10 * KIB; /* begun while there are bytes left, as fio */
	pattern = pattern_of(&options, &small, 1);
	check_sequence(&pattern, "r2.0 r3.0 r4.0");
	options.io_size_bytes = 40 * KIB;
	pattern = pattern_of(&options, &small, 1);
	check_sequence(&pattern, "r2.0 r3.0 r4.0 r5.0 r6.0 r7.0 r8.0 r9.0 r2.0 r3.0");
}

/* fio --rw=write:4k --bs=4k --size=64k --write_iolog */
Test(pattern, holes_go_round_as_fios)
{
	struct bench_options options = options_of(BENCH_WRITE);
	struct pattern pattern;

	options.rw_skip_bytes = 4 * KIB;
	pattern = pattern_of(&options, &(struct pattern_area){ 0, 64 * KIB }, 1);
	check_sequence(&pattern, "w0.0 w2.0 w4.0 w6.0 w8.0 w10.0 w12.0 w14.0 "
				 "w0.0 w2.0 w4.0 w6.0 w8.0 w10.0 w12.0 w14.0");
}

Test(pattern, backwards_from_the_end)
{
	struct bench_options options = options_of(BENCH_READ);
	struct pattern pattern;

	options.rw_skip_bytes = (uint64_t)(-8 * (int64_t)KIB);
	pattern = pattern_of(&options, &(struct pattern_area){ 0, 16 * KIB }, 1);
	check_sequence(&pattern, "r2.0 r1.0 r0.0 r2.0");
}

/* fio --rw=write --fsync=3 --bs=8k --size=64k --write_iolog, here with blocks of 4 KiB. */
Test(pattern, syncs_come_as_fios)
{
	struct bench_options options = options_of(BENCH_WRITE);
	struct pattern pattern;

	options.fsync = 3;
	pattern = pattern_of(&options, &(struct pattern_area){ 0, 32 * KIB }, 1);
	check_sequence(&pattern, "w0.0 w1.0 w2.0 s w3.0 w4.0 w5.0 s w6.0 w7.0");
	options.fsync = 0;
	options.fdatasync = 4;
	pattern = pattern_of(&options, &(struct pattern_area){ 0, 32 * KIB }, 1);
	check_sequence(&pattern, "w0.0 w1.0 w2.0 w3.0 d w4.0 w5.0 w6.0 w7.0");
}

/* fio --nrfiles=2 --size=32k --write_iolog */
Test(pattern, files_take_turns)
{
	static const struct pattern_area two[] = { { 0, 16 * KIB }, { 0, 16 * KIB } };
	static const struct pattern_area uneven[] = { { 0, 16 * KIB }, { 0, 4 * KIB } };
	struct bench_options options = options_of(BENCH_WRITE);
	struct pattern pattern = pattern_of(&options, two, 2);

	check_sequence(&pattern, "w0.0 w0.1 w1.0 w1.1 w2.0 w2.1 w3.0 w3.1");
	pattern = pattern_of(&options, uneven, 2);
	check_sequence(&pattern, "w0.0 w0.1 w1.0 w2.0 w3.0");
}

/* Reads and writes have a position each, as fio's. */
Test(pattern, sequential_mixes_have_two_positions)
{
	struct bench_options options = options_of(BENCH_RW);
	struct job_io io = { .bytes = 0 };
	struct pattern pattern;
	uint64_t at[2] = { 0, 0 }, n = 0;

	options.rwmixread = 50;
	pattern = pattern_of(&options, &whole, 1);
	while (next(&pattern, &n, &io)) {
		check_eq(io.offset, at[io.direction]);
		at[io.direction] += io.bytes;
	}
	check_eq(at[0] + at[1], 1024 * KIB);
	check_op(at[0], >, 0);
	check_op(at[1], >, 0);
	pattern_deinit(&pattern);
}

Test(pattern, jumps_every_nth_time)
{
	struct bench_options options = options_of(BENCH_RANDREAD);
	struct pattern pattern;
	struct job_io io = { .bytes = 0 };
	uint64_t last = 0, jumps = 0;

	options.rw_nr = 4;
	options.number_ios = 400;
	options.time_based = 1;
	pattern = pattern_of(&options, &(struct pattern_area){ 0, 1ull << 40 }, 1);
	for (uint64_t i = 0, n = 0; next(&pattern, &n, &io); i++) {
		if (i % 4 == 0)
			jumps += io.offset != last + 4 * KIB;
		else
			check_eq(io.offset, last + 4 * KIB);
		last = io.offset;
	}
	check_op(jumps, >=, 98); /* one of 2^28 blocks is the next one by chance */
	pattern_deinit(&pattern);
}

Test(pattern, the_same_seed_makes_the_same_io_and_clones_differ)
{
	struct bench_options options = options_of(BENCH_RANDRW);
	struct pattern a, b, c;
	uint32_t same = 0;

	options.fsync = 7;
	a = pattern_of(&options, &whole, 1);
	b = pattern_of(&options, &whole, 1);
	check_eq(pattern_init(&c, &options, &whole, 1, 1), 0);
	for (int i = 0; i < 200; i++) {
		struct job_io x = { .bytes = 0 }, y = x, z = x;

		cr_assert(pattern_step(&a, &x) && pattern_step(&b, &y) && pattern_step(&c, &z));
		check_eq(x.offset, y.offset);
		check_eq(x.direction, y.direction);
		same += x.offset == z.offset;
	}
	check_op(same, <, 20);
	pattern_rewind(&a);
	pattern_rewind(&b);
	for (int i = 0; i < 200; i++) {
		struct job_io x = { .bytes = 0 }, y = x;

		cr_assert(pattern_step(&a, &x) && pattern_step(&b, &y));
		check_eq(x.offset, y.offset);
	}
	pattern_deinit(&a);
	pattern_deinit(&b);
	pattern_deinit(&c);
}

Test(pattern, an_area_without_room_is_refused)
{
	struct bench_options options = options_of(BENCH_READ);
	struct pattern pattern;

	check_eq(pattern_init(&pattern, &options, &(struct pattern_area){ 0, 4095 }, 1, 0),
		 -EINVAL);
	check_eq(pattern_init(&pattern, &options, NULL, 0, 0), -EINVAL);
}

struct stepper {
	struct pattern *pattern;
	uint32_t *touched;
	pthread_t thread;
};

static void *step_all(void *arg)
{
	struct stepper *stepper = arg;
	struct job_io io = { .bytes = 0 };

	while (pattern_step(stepper->pattern, &io)) {
		if (io.direction != DIRECTION_SYNC)
			__atomic_fetch_add(&stepper->touched[io.offset / (4 * KIB)], 1,
					   __ATOMIC_RELAXED);
	}
	return NULL;
}

Test(pattern, threads_step_together_and_do_each_block_once)
{
	struct bench_options options = options_of(BENCH_RANDWRITE);
	struct stepper steppers[4];
	uint32_t touched[256] = { 0 };
	struct pattern pattern;

	options.fsync = 3;
	pattern = pattern_of(&options, &whole, 1);
	for (int i = 0; i < 4; i++) {
		steppers[i] = (struct stepper){ .pattern = &pattern, .touched = touched };
		check_eq(pthread_create(&steppers[i].thread, NULL, step_all, &steppers[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(steppers[i].thread, NULL);
	for (int i = 0; i < 256; i++)
		check_eq(touched[i], 1);
	pattern_deinit(&pattern);
}
