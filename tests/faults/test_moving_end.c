/* SPDX-License-Identifier: MIT
 * test_moving_end.c - law 3 while the end of the file moves: a file that is truncated and grown
 *                     between the requests of one event, and by another thread at any moment.
 * Invariants: what is written to a file of these tests at an offset is always the pattern that
 *             belongs there, or zeros.
 * Threads:    the test's; one that moves the end; the driver's, in hooks.
 * Ownership:  the rig's. */
#include "tests/lib/rig.h"
#include "tests/lib/seam.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

enum {
	UNITS = 16, /* the file has up to twice as many */
	UNITS_MAX = 6,
	/* Each request but the last moves something, and hardly ever as little as that. */
	REQUESTS_MAX = 1000,
};

/* ---- Between two requests: what must come out is known ------------------------------------ */

/* On the driver's thread while an event is with it, on the test's before and after. */
static struct {
	int fd; /* buffered */
	uint64_t unit;
	struct random random;
	uint8_t *image; /* of what the file must hold, for writes */
	uint64_t at;    /* where the next request of the event has to begin */
	uint64_t at_last;
	uint64_t end;
	uint32_t n_requests;
	uint32_t n_wrong; /* requests that begin elsewhere, reach too far, or should not be */
	bool ended;
} moving;

static uint64_t min_of(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void shorten(struct ioe__request *request)
{
	moving.n_wrong += request->offset != moving.at || moving.ended || request->n_iov != 0 ||
			  request->offset + request->length > moving.end;
	moving.n_requests++;
	request->length = min_of(request->length, moving.unit);
	moving.at_last = moving.at;
}

/* A size in [0, 2 UNITS); now and then one that ends in the middle of a unit. */
static uint64_t draw_size(struct random *random, uint64_t unit)
{
	const uint64_t size = random_below(random, 2 * UNITS) * unit;

	return random_below(random, 4) == 0 ? size + random_below(random, unit) : size;
}

/* Each request of a read is of a unit at the most, and meets another size of the file. */
static void move_before_read(struct ioe__request *request)
{
	uint64_t size;

	if (request->op != IOE_OP_READ)
		return;
	shorten(request);
	size = draw_size(&moving.random, moving.unit);
	moving.n_wrong += ftruncate(moving.fd, (off_t)size) != 0;
	/* What had been cut off is zeros now. */
	file_fill(moving.fd, 0, size, RIG_SEED);
	moving.ended = moving.at >= size;
	if (!moving.ended)
		moving.at = min_of(moving.at + request->length, size);
}

/* The same for writes, with an image of what happens to the file. */
static void move_before_write(struct ioe__request *request)
{
	const uint64_t image_bytes = 4 * UNITS * moving.unit;
	uint64_t size;

	if (request->op != IOE_OP_WRITE)
		return;
	shorten(request);
	size = draw_size(&moving.random, moving.unit);
	moving.n_wrong += ftruncate(moving.fd, (off_t)size) != 0;
	memset(moving.image + size, 0, image_bytes - size);
	pattern_fill(moving.image + moving.at, request->length, moving.at, RIG_SEED);
	moving.at += request->length;
}

static void moving_begin(struct rig *rig, int fd, void (*hook)(struct ioe__request *request))
{
	moving.fd = rig_keep_fd(rig, file_reopen(fd, O_RDWR));
	moving.unit = rig->unit;
	moving.random = random_open(0);
	seam_on_stage = hook;
	seam_watch();
	rig_open(rig, NULL);
}

static void moving_prep(uint64_t offset, uint64_t length)
{
	moving.at = offset;
	moving.at_last = offset;
	moving.end = offset + length;
	moving.ended = false;
}

DATA_TEST(moving_end, read_ends_where_one_of_its_requests_met_the_end)
{
	enum { ROUNDS = 100 };
	const int fd = rig_file(rig, 0);
	struct job *jobs = rig_jobs(rig, ROUNDS);
	uint32_t n_whole = 0, n_short = 0;

	moving_begin(rig, fd, move_before_read);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		const uint64_t offset = random_below(&moving.random, UNITS / 2) * rig->unit;
		const uint64_t length = random_between(&moving.random, 1, UNITS_MAX) * rig->unit;
		uint8_t *buffer = guard_buffer_open(length);
		int64_t result;

		moving_prep(offset, length);
		ioe_prep_read(&jobs[i].event, fd, buffer, length, offset);
		result = rig_do(rig, &jobs[i]);
		/* Behind an end in the middle of a sector a direct read cannot look whether the
		 * file has grown; in memory it can. */
		if (rig->direct && moving.at_last % rig->unit != 0 &&
		    result == (int64_t)(moving.at_last - offset))
			moving.at = moving.at_last;
		check_eq(result, moving.at - offset);
		check_eq(jobs[i].done, result);
		check_eq(pattern_differs(buffer, (uint64_t)result, offset, RIG_SEED), -1);
		n_whole += result == (int64_t)length;
		n_short += result < (int64_t)length;
		guard_buffer_close(buffer, length);
	}
	check_eq(moving.n_wrong, 0);
	check_op(moving.n_requests, <=, REQUESTS_MAX);
	check_op(n_whole, >=, 5);
	check_op(n_short, >=, 5);
}

