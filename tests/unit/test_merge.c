/* SPDX-License-Identifier: MIT
 * test_merge.c - the pure function from a batch of events to groups.
 * Invariants: every plan made here is checked by merge_batch.c.
 * Threads:    none.
 * Ownership:  batches are the tests'. */
#include "engine/sys.h"
#include "tests/check.h"
#include "tests/lib/merge_batch.h"

enum { CAPACITY = 1100 };

static const struct ioe__merge_limits wide = { .bytes_max = UINT64_C(1) << 30,
					       .events_max = 1024,
					       .iov_max = 1024 };

/* ---- Joining --------------------------------------------------------------------------- */

Test(merge, adjacent_events_become_one_group)
{
	struct batch *batch = batch_open(CAPACITY);

	for (uint64_t i = 0; i < 64; i++)
		batch_put(batch, IOE_OP_READ, 3, i * 4096, 4096);
	batch_form_and_check(batch, &wide);
	check_eq(batch->n_groups, 1);
	check_eq(batch->groups[0].n_events, 64);
	check_eq(batch->groups[0].bytes, 64 * 4096);
	cr_assert(batch->groups[0].first == &batch->events[0]);
	batch_close(batch);
}

Test(merge, neighbours_of_different_producers_join_out_of_arrival_order)
{
	struct batch *batch = batch_open(CAPACITY);

	/* 8 producers, each with every 8th block, in turns of 4; and blocks going down. */
	for (uint64_t turn = 0; turn < 128 / 4; turn++)
		for (uint64_t producer = 0; producer < 8; producer++)
			for (uint32_t k = 0; k < 4; k++)
				batch_put(batch, IOE_OP_WRITE, 3,
					  ((turn * 4 + k) * 8 + (7 - producer)) * UINT64_C(4096),
					  4096);
	batch_form_and_check(batch, &wide);
	check_eq(batch->n_groups, 1);
	check_eq(batch->groups[0].first->offset, 0);

	batch_clear(batch);
	for (uint64_t i = 0; i < 100; i++)
		batch_put(batch, IOE_OP_READ, 3, (99 - i) * 512, 512);
	batch_form_and_check(batch, &wide);
	check_eq(batch->n_groups, 1);
	batch_close(batch);
}

Test(merge, events_with_a_gap_stay_apart_and_leave_as_they_came)
{
	struct batch *batch = batch_open(CAPACITY);

	batch_put(batch, IOE_OP_READ, 3, 40960, 4096);
	batch_put(batch, IOE_OP_READ, 3, 0, 4096);
	batch_put(batch, IOE_OP_READ, 3, 4097, 4096);
	batch_put(batch, IOE_OP_NOP, -1, 0, 0);
	batch_form_and_check(batch, &wide);
	check_eq(batch->n_groups, 4);
	for (uint64_t i = 0; i < 4; i++)
		check_eq(batch->group_of[i], i);
	batch_close(batch);
}

Test(merge, groups_leave_in_the_order_of_their_earliest_events)
{
	struct batch *batch = batch_open(CAPACITY);

	batch_put(batch, IOE_OP_READ, 3, 8192, 4096); /* 0: group 0, at its end */
	batch_put(batch, IOE_OP_READ, 4, 0, 4096);    /* 1: group 1 */
	batch_put(batch, IOE_OP_FSYNC, 3, 0, 0);      /* 2: group 2 */
	batch_put(batch, IOE_OP_READ, 3, 0, 4096);    /* 3: group 0, its first */
	batch_put(batch, IOE_OP_READ, 5, 0, 4096);    /* 4: group 3 */
	batch_put(batch, IOE_OP_READ, 4, 4096, 4096); /* 5: group 1 */
	batch_put(batch, IOE_OP_READ, 3, 4096, 4096); /* 6: group 0 */
	batch_form_and_check(batch, &wide);
	check_eq(batch->n_groups, 4);
	check_eq(batch->group_of[0], 0);
	check_eq(batch->group_of[3], 0);
	check_eq(batch->group_of[6], 0);
	check_eq(batch->group_of[1], 1);
	check_eq(batch->group_of[2], 2);
	check_eq(batch->group_of[4], 3);
	batch_close(batch);
}

