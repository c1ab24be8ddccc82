/* SPDX-License-Identifier: MIT
 * test_merge_property.c - what merge/README.md promises, of random batches. tests/fuzz/fuzz_merge.c
 *                         asks the same of batches that are looked for.
 * Invariants: a batch is made of its seed alone, which is drawn from IOE_SEED and printed with the
 *             batch when it fails.
 * Threads:    none.
 * Ownership:  batches are the tests'. */
#include "engine/sys.h"
#include "tests/check.h"
#include "tests/lib/merge_batch.h"
#include "tests/lib/random.h"

enum { EVENTS_MAX = 256, BLOCK = 512 };

/* Where a shape begins: at the start of files, around the bit where a sort key is cut (2^40), and
 * at the end of what can be addressed. */
static uint64_t base_of(struct random *random, uint64_t room)
{
	switch (random_below(random, 8)) {
	case 0:
		return (UINT64_C(1) << 40) - room / 2;
	case 1:
		return INT64_MAX - room;
	default:
		return 0;
	}
}

static uint8_t either(struct random *random, uint8_t one, uint8_t other)
{
	return random_below(random, 2) == 0 ? one : other;
}

/* ---- Shapes: n events each, or four times as many where it takes more than 64 ------------- */

/* Anything anywhere, in a range of blocks that makes it more or less crowded. */
static void put_scatter(struct batch *batch, struct random *random, uint32_t n)
{
	static const uint8_t all[] = {
		IOE_OP_READ,  IOE_OP_WRITE,     IOE_OP_READ, IOE_OP_WRITE,
		IOE_OP_READV, IOE_OP_WRITEV,    IOE_OP_READ, IOE_OP_WRITE,
		IOE_OP_FSYNC, IOE_OP_FALLOCATE, IOE_OP_NOP,  IOE_OP_FDATASYNC
	};
	const uint64_t n_blocks = n * (UINT64_C(1) << random_below(random, 8)) / 4 + 1;
	const uint32_t n_fds = (uint32_t)random_between(random, 1, 4);
	const uint32_t first = (uint32_t)random_below(random, 2);
	const uint32_t n_ops = (uint32_t[]){ 1, 2, sizeof(all) }[random_below(random, 3)];
	const uint64_t base = base_of(random, (n_blocks + 4) * BLOCK);

	for (uint32_t i = 0; i < n; i++) {
		const uint8_t op = n_ops == 1 ? all[first] : all[random_below(random, n_ops)];
		const uint64_t blocks =
			random_below(random, 4) == 0 ? random_between(random, 1, 4) : 1;

		batch_put(batch, op, 3 + (int)random_below(random, n_fds),
			  base + random_below(random, n_blocks) * BLOCK, blocks * BLOCK);
	}
}

/* Sequential runs, cut into events of different lengths; the shuffle comes later. Some runs stand
 * on the same bytes as the one before. */
static void put_runs(struct batch *batch, struct random *random, uint32_t n)
{
	uint64_t begin = base_of(random, UINT64_C(1) << 20);
	const uint64_t length_max = random_between(random, 1, 4) * BLOCK;
	int fd = 3;

	while (n > 0) {
		const uint32_t n_run = (uint32_t)random_between(random, 1, n);
		const uint8_t op = either(random, IOE_OP_READ, IOE_OP_WRITE);
		uint64_t offset = begin;

		for (uint32_t i = 0; i < n_run; i++) {
			const uint64_t length = random_below(random, 8) == 0 ?
							random_between(random, 1, length_max) :
							length_max;

			batch_put(batch, op, fd, offset, length);
			offset += length;
		}
		n -= n_run;
		if (random_below(random, 2) == 0)
			fd++;
		else if (random_below(random, 2) == 0)
			begin = offset; /* the next goes on here, else it begins where this began */
	}
}

/* Each range within the one before, and some that touch its ends. */
static void put_nested(struct batch *batch, struct random *random, uint32_t n)
{
	const uint64_t base = base_of(random, UINT64_C(1) << 20);
	const uint32_t writes_of_8 = (uint32_t)random_below(random, 5);

	for (uint32_t i = 0; i < n; i++) {
		const uint8_t op =
			random_below(random, 8) < writes_of_8 ? IOE_OP_WRITE : IOE_OP_READ;
		const uint64_t low = base + i * UINT64_C(64);
		const uint64_t high = base + (UINT64_C(2) * EVENTS_MAX - i) * 64;

		switch (random_below(random, 4)) {
		case 0:
			batch_put(batch, op, 3, low, 64);
			break;
		case 1:
			batch_put(batch, op, 3, high, 64);
			break;
		default:
			batch_put(batch, op, 3, low, high - low);
			break;
		}
	}
}

