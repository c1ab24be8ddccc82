/* SPDX-License-Identifier: MIT
 * test_bad_blocks.c - laws 3 and 4 on a file system of which blocks fail at random: each event ends
 *                     as its own blocks say, whatever it was merged with.
 * Invariants: none.
 * Threads:    the test's; the file system is served by another process.
 * Ownership:  the rig's. */
#include "tests/lib/bad_file.h"
#include "tests/lib/rig.h"

enum {
	BLOCK = 4096,
	N_BLOCKS = 256,
	LENGTH_MAX = 8, /* blocks of an event */
	ROUNDS = 8,
	/* One request of ours is one of FUSE: it would cut longer ones. */
	MERGE_MAX_BYTES = 32 * BLOCK,
};

#define OTHER_SEED UINT64_C(0x77)

static const int errors[] = { EIO, ENOSPC, EDQUOT, EROFS };

/* One block in 16 fails. */
static void make_bad(struct bad_file *file, struct random *random, int *ret_errors)
{
	bad_file_mend(file);
	for (uint32_t i = 0; i < N_BLOCKS; i++) {
		ret_errors[i] = random_below(random, 16) == 0 ? errors[random_below(random, 4)] : 0;
		bad_file_fail(file, i, ret_errors[i], ret_errors[i]);
	}
}

/* Events side by side, now and then with a gap, in any order. Returns how many. */
static uint32_t prep_all(struct rig *rig, struct job *jobs, const struct bad_file *file,
			 struct random *random, enum bad_file_op op)
{
	uint8_t *buffer = rig_buffer(rig, N_BLOCKS * BLOCK);
	uint32_t n = 0;

	if (op == BAD_FILE_WRITE)
		pattern_fill(buffer, N_BLOCKS * BLOCK, 0, OTHER_SEED);
	for (uint64_t at = random_below(random, 2); at < N_BLOCKS; n++) {
		const uint64_t most = N_BLOCKS - at < LENGTH_MAX ? N_BLOCKS - at : LENGTH_MAX;
		const uint64_t length = random_between(random, 1, most);
		struct ioe_event *event = &jobs[n].event;

		if (op == BAD_FILE_READ)
			ioe_prep_read(event, file->fd, buffer + at * BLOCK, length * BLOCK,
				      at * BLOCK);
		else
			ioe_prep_write(event, file->fd, buffer + at * BLOCK, length * BLOCK,
				       at * BLOCK);
		event->flags = random_below(random, 8) == 0 ? IOE_EVENT_NO_MERGE : 0;
		at += length + (random_below(random, 6) == 0);
	}
	rig_shuffle(jobs, n, random);
	return n;
}

/* The first block of it that fails decides; where transfers end short, what is before it counts. */
static void check_event(const struct bad_file *file, const struct job *job, enum bad_file_mode mode,
			const int *bad)
{
	const struct ioe_event *event = &job->event;
	const uint8_t *stored = bad_file_bytes(file) + event->offset;
	const bool is_read = event->op == IOE_OP_READ;
	uint64_t good = 0, done;

	while (good < event->length && bad[(event->offset + good) / BLOCK] == 0)
		good += BLOCK;
	done = good == event->length || mode != BAD_FILE_WHOLE ? good : 0;
	check_eq(job->calls, 1);
	check_eq(job->result,
		 good == event->length ? (int64_t)good : -bad[(event->offset + good) / BLOCK]);
	check_eq(job->done, done);
	check_eq(pattern_differs(is_read ? event->buffer : stored, done, event->offset,
				 is_read ? RIG_SEED : OTHER_SEED),
		 -1);
	if (!is_read)
		check_eq(pattern_differs(stored + done, event->length - done, event->offset + done,
					 RIG_SEED),
			 -1);
}

static void end_as_the_blocks_say(struct rig *rig, enum bad_file_op op, enum bad_file_mode mode)
{
	struct ioe_config config = rig_config(rig);
	struct random random = random_open(0);
	struct bad_file file;
	int bad[N_BLOCKS];

	bad_file_open(&file, N_BLOCKS, mode);
	config.merge_max_bytes = MERGE_MAX_BYTES;
	config.depth_max = 8;
	rig_open(rig, &config);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		struct job *jobs = rig_jobs(rig, N_BLOCKS);
		uint32_t n;

		pattern_fill(bad_file_bytes(&file), N_BLOCKS * BLOCK, 0, RIG_SEED);
		make_bad(&file, &random, bad);
		n = prep_all(rig, jobs, &file, &random, op);
		check_eq(rig_batch(rig, jobs, n, false), n);
		rig_wait_all(rig);
		for (uint32_t i = 0; i < n; i++)
			check_event(&file, &jobs[i], mode, bad);
	}
	/* The least of 50 seeds: 79, 33, 80. */
	check_op(rig_stats(rig).errors, >=, 30);
	check_op(rig_stats(rig).split, >=, 10);
	check_op(rig_stats(rig).merged_requests, >=, 30);
	rig_close(rig, IOE_CLOSE_DRAIN);
	bad_file_close(&file);
}

MATRIX_TEST(isolation, reads_end_as_their_blocks_say)
{
	end_as_the_blocks_say(rig, BAD_FILE_READ, BAD_FILE_WHOLE);
}

MATRIX_TEST(isolation, reads_end_as_their_blocks_say_where_transfers_end_short)
{
	end_as_the_blocks_say(rig, BAD_FILE_READ, BAD_FILE_SHORT_READS);
}

MATRIX_TEST(isolation, writes_end_as_their_blocks_say)
{
	end_as_the_blocks_say(rig, BAD_FILE_WRITE, BAD_FILE_WHOLE);
}

MATRIX_TEST(isolation, writes_end_as_their_blocks_say_where_transfers_end_short)
{
	end_as_the_blocks_say(rig, BAD_FILE_WRITE, BAD_FILE_SHORT_WRITES);
}