Test(merge, vectored_and_plain_events_mix_and_their_buffers_are_counted)
{
	struct batch *batch = batch_open(CAPACITY);

	batch_put(batch, IOE_OP_READ, 3, 0, 100);
	batch_put_vector(batch, IOE_OP_READV, 3, 100, 50, 7);
	batch_put(batch, IOE_OP_READ, 3, 150, 1);
	batch_put_vector(batch, IOE_OP_READV, 3, 151, 9, 1);
	batch_put_vector(batch, IOE_OP_WRITEV, 4, 0, 50, 3);
	batch_put(batch, IOE_OP_WRITE, 4, 50, 1);
	batch_form_and_check(batch, &wide);
	check_eq(batch->n_groups, 2);
	check_eq(batch->groups[0].n_buffers, 10);
	check_eq(batch->groups[1].n_buffers, 4);
	batch_close(batch);
}

/* P11: every part of the key keeps two events apart. */
Test(merge, p11_only_events_with_the_same_key_join)
{
	struct batch *batch = batch_open(CAPACITY);

	for (int part = 0; part < 8; part++) {
		struct ioe_event *second;

		batch_clear(batch);
		batch_put(batch, IOE_OP_WRITE, 3, 0, 4096);
		second = batch_put(batch, IOE_OP_WRITE, 3, 4096, 4096);
		switch (part) {
		case 1:
			second->fd = 4;
			break;
		case 2:
			second->op = IOE_OP_READ;
			break;
		case 3:
			second->flags = UINT32_C(1) << 31;
			break;
		case 4:
			second->rw_flags = 0x02; /* DSYNC */
			break;
		case 5:
			second->ioprio = 1;
			break;
		case 6:
			second->lane = 1;
			break;
		case 7:
			second->op = IOE_OP_FALLOCATE;
			break;
		default:
			break;
		}
		batch_form_and_check(batch, &wide);
		check_eq(batch->n_groups, part == 0 ? 1 : 2);
		check_eq(ioe__merge_joins(&batch->events[0], second), part == 0);
	}
	batch_close(batch);
}

Test(merge, what_must_stay_alone_stays_alone)
{
	static const uint32_t flags[] = { IOE_EVENT_NO_MERGE, IOE_EVENT_NO_RESUME,
					  IOE_EVENT_BARRIER };
	static const uint32_t rw_flags[] = { 0x08 /* NOWAIT */, 0x40 /* ATOMIC */ };
	struct batch *batch = batch_open(CAPACITY);

	for (size_t k = 0; k < 6; k++) {
		batch_clear(batch);
		for (uint64_t i = 0; i < 8; i++) {
			struct ioe_event *event = batch_put(batch, IOE_OP_READ, 3, i * 512, 512);

			if (k < 3)
				event->flags = flags[k];
			else if (k < 5)
				event->rw_flags = rw_flags[k - 3];
			else
				event->offset = IOE_OFFSET_STREAM;
		}
		batch_form_and_check(batch, &wide);
		check_eq(batch->n_groups, 8);
	}
	batch_close(batch);
}

Test(merge, more_keys_than_a_batch_can_tell_apart_still_come_out_once)
{
	struct batch *batch = batch_open(CAPACITY);

	for (uint64_t i = 0; i < 200; i++) {
		batch_put(batch, IOE_OP_READ, 3, i * 1024, 512)->ioprio = (uint16_t)i;
		batch_put(batch, IOE_OP_READ, 3, i * 1024 + 512, 512)->ioprio = (uint16_t)i;
	}
	batch_form_and_check(batch, &wide);
	check_eq(batch->n_untold, 2 * (200 - 64));
	check_eq(batch->n_groups, 400 - 64);
	batch_close(batch);
}

Test(merge, a_resumed_event_comes_first_or_alone)
{
	struct batch *batch = batch_open(CAPACITY);

	batch_put(batch, IOE_OP_READ, 3, 0, 4096);
	batch_put(batch, IOE_OP_READ, 3, 4096, 4096)->done = 100;
	batch_put(batch, IOE_OP_READ, 3, 8192, 4096);
	batch_form_and_check(batch, &wide);
	check_eq(batch->n_groups, 2);
	check_eq(batch->group_of[0], 0);
	check_eq(batch->group_of[1], 1);
	check_eq(batch->group_of[2], 1);
	cr_assert(!ioe__merge_joins(&batch->events[0], &batch->events[1]));
	cr_assert(ioe__merge_joins(&batch->events[1], &batch->events[2]));
	batch_close(batch);
}