/* Many groups that end at one place, and many events that begin there; of the groups most have no
 * room for any of these, or all of them have. */
static void put_crowd(struct batch *batch, struct random *random, uint32_t n)
{
	const uint64_t middle = UINT64_C(1) << 20;
	const uint64_t n_lengths = random_between(random, 1, 200);
	const bool vectors = random_below(random, 2) == 0;

	n = n < EVENTS_MAX / 4 ? n * 4 : EVENTS_MAX;
	for (uint32_t i = 0; i < n; i++) {
		const uint64_t length = random_between(random, 1, n_lengths);
		const bool left = random_below(random, 4) != 0;
		struct ioe_event *event =
			batch_put(batch, IOE_OP_READ, 3, left ? middle - length : middle, length);

		if (!vectors)
			continue;
		event->op = IOE_OP_READV;
		event->n_iov = left && random_below(random, 32) != 0 ? 1000 : 25;
	}
}

/* Gigabytes, whose sums are above what a request moves, at the end of what can be addressed. */
static void put_huge(struct batch *batch, struct random *random, uint32_t n)
{
	const uint64_t n_events = n > 0 ? n : 1;
	const uint64_t length = random_between(random, 1, 16) << random_between(random, 26, 30);
	uint64_t offset = INT64_MAX - n_events * length * 2;

	for (uint32_t i = 0; i < n; i++) {
		const uint64_t longer = random_below(random, 4) == 0 ? length * 2 : length;

		batch_put(batch, IOE_OP_WRITE, 3, offset, longer);
		offset += longer;
	}
}

/* More sets of traits than a batch tells apart, each with neighbours. */
static void put_traits(struct batch *batch, struct random *random, uint32_t n)
{
	const uint64_t n_traits = random_between(random, 1, 120);

	n = n < EVENTS_MAX / 4 ? n * 4 : EVENTS_MAX;
	for (uint32_t i = 0; i < n; i++) {
		struct ioe_event *event = batch_put(
			batch, IOE_OP_READ, 3, random_below(random, n / 16 + 2) * BLOCK, BLOCK);
		const uint64_t traits = random_below(random, n_traits);

		event->ioprio = (uint16_t)(traits & 3);
		event->lane = (uint8_t)(traits >> 2 & 3);
		event->rw_flags = traits >> 4 & 1 ? 0x02 /* DSYNC */ : 0;
		event->flags = (uint32_t)(traits >> 5) << 30;
	}
}

/* What moves the bytes behind it, among writes. */
static void put_fallocates(struct batch *batch, struct random *random, uint32_t n)
{
	static const uint32_t modes[] = { 0, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_COLLAPSE_RANGE,
					  FALLOC_FL_INSERT_RANGE };
	const uint64_t n_blocks = n * (UINT64_C(1) << random_below(random, 4)) + 1;

	for (uint32_t i = 0; i < n; i++) {
		const bool moves = random_below(random, 6) == 0;
		const uint8_t op = moves ? (uint8_t)IOE_OP_FALLOCATE :
					   either(random, IOE_OP_READ, IOE_OP_WRITE);
		struct ioe_event *event = batch_put(batch, op, 3 + (int)random_below(random, 2),
						    random_below(random, n_blocks) * BLOCK,
						    random_between(random, 1, 3) * BLOCK);

		if (moves)
			event->op_flags = modes[random_below(random, 4)];
	}
}

/* ---- A batch of a seed -------------------------------------------------------------------- */

/* Make an event different from what its shape says. */
static void make_odd(struct ioe_event *event, struct random *random)
{
	switch (random_below(random, 9)) {
	case 0:
		event->flags = UINT32_C(1) << random_below(random, 3);
		break;
	case 1:
		event->rw_flags = UINT32_C(1) << random_below(random, 7);
		break;
	case 2:
		event->ioprio = (uint16_t)random_below(random, 3);
		break;
	case 3:
		event->lane = (uint8_t)random_below(random, 3);
		break;
	case 4:
		event->done = 1;
		break;
	case 5:
		event->fd ^= 1;
		break;
	case 6:
		if (event->offset < INT64_MAX - event->length)
			event->offset++;
		break;
	case 7:
		event->offset = IOE_OFFSET_STREAM;
		break;
	default:
		if (event->op == IOE_OP_READ || event->op == IOE_OP_WRITE) {
			event->op += IOE_OP_READV - IOE_OP_READ;
			event->n_iov = (uint32_t)random_between(random, 1, 40);
		}
		break;
	}
}

