/* SPDX-License-Identifier: MIT
 * test_merge.c - the pure function from a batch of events to groups.
 * Invariants: every plan made here is checked by merge_batch.c.
 * Threads:    none.
 * Ownership:  batches are the tests'. */
#include "engine/sys.h"
#include "tests/check.h"
#include "tests/lib/random.h"
#include "tests/unit/merge_batch.h"

static const struct ioe__merge_limits wide = { .bytes_max = UINT64_C(1) << 30,
					       .events_max = 1024,
					       .iov_max = 1024 };

/* ---- Joining --------------------------------------------------------------------------- */

Test(merge, adjacent_events_become_one_group)
{
	struct batch *batch = batch_open();

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
	struct batch *batch = batch_open();

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
	struct batch *batch = batch_open();

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
	struct batch *batch = batch_open();

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
	struct batch *batch = batch_open();

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
	struct batch *batch = batch_open();

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
	struct batch *batch = batch_open();

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
	struct batch *batch = batch_open();

	for (uint64_t i = 0; i < 200; i++) {
		batch_put(batch, IOE_OP_READ, 3, i * 1024, 512)->ioprio = (uint16_t)i;
		batch_put(batch, IOE_OP_READ, 3, i * 1024 + 512, 512)->ioprio = (uint16_t)i;
	}
	batch_form(batch, &wide);
	check_op(batch->n_groups, <=, 400 - 60);
	batch_close(batch);
}

Test(merge, a_resumed_event_comes_first_or_alone)
{
	struct batch *batch = batch_open();

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
Test(merge, p9_the_limit_is_on_the_total_not_on_the_event)
{
	struct ioe__merge_limits limits = wide;
	struct batch *batch = batch_open();

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
	struct batch *batch = batch_open();

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
	struct batch *batch = batch_open();

	for (uint64_t i = 0; i < 300; i++)
		batch_put(batch, IOE_OP_READ, 3, i * 0x1000000, 0x1000000);
	batch_form_and_check(batch, &none);
	check_eq(batch->n_groups, 3); /* of 127 * 16 MiB, twice, and the rest */
	batch_close(batch);
}

Test(merge, events_and_buffers_are_limited)
{
	struct ioe__merge_limits limits = wide;
	struct batch *batch = batch_open();

	limits.events_max = 10;
	for (uint64_t i = 0; i < 64; i++)
		batch_put(batch, IOE_OP_READ, 3, i * 512, 512);
	batch_form_and_check(batch, &limits);
	check_eq(batch->n_groups, 7);

	limits.events_max = UINT32_MAX;
	limits.iov_max = UINT32_MAX;
	batch_clear(batch);
	for (uint64_t i = 0; i < BATCH_MAX; i++)
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
	struct batch *batch = batch_open();

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
	struct batch *batch = batch_open();

	for (uint32_t copy = 0; copy < 3; copy++)
		for (uint64_t i = 0; i < 16; i++)
			batch_put(batch, IOE_OP_READ, 3, i * 4096, 4096);
	batch_form_and_check(batch, &wide);
	check_eq(batch->n_groups, 3);
	batch_close(batch);
}

Test(merge, overlapping_reads_do_not_break_each_others_chains)
{
	struct batch *batch = batch_open();

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
	struct batch *batch = batch_open();

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

/* ---- Order (law 6) ---------------------------------------------------------------------- */

Test(merge, overlapping_writes_are_apart_and_in_the_order_of_arrival)
{
	struct batch *batch = batch_open();

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
	struct batch *batch = batch_open();

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
	struct batch *batch = batch_open();

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
	struct batch *batch = batch_open();

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
	struct batch *batch = batch_open();

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
	struct batch *batch = batch_open();

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
	struct batch *batch = batch_open();

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

/* ---- Property ---------------------------------------------------------------------------- */

static void put_random(struct batch *batch, struct random *random, uint64_t n_blocks,
		       uint32_t n_fds, uint32_t oddity)
{
	static const uint8_t ops[] = { IOE_OP_READ,  IOE_OP_WRITE,     IOE_OP_READ, IOE_OP_WRITE,
				       IOE_OP_READV, IOE_OP_WRITEV,    IOE_OP_READ, IOE_OP_WRITE,
				       IOE_OP_FSYNC, IOE_OP_FALLOCATE, IOE_OP_NOP };
	/* oddity 0: reads or writes only; 1: both; 2: everything. */
	uint8_t op = oddity == 0 ? (uint8_t)(n_fds % 2 == 0 ? IOE_OP_READ : IOE_OP_WRITE) :
				   ops[random_below(random, oddity == 1 ? 2 : sizeof(ops))];
	uint64_t length = random_below(random, 4) == 0 ? random_between(random, 1, 4) : 1;
	struct ioe_event *event = batch_put(batch, op, 3 + (int)random_below(random, n_fds),
					    random_below(random, n_blocks) * 512, length * 512);

	if (op == IOE_OP_READV || op == IOE_OP_WRITEV)
		event->n_iov = (uint32_t)random_between(random, 1, 20);
	if (op == IOE_OP_FSYNC || op == IOE_OP_NOP)
		event->length = event->offset = 0;
	if (oddity < 2 || random_below(random, 8) != 0)
		return;
	switch (random_below(random, 7)) {
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
		event->offset += random_below(random, 512);
		break;
	default:
		event->op_flags = op == IOE_OP_FALLOCATE ? FALLOC_FL_INSERT_RANGE : 0;
		break;
	}
}

Test(merge, any_batch_keeps_every_rule, .timeout = 120)
{
	const uint32_t n_rounds = CHECK_SANITIZED ? 3000 : 20000;
	struct random random = random_open(3);
	struct batch *batch = batch_open();
	uint64_t n_joined = 0;
	uint64_t n_ranked = 0;

	for (uint32_t round = 0; round < n_rounds; round++) {
		uint32_t n = (uint32_t)random_between(&random, 1, round % 8 == 0 ? 256 : 40);
		uint64_t n_blocks = n * (UINT64_C(1) << random_below(&random, 8)) / 4 + 1;
		uint32_t n_fds = (uint32_t)random_between(&random, 1, 4);
		uint32_t oddity = (uint32_t)random_below(&random, 3);
		struct ioe__merge_limits limits = wide;

		if (random_below(&random, 2) == 0) {
			limits.bytes_max = random_between(&random, 0, 16) * 512;
			limits.events_max = (uint32_t)random_between(&random, 1, 12);
			limits.iov_max = (uint32_t)random_between(&random, 1, 40);
		}
		batch_clear(batch);
		for (uint64_t i = 0; i < n; i++)
			put_random(batch, &random, n_blocks, n_fds, oddity);
		batch_form_and_check(batch, &limits);
		n_joined += batch->n_groups < n;
		for (uint64_t i = 0; i < n; i++)
			n_ranked += batch->rank_of[i] > 0;
	}
	/* It has looked at what it is about. */
	check_op(n_joined, >, n_rounds / 4);
	check_op(n_ranked, >, n_rounds);
	batch_close(batch);
}