/* ---- Limits ---------------------------------------------------------------------------- */

/* P9: a limit of 4096 made a request of 6144 bytes. */
Test(merge, p09_the_limit_is_on_the_total_not_on_the_event)
{
	struct ioe__merge_limits limits = wide;
	struct batch *batch = batch_open(CAPACITY);

	limits.bytes_max = 4096;
	for (uint64_t i = 0; i < 12; i++)
		batch_put(batch, IOE_OP_WRITE, 3, i * 1536, 1536);
	batch_form_and_check(batch, &limits);
	check_eq(batch->n_groups, 6);

	batch_clear(batch);
	for (uint64_t i = 0; i < 64; i++)
		batch_put(batch, IOE_OP_WRITE, 3, i * 512, 512);
	batch_form_and_check(batch, &limits);
	check_eq(batch->n_groups, 8);
	batch_close(batch);
}

Test(merge, an_event_above_the_limit_is_a_group_of_its_own)
{
	struct ioe__merge_limits limits = wide;
	struct batch *batch = batch_open(CAPACITY);

	limits.bytes_max = 4096;
	limits.iov_max = 8;
	batch_put(batch, IOE_OP_WRITE, 3, 0, 512);
	batch_put(batch, IOE_OP_WRITE, 3, 512, 8192);
	batch_put(batch, IOE_OP_WRITE, 3, 8704, 512);
	batch_put(batch, IOE_OP_WRITE, 4, 0, INT64_MAX);
	batch_put_vector(batch, IOE_OP_WRITEV, 5, 0, 1, 9);
	batch_put(batch, IOE_OP_WRITE, 5, 1, 1);
	batch_form_and_check(batch, &limits);
	check_eq(batch->n_groups, 6);
	batch_close(batch);
}

Test(merge, no_group_passes_what_the_kernel_moves_in_one_request)
{
	const struct ioe__merge_limits none = { UINT64_MAX, UINT32_MAX, UINT32_MAX };
	struct batch *batch = batch_open(CAPACITY);

	for (uint64_t i = 0; i < 300; i++)
		batch_put(batch, IOE_OP_READ, 3, i * 0x1000000, 0x1000000);
	batch_form_and_check(batch, &none);
	check_eq(batch->n_groups, 3); /* of 127 * 16 MiB, twice, and the rest */
	batch_close(batch);
}

Test(merge, events_and_buffers_are_limited)
{
	struct ioe__merge_limits limits = wide;
	struct batch *batch = batch_open(CAPACITY);

	limits.events_max = 10;
	for (uint64_t i = 0; i < 64; i++)
		batch_put(batch, IOE_OP_READ, 3, i * 512, 512);
	batch_form_and_check(batch, &limits);
	check_eq(batch->n_groups, 7);

	limits.events_max = UINT32_MAX;
	limits.iov_max = UINT32_MAX;
	batch_clear(batch);
	for (uint64_t i = 0; i < CAPACITY; i++)
		batch_put(batch, IOE_OP_READ, 3, i * 512, 512);
	batch_form_and_check(batch, &limits);
	check_eq(batch->n_groups, 2);
	check_eq(batch->groups[0].n_buffers, 1024);

	limits.iov_max = 100;
	batch_clear(batch);
	for (uint64_t i = 0; i < 8; i++)
		batch_put_vector(batch, IOE_OP_READV, 3, i * 512, 512, 33);
	batch_form_and_check(batch, &limits);
	check_eq(batch->n_groups, 3);
	batch_close(batch);
}

Test(merge, limits_that_forbid_merging_leave_every_event_alone_and_in_order)
{
	static const struct ioe__merge_limits off[] = {
		{ .bytes_max = 0, .events_max = 1024, .iov_max = 1024 },
		{ .bytes_max = 1 << 20, .events_max = 1, .iov_max = 1024 },
		{ .bytes_max = 1 << 20, .events_max = 1024, .iov_max = 1 },
	};
	struct batch *batch = batch_open(CAPACITY);

	for (uint64_t i = 0; i < 16; i++)
		batch_put(batch, IOE_OP_WRITE, 3, (15 - i) * 512, 512);
	for (size_t k = 0; k < sizeof(off) / sizeof(off[0]); k++) {
		batch_form_and_check(batch, &off[k]);
		check_eq(batch->n_groups, 16);
		for (uint64_t i = 0; i < 16; i++)
			check_eq(batch->group_of[i], i);
	}
	batch_close(batch);
}