DATA_TEST(moving_end, write_is_whole_wherever_the_end_is)
{
	enum { ROUNDS = 50 };
	const int fd = rig_file(rig, 0);
	struct job *jobs = rig_jobs(rig, ROUNDS);
	uint8_t *seen = rig_buffer(rig, 4 * UNITS * rig->unit);
	uint8_t *buffer = rig_buffer(rig, UNITS_MAX * rig->unit);

	moving.image = rig_buffer(rig, 4 * UNITS * rig->unit);
	memset(moving.image, 0, 4 * UNITS * rig->unit);
	moving_begin(rig, fd, move_before_write);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		const uint64_t offset = random_below(&moving.random, UNITS / 2) * rig->unit;
		const uint64_t length = random_between(&moving.random, 1, UNITS_MAX) * rig->unit;
		uint64_t size;

		moving_prep(offset, length);
		pattern_fill(buffer, length, offset, RIG_SEED);
		ioe_prep_write(&jobs[i].event, fd, buffer, length, offset);
		check_eq(rig_do(rig, &jobs[i]), length);
		check_eq(moving.at, moving.end);
		size = file_size(fd);
		check_op(size, >=, moving.end);
		check_eq(pread(moving.fd, seen, size, 0), size);
		cr_assert(memcmp(seen, moving.image, size) == 0, "round %u", i);
	}
	check_eq(moving.n_wrong, 0);
	check_op(moving.n_requests, <=, REQUESTS_MAX);
}

/* ---- At any moment ------------------------------------------------------------------------ */

struct mover {
	struct rig *rig;
	int fd;
	uint64_t unit;
	uint32_t n_moves;
	uint32_t n_failed;
	uint32_t stop;
};

/* Once for what ends in the meantime, whatever is in flight then: it leaves the file, and the CPU,
 * to the engine as well. */
static void move_at_any_moment(void *arg)
{
	const struct timespec brief = { 0, 20000 };
	struct mover *mover = arg;
	struct random random = random_open(1);
	uint32_t n_seen = UINT32_MAX;

	while (__atomic_load_n(&mover->stop, __ATOMIC_ACQUIRE) == 0) {
		const uint32_t n_ended = rig_count(mover->rig);
		uint64_t size, now;

		if (n_ended == n_seen) {
			nanosleep(&brief, NULL);
			continue;
		}
		n_seen = n_ended;
		size = draw_size(&random, mover->unit);
		now = file_size(mover->fd);
		if (size > now)
			file_fill(mover->fd, now, size - now, RIG_SEED);
		else if (ftruncate(mover->fd, (off_t)size) != 0)
			mover->n_failed++;
		__atomic_fetch_add(&mover->n_moves, 1, __ATOMIC_RELEASE);
	}
}

/* The pattern or zeros: the index of the first byte that is neither, or -1. */
static int64_t neither(const uint8_t *bytes, uint64_t length, uint64_t offset)
{
	for (uint64_t i = 0; i < length; i++)
		if (bytes[i] != 0 && pattern_differs(bytes + i, 1, offset + i, RIG_SEED) >= 0)
			return (int64_t)i;
	return -1;
}

struct moved {
	uint32_t n_whole;
	uint32_t n_short;
};

enum { IN_ROUND = 32, ROUNDS_MIN = 20, ROUNDS_MAX = 2000 };

/* The same bytes as a vector, the first element of which may be empty. */
static void make_vector(struct ioe_event *event, struct iovec iov[2], uint64_t unit)
{
	const uint64_t first = event->length / unit / 2 * unit;
	uint8_t *at = event->buffer;

	iov[0] = (struct iovec){ at, first };
	iov[1] = (struct iovec){ at + first, event->length - first };
	if (event->op == IOE_OP_READ)
		ioe_prep_readv(event, event->fd, iov, 2, event->offset);
	else
		ioe_prep_writev(event, event->fd, iov, 2, event->offset);
}