static void shuffle(struct batch *batch, struct random *random, uint32_t reach)
{
	for (uint32_t i = 0; i + 1 < batch->n; i++) {
		const uint32_t left = batch->n - i;
		const uint32_t k = i + (uint32_t)random_below(random, reach < left ? reach : left);
		const struct ioe_event event = batch->events[i];

		batch->events[i] = batch->events[k];
		batch->events[k] = event;
	}
}

static struct ioe__merge_limits draw_limits(struct random *random)
{
	static const uint64_t bytes[] = { 0,         1,       2,          BLOCK,
					  3 * BLOCK, 1 << 17, 0x7ffff000, UINT64_C(1) << 40,
					  UINT64_MAX };
	static const uint32_t counts[] = { 0, 1, 2, 3, 7, 64, 1023, 1024, 1025, UINT32_MAX };
	struct ioe__merge_limits limits = { UINT64_MAX, UINT32_MAX, UINT32_MAX };

	if (random_below(random, 2) == 0)
		limits.bytes_max = random_below(random, 2) == 0 ?
					   bytes[random_below(random, sizeof(bytes) / 8)] :
					   random_between(random, 1, 16 * BLOCK);
	if (random_below(random, 3) == 0)
		limits.events_max = counts[random_below(random, sizeof(counts) / 4)];
	if (random_below(random, 3) == 0)
		limits.iov_max = random_below(random, 2) == 0 ?
					 counts[random_below(random, sizeof(counts) / 4)] :
					 (uint32_t)random_between(random, 1, 40);
	return limits;
}

static struct ioe__merge_limits batch_of_seed(struct batch *batch, uint64_t seed)
{
	static void (*const shapes[])(struct batch *, struct random *,
				      uint32_t) = { put_scatter, put_scatter, put_runs,
						    put_runs,    put_nested,  put_crowd,
						    put_huge,    put_traits,  put_fallocates };
	struct random random = { seed };
	const uint32_t n = (uint32_t)random_between(
		&random, 1, random_below(&random, 8) == 0 ? EVENTS_MAX : 40);
	const struct ioe__merge_limits limits = draw_limits(&random);
	const uint64_t odd_of_64 = random_below(&random, 2) * random_below(&random, 16);

	batch_clear(batch);
	batch->seed = seed;
	shapes[random_below(&random, sizeof(shapes) / sizeof(shapes[0]))](batch, &random, n);
	for (uint32_t i = 0; i < batch->n; i++) {
		struct ioe_event *event = &batch->events[i];

		if (random_below(&random, 64) < odd_of_64)
			make_odd(event, &random);
		if (event->op == IOE_OP_READV || event->op == IOE_OP_WRITEV)
			event->n_iov += event->n_iov == 0 ? 1 + event->length / BLOCK % 8 : 0;
		if (event->op == IOE_OP_FSYNC || event->op == IOE_OP_FDATASYNC ||
		    event->op == IOE_OP_NOP)
			event->length = event->offset = event->done = 0;
	}
	if (random_below(&random, 4) != 0)
		shuffle(batch, &random, (uint32_t)random_between(&random, 1, EVENTS_MAX));
	return limits;
}

Test(merge, any_batch_keeps_every_rule, .timeout = 120)
{
	const uint32_t n_rounds = CHECK_SANITIZED ? 3000 : 20000;
	struct random random = random_open(3);
	struct batch *batch = batch_open(EVENTS_MAX);
	struct batch *other = batch_open(EVENTS_MAX + 44);
	uint64_t n_joined = 0, n_ranked = 0, n_limited = 0, n_excused = 0, n_untold = 0;

	for (uint32_t round = 0; round < n_rounds; round++) {
		const struct ioe__merge_limits limits = batch_of_seed(batch, random_next(&random));

		batch_form_and_check(batch, &limits);
		batch_form_the_same(other, batch);
		batch_form_and_end(other, batch, (uint32_t)random_below(&random, batch->n_groups));
		n_joined += batch->n_groups < batch->n;
		n_limited += batch->n_limited;
		n_excused += batch->n_excused;
		n_untold += batch->n_untold;
		for (uint32_t i = 0; i < batch->n; i++)
			n_ranked += batch->rank_of[i] > 0;
	}
	/* It has looked at what it is about. */
	check_op(n_joined, >, n_rounds / 4);
	check_op(n_ranked, >, n_rounds);
	check_op(n_limited, >, n_rounds / 4);
	/* A few crowded batches make them all: 628 to 1904 of 3000 rounds, over 60 seeds. */
	check_op(n_untold, >, n_rounds / 30);
	check_op(n_excused, >, 0);
	batch_close(other);
	batch_close(batch);
}