/* ---- The same bytes more than once ------------------------------------------------------ */

Test(merge, reads_of_the_same_blocks_pair_up)
{
	struct batch *batch = batch_open(CAPACITY);

	for (uint32_t copy = 0; copy < 3; copy++)
		for (uint64_t i = 0; i < 16; i++)
			batch_put(batch, IOE_OP_READ, 3, i * 4096, 4096);
	batch_form_and_check(batch, &wide);
	check_eq(batch->n_groups, 3);
	batch_close(batch);
}

Test(merge, overlapping_reads_do_not_break_each_others_chains)
{
	struct batch *batch = batch_open(CAPACITY);

	for (uint64_t i = 0; i < 16; i++) {
		batch_put(batch, IOE_OP_READ, 3, i * 4096, 4096);
		batch_put(batch, IOE_OP_READ, 3, i * 4096 + 1024, 4096);
		batch_put(batch, IOE_OP_READ, 3, i * 4096 + 2048, 4096);
	}
	batch_put(batch, IOE_OP_READ, 3, 0, 1 << 20);
	batch_form_and_check(batch, &wide);
	check_eq(batch->n_groups, 4);
	batch_close(batch);
}

Test(merge, a_read_that_does_not_fit_one_group_joins_another_that_ends_there)
{
	struct ioe__merge_limits limits = wide;
	struct batch *batch = batch_open(CAPACITY);

	/* Two groups end at 8192: of 8192 and of 4096 bytes. Only the second has room. */
	limits.bytes_max = 10000;
	batch_put(batch, IOE_OP_READ, 3, 0, 4096);
	batch_put(batch, IOE_OP_READ, 3, 4096, 4096);
	batch_put(batch, IOE_OP_READ, 3, 4096, 4096);
	batch_put(batch, IOE_OP_READ, 3, 8192, 4096);
	batch_form_and_check(batch, &limits);
	check_eq(batch->n_groups, 2);
	batch_close(batch);
}

/* The first group at a place is the last to be tried; it is, behind 63 others that have no room. */
Test(merge, of_64_groups_that_end_at_one_place_all_are_tried)
{
	struct batch *batch = batch_open(CAPACITY);

	batch_put(batch, IOE_OP_READ, 3, 0, 4096);
	for (uint32_t i = 0; i < 63; i++)
		batch_put_vector(batch, IOE_OP_READV, 3, 0, 4096, 1024);
	batch_put(batch, IOE_OP_READ, 3, 4096, 4096);
	batch_form_and_check(batch, &wide);
	check_eq(batch->n_groups, 64);
	check_eq(batch->n_excused, 0);
	check_eq(batch->groups[0].n_events, 2);

	/* With one more it may miss the one; nothing else may come of it. */
	batch_put_vector(batch, IOE_OP_READV, 3, 0, 4096, 1024);
	batch_form_and_check(batch, &wide);
	check_op(batch->n_groups, <=, 66);
	batch_close(batch);
}

/* ---- Order (law 6) ---------------------------------------------------------------------- */

Test(merge, overlapping_writes_are_apart_and_in_the_order_of_arrival)
{
	struct batch *batch = batch_open(CAPACITY);

	batch_put(batch, IOE_OP_WRITE, 3, 0, 4096);
	batch_put(batch, IOE_OP_WRITE, 3, 4096, 4096);
	batch_put(batch, IOE_OP_WRITE, 3, 4096, 4096); /* once more */
	batch_put(batch, IOE_OP_WRITE, 3, 8192, 4096);
	batch_form_and_check(batch, &wide);
	check_eq(batch->n_groups, 2);
	check_eq(batch->group_of[0], 0);
	check_eq(batch->group_of[1], 0);
	check_eq(batch->group_of[3], 0);
	check_eq(batch->group_of[2], 1);
	batch_close(batch);
}