static void check_true(const struct job *job, const uint8_t *buffer, struct moved *moved)
{
	const struct ioe_event *event = &job->event;
	const int64_t length = (int64_t)event->length;
	const bool is_write = event->op == IOE_OP_WRITE || event->op == IOE_OP_WRITEV;

	check_op(job->result, >=, is_write ? length : 0);
	check_op(job->result, <=, length);
	check_eq(job->done, job->result);
	check_eq(neither(buffer, (uint64_t)job->result, event->offset), -1);
	moved->n_whole += !is_write && job->result == length;
	moved->n_short += !is_write && job->result < length;
}

/* Adjacent ones and others, reads and, if asked for, writes of what belongs there; as one batch. */
static void run_round(struct rig *rig, int fd, struct random *random, bool writes,
		      struct moved *moved)
{
	struct job *jobs = rig_jobs(rig, IN_ROUND);
	uint8_t *buffer = aligned_buffer(IN_ROUND * UNITS_MAX * rig->unit);
	struct iovec iov[IN_ROUND][2];
	uint64_t next = 0;

	for (uint32_t i = 0; i < IN_ROUND; i++) {
		struct ioe_event *event = &jobs[i].event;
		uint8_t *at = buffer + (uint64_t)i * UNITS_MAX * rig->unit;
		const uint64_t length = random_between(random, 1, UNITS_MAX) * rig->unit;

		if (random_below(random, 3) == 0)
			next = random_below(random, 2 * UNITS) * rig->unit;
		if (writes && random_below(random, 4) == 0) {
			pattern_fill(at, length, next, RIG_SEED);
			ioe_prep_write(event, fd, at, length, next);
		} else {
			ioe_prep_read(event, fd, at, length, next);
		}
		if (random_below(random, 3) == 0)
			make_vector(event, iov[i], rig->unit);
		event->flags = random_below(random, 4) == 0 ? IOE_EVENT_NO_MERGE : 0;
		next = (next + length) % (2 * UNITS * rig->unit);
	}
	check_eq(rig_batch(rig, jobs, IN_ROUND, false), IN_ROUND);
	rig_wait_all(rig);
	for (uint32_t i = 0; i < IN_ROUND; i++)
		check_true(&jobs[i], buffer + (uint64_t)i * UNITS_MAX * rig->unit, moved);
	free(buffer);
}

static void meet_the_mover(struct rig *rig, bool writes)
{
	const int fd = rig_file(rig, UNITS * rig->unit);
	const uint64_t most = 4 * UNITS * rig->unit;
	uint8_t *seen = rig_buffer(rig, most);
	struct mover mover = { .rig = rig, .fd = fd, .unit = rig->unit };
	struct random random = random_open(2);
	struct moved moved = { 0, 0 };
	struct actor actor;

	rig_open(rig, NULL);
	actor_start(&actor, move_at_any_moment, &mover);
	for (uint32_t round = 0; round < ROUNDS_MIN || moved.n_whole < 20 || moved.n_short < 20 ||
				 __atomic_load_n(&mover.n_moves, __ATOMIC_ACQUIRE) < 2 * ROUNDS_MIN;
	     round++) {
		cr_assert(round < ROUNDS_MAX, "%u whole, %u short, %u moves", moved.n_whole,
			  moved.n_short, mover.n_moves);
		run_round(rig, fd, &random, writes, &moved);
	}
	__atomic_store_n(&mover.stop, 1, __ATOMIC_RELEASE);
	actor_join(&actor);
	check_eq(mover.n_failed, 0);
	check_op(rig_stats(rig).resumed, >, 0);
	check_eq(rig_stats(rig).errors, 0);
	rig_close(rig, IOE_CLOSE_DRAIN);
	check_op(file_size(fd), <=, most);
	check_eq(pread(rig_keep_fd(rig, file_reopen(fd, O_RDONLY)), seen, most, 0), file_size(fd));
	check_eq(neither(seen, file_size(fd), 0), -1);
}

DATA_TEST(moving_end, reads_are_true_while_another_thread_truncates_and_grows)
{
	meet_the_mover(rig, false);
}

DATA_TEST(moving_end, reads_and_writes_are_true_while_another_thread_truncates_and_grows)
{
	meet_the_mover(rig, true);
}