Test(merge, a_write_stays_behind_the_read_it_overlaps_and_a_read_behind_the_write)
{
	struct batch *batch = batch_open(CAPACITY);

	/* Read, modify, write of 8 blocks, block by block: 8 reads, then 8 writes. */
	for (uint64_t i = 0; i < 8; i++) {
		batch_put(batch, IOE_OP_READ, 3, i * 4096, 4096);
		batch_put(batch, IOE_OP_WRITE, 3, i * 4096, 4096);
	}
	batch_form_and_check(batch, &wide);
	check_eq(batch->n_groups, 2);
	check_eq(batch->groups[0].first->op, IOE_OP_READ);
	check_eq(batch->groups[1].first->op, IOE_OP_WRITE);

	/* A write between two reads of one block: both reads are alone. */
	batch_clear(batch);
	batch_put(batch, IOE_OP_READ, 3, 4096, 4096);
	batch_put(batch, IOE_OP_WRITE, 3, 4100, 1);
	batch_put(batch, IOE_OP_READ, 3, 4096, 4096);
	batch_put(batch, IOE_OP_READ, 3, 8192, 4096);
	batch_form_and_check(batch, &wide);
	check_eq(batch->n_groups, 3);
	batch_close(batch);
}

Test(merge, a_write_inside_the_union_of_overlapping_reads_is_seen)
{
	struct batch *batch = batch_open(CAPACITY);

	/* The long read reaches beyond the ones that stand between it and the last write, which
	 * would else join the first write and overtake it. */
	batch_put(batch, IOE_OP_WRITE, 3, 1 << 20, 512);
	batch_put(batch, IOE_OP_READ, 3, 0, 1 << 20);
	batch_put(batch, IOE_OP_READ, 3, 4096, 512);
	batch_put(batch, IOE_OP_READ, 3, 4608, 512);
	batch_put(batch, IOE_OP_WRITE, 3, (1 << 20) - 512, 512);
	batch_form_and_check(batch, &wide);
	check_eq(batch->n_groups, 4);
	check_eq(batch->group_of[4], 3);
	batch_close(batch);
}

Test(merge, a_conflict_in_one_place_does_not_keep_others_from_merging)
{
	struct batch *batch = batch_open(CAPACITY);

	/* A block that is written over and over among sequential writes of the same file. */
	for (uint64_t i = 0; i < 32; i++) {
		batch_put(batch, IOE_OP_WRITE, 3, 4096 * i, 4096);
		batch_put(batch, IOE_OP_WRITE, 3, 1 << 30, 512);
	}
	batch_form_and_check(batch, &wide);
	check_eq(batch->n_groups, 33);
	check_eq(batch->groups[0].n_events, 32);
	batch_close(batch);
}

Test(merge, fallocate_is_kept_in_order_with_what_it_changes)
{
	struct batch *batch = batch_open(CAPACITY);

	batch_put(batch, IOE_OP_WRITE, 3, 0, 4096);
	batch_put(batch, IOE_OP_FALLOCATE, 3, 0, 8192)->op_flags = FALLOC_FL_PUNCH_HOLE;
	batch_put(batch, IOE_OP_WRITE, 3, 4096, 4096);
	batch_form_and_check(batch, &wide);
	check_eq(batch->n_groups, 3);

	/* Taking bytes out of a file moves what is behind them. */
	batch_clear(batch);
	batch_put(batch, IOE_OP_FALLOCATE, 3, 0, 4096)->op_flags = FALLOC_FL_COLLAPSE_RANGE;
	batch_put(batch, IOE_OP_READ, 3, 1 << 20, 4096);
	cr_assert(ioe__merge_conflict(&batch->events[0], &batch->events[1]));
	batch_form_and_check(batch, &wide);
	batch_close(batch);
}

Test(merge, events_without_a_range_have_no_order)
{
	struct batch *batch = batch_open(CAPACITY);

	batch_put(batch, IOE_OP_WRITE, 3, 0, 4096);
	batch_put(batch, IOE_OP_FSYNC, 3, 0, 0);
	batch_put(batch, IOE_OP_NOP, 3, 0, 0);
	batch_put(batch, IOE_OP_WRITE, 3, 4096, 4096);
	batch_form_and_check(batch, &wide);
	check_eq(batch->n_groups, 3);
	cr_assert(!ioe__merge_conflict(&batch->events[0], &batch->events[1]));
	cr_assert(!ioe__merge_conflict(&batch->events[0], &batch->events[2]));
	batch_close(batch);
}

/* ---- Use -------------------------------------------------------------------------------- */

Test(merge, a_plan_is_used_again_and_the_empty_batch_has_no_groups)
{
	struct batch *batch = batch_open(CAPACITY);

	batch_form_and_check(batch, &wide);
	check_eq(batch->n_groups, 0);
	for (uint32_t round = 0; round < 3; round++) {
		batch_clear(batch);
		batch_put(batch, IOE_OP_WRITE, 3, 0, 512);
		batch_put(batch, IOE_OP_WRITE, 3, 512, 512);
		if (round == 1)
			batch_put(batch, IOE_OP_WRITE, 3, 0, 512);
		batch_form_and_check(batch, &wide);
		check_eq(batch->n_groups, round == 1 ? 2 : 1);
	}
	batch_close(batch);
}

/* ---- The examples of merge/README.md, as they stand there ------------------------------------ */

enum { BLOCK = 4096, EXAMPLE_MAX = 8 };

struct example_event {
	bool reads;
	uint32_t from; /* blocks [from, to) */
	uint32_t to;
};

static const struct example {
	const char *name;
	struct example_event events[EXAMPLE_MAX];
	uint32_t n;
	uint64_t bytes_max;
	const char *groups; /* indexes of events, by groups in the order of leaving */
} examples[] = {
	{ "plain", { { 0, 0, 1 }, { 0, 1, 2 }, { 0, 2, 3 }, { 0, 3, 4 } }, 4, 0, "0123" },
	{ "out of order", { { 0, 1, 2 }, { 0, 3, 4 }, { 0, 0, 1 }, { 0, 2, 3 } }, 4, 0, "2031" },
	{ "gap", { { 0, 0, 1 }, { 0, 2, 3 } }, 2, 0, "0 1" },
	{ "limit", { { 0, 0, 1 }, { 0, 1, 2 }, { 0, 2, 3 } }, 3, 8192, "01 2" },
	{ "rewritten", { { 0, 0, 1 }, { 0, 1, 2 }, { 0, 1, 2 }, { 0, 2, 3 } }, 4, 0, "013 2" },
	{ "read, modify, write",
	  { { 1, 0, 1 }, { 0, 0, 1 }, { 1, 1, 2 }, { 0, 1, 2 }, { 1, 2, 3 }, { 0, 2, 3 } },
	  6,
	  0,
	  "024 135" },
	{ "hot block",
	  { { 0, 0, 1 }, { 0, 9, 10 }, { 0, 1, 2 }, { 0, 9, 10 }, { 0, 2, 3 }, { 0, 9, 10 } },
	  6,
	  0,
	  "024 1 3 5" },
	{ "read twice", { { 1, 0, 1 }, { 1, 0, 1 }, { 1, 1, 2 }, { 1, 1, 2 } }, 4, 0, "03 12" },
	{ "overlapping reads",
	  { { 1, 0, 2 }, { 1, 1, 3 }, { 1, 2, 4 }, { 1, 3, 5 } },
	  4,
	  0,
	  "02 13" },
	{ "several ranks", { { 1, 5, 6 }, { 0, 5, 6 }, { 0, 6, 7 } }, 3, 0, "0 2 1" },
};

static void write_groups(const struct batch *batch, char *text)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < batch->n; i++) {
		const uint32_t event = batch->taken[i];

		if (i > 0 && batch->group_of[event] != batch->group_of[batch->taken[i - 1]])
			text[at++] = ' ';
		text[at++] = (char)('0' + event);
	}
	text[at] = '\0';
}

Test(merge, examples_of_the_readme)
{
	struct batch *batch = batch_open(EXAMPLE_MAX);

	for (uint32_t k = 0; k < sizeof(examples) / sizeof(examples[0]); k++) {
		const struct example *example = &examples[k];
		struct ioe__merge_limits limits = wide;
		char text[2 * EXAMPLE_MAX + 1];

		batch_clear(batch);
		if (example->bytes_max != 0)
			limits.bytes_max = example->bytes_max;
		for (uint32_t i = 0; i < example->n; i++) {
			const struct example_event *event = &example->events[i];

			batch_put(batch, event->reads ? IOE_OP_READ : IOE_OP_WRITE, 3,
				  (uint64_t)event->from * BLOCK,
				  (uint64_t)(event->to - event->from) * BLOCK);
		}
		batch_form_and_check(batch, &limits);
		write_groups(batch, text);
		cr_assert_str_eq(text, example->groups, "%s: %s, not %s", example->name, text,
				 example->groups);
	}
	batch_close(batch);
}
