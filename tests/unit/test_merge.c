/* SPDX-License-Identifier: MIT
 * test_merge.c - the pure function from a batch of events to groups.
 * Invariants: every plan made here is checked by a checker of O(n^2) that shares no code with it.
 * Threads:    none.
 * Ownership:  batches are the tests'. */
#include "merge/merge.h"

#include "engine/sys.h"
#include "tests/check.h"
#include "tests/lib/random.h"

#define N_MAX 1100

static const struct ioe__merge_limits wide = { .bytes_max = UINT64_C(1) << 30,
					       .events_max = 1024,
					       .iov_max = 1024 };

/* ---- A batch, and what became of it --------------------------------------------------- */

struct batch {
	struct ioe_event events[N_MAX];
	uint32_t n;
	struct ioe__merge_plan plan;
	void *memory;
	/* After form_and_check(). */
	struct ioe__merge_group groups[N_MAX];
	uint32_t n_groups;
	uint32_t group_of[N_MAX]; /* of events[i] */
	uint32_t rank_of[N_MAX];  /* of events[i], by definition */
};

static struct batch *batch_open(void)
{
	struct batch *batch = calloc(1, sizeof(*batch));
	size_t size = ioe__merge_memory_bytes(N_MAX);

	cr_assert(batch != NULL);
	cr_assert(posix_memalign(&batch->memory, 64, size) == 0);
	memset(batch->memory, 0xa5, size);
	ioe__merge_init(&batch->plan, batch->memory, N_MAX);
	return batch;
}

static void batch_close(struct batch *batch)
{
	free(batch->memory);
	free(batch);
}

static void batch_clear(struct batch *batch)
{
	memset(batch->events, 0, batch->n * sizeof(batch->events[0]));
	batch->n = 0;
}

/* As ioe_prep_*() and acceptance leave an event. */
static struct ioe_event *put(struct batch *batch, uint8_t op, int fd, uint64_t offset,
			     uint64_t length)
{
	struct ioe_event *event = &batch->events[batch->n++];

	memset(event, 0, sizeof(*event));
	event->op = op;
	event->fd = fd;
	event->offset = offset;
	event->length = length;
	return event;
}

static struct ioe_event *put_vector(struct batch *batch, uint8_t op, int fd, uint64_t offset,
				    uint64_t length, uint32_t n_iov)
{
	struct ioe_event *event = put(batch, op, fd, offset, length);

	event->n_iov = n_iov;
	return event;
}

/* ---- The checker: definitions only ----------------------------------------------------- */

static bool has_data(const struct ioe_event *event)
{
	return event->op == IOE_OP_READ || event->op == IOE_OP_READV || event->op == IOE_OP_WRITE ||
	       event->op == IOE_OP_WRITEV;
}

static bool is_write(const struct ioe_event *event)
{
	return event->op == IOE_OP_WRITE || event->op == IOE_OP_WRITEV;
}

static bool may_merge(const struct ioe_event *event)
{
	if (event->flags & (IOE_EVENT_NO_MERGE | IOE_EVENT_NO_RESUME | IOE_EVENT_BARRIER))
		return false;
	return has_data(event) && event->offset != IOE_OFFSET_STREAM &&
	       (event->rw_flags & (0x08 /* NOWAIT */ | 0x40 /* ATOMIC */)) == 0;
}

static uint64_t end_of(const struct ioe_event *event)
{
	if (event->op == IOE_OP_FALLOCATE &&
	    (event->op_flags & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) != 0)
		return INT64_MAX;
	return event->offset + event->length;
}

static bool conflict(const struct ioe_event *a, const struct ioe_event *b)
{
	const bool a_changes = is_write(a) || a->op == IOE_OP_FALLOCATE;
	const bool b_changes = is_write(b) || b->op == IOE_OP_FALLOCATE;

	if ((!has_data(a) && !a_changes) || (!has_data(b) && !b_changes))
		return false;
	if (a->offset == IOE_OFFSET_STREAM || b->offset == IOE_OFFSET_STREAM)
		return false;
	return a->fd == b->fd && (a_changes || b_changes) && a->offset < end_of(b) &&
	       b->offset < end_of(a);
}

static bool may_follow(const struct ioe_event *a, const struct ioe_event *b)
{
	return may_merge(a) && may_merge(b) && a->fd == b->fd && is_write(a) == is_write(b) &&
	       a->flags == b->flags && a->rw_flags == b->rw_flags && a->ioprio == b->ioprio &&
	       a->lane == b->lane && a->offset + a->length == b->offset && b->done == 0;
}

static uint32_t buffers_of(const struct ioe_event *event)
{
	return event->n_iov > 0 ? event->n_iov : 1;
}

static struct ioe_event *behind(const struct ioe_event *event)
{
	struct ioe__node *node = event->ioe__node.next;

	return node == NULL ?
		       NULL :
		       (struct ioe_event *)((char *)node - offsetof(struct ioe_event, ioe__node));
}

/* Take the groups; each event in exactly one, adjacent, of one key, within the limits. */
static void take_and_check(struct batch *batch, const struct ioe__merge_limits *limits)
{
	struct ioe__merge_group *group = &batch->groups[0];

	for (uint32_t i = 0; i < batch->n; i++)
		batch->group_of[i] = UINT32_MAX;
	for (batch->n_groups = 0; ioe__merge_take(&batch->plan, group); group++) {
		uint64_t bytes = 0;
		uint32_t n_events = 0;
		uint32_t n_buffers = 0;

		for (struct ioe_event *e = group->first; e != NULL; e = behind(e)) {
			uint32_t i = (uint32_t)(e - batch->events);

			check_op(i, <, batch->n);
			check_eq(batch->group_of[i], UINT32_MAX);
			batch->group_of[i] = batch->n_groups;
			bytes += e->length;
			n_events++;
			n_buffers += buffers_of(e);
			if (behind(e) != NULL)
				cr_assert(may_follow(e, behind(e)));
		}
		check_eq(group->bytes, bytes);
		check_eq(group->n_events, n_events);
		check_eq(group->n_buffers, n_buffers);
		if (n_events > 1) {
			cr_assert(bytes <= limits->bytes_max);
			check_op(bytes, <=, 0x7ffff000);
			check_op(n_events, <=, limits->events_max);
			check_op(n_buffers, <=, limits->iov_max);
			check_op(n_buffers, <=, 1024);
		}
		batch->n_groups++;
	}
	for (uint32_t i = 0; i < batch->n; i++)
		cr_assert(batch->group_of[i] != UINT32_MAX, "event %u has vanished", i);
	check_eq(batch->plan.n_left, 0);
}

/* Law 6, with the ranks by their definition; and groups leave in the order of (rank, earliest), or
 * all as they came if none has been joined. */
static void check_order(struct batch *batch)
{
	uint32_t earliest[N_MAX];
	uint32_t rank[N_MAX];

	for (uint32_t g = 0; g < batch->n_groups; g++)
		earliest[g] = UINT32_MAX;
	for (uint32_t b = 0; b < batch->n; b++) {
		uint32_t g = batch->group_of[b];

		batch->rank_of[b] = 0;
		for (uint32_t a = 0; a < b; a++) {
			if (!conflict(&batch->events[a], &batch->events[b]))
				continue;
			cr_assert(batch->group_of[a] < g, "event %u leaves before %u", b, a);
			if (batch->rank_of[b] <= batch->rank_of[a])
				batch->rank_of[b] = batch->rank_of[a] + 1;
		}
		if (earliest[g] == UINT32_MAX) {
			earliest[g] = b;
			rank[g] = batch->rank_of[b];
		}
		check_eq(batch->rank_of[b], rank[g]);
	}
	for (uint32_t g = 1; g < batch->n_groups; g++) {
		if (batch->n_groups == batch->n)
			cr_assert(earliest[g - 1] < earliest[g] || rank[g - 1] < rank[g]);
		else
			cr_assert(rank[g - 1] < rank[g] ||
				  (rank[g - 1] == rank[g] && earliest[g - 1] < earliest[g]));
	}
}

/* No two groups of one rank could be one. */
static void check_maximal(const struct batch *batch, const struct ioe__merge_limits *limits)
{
	const uint64_t bytes_max = limits->bytes_max < 0x7ffff000 ? limits->bytes_max : 0x7ffff000;
	const uint32_t iov_max = limits->iov_max < 1024 ? limits->iov_max : 1024;

	for (uint32_t a = 0; a < batch->n_groups; a++) {
		const struct ioe__merge_group *left = &batch->groups[a];
		const struct ioe_event *last = left->first;

		while (behind(last) != NULL)
			last = behind(last);
		for (uint32_t b = 0; b < batch->n_groups; b++) {
			const struct ioe__merge_group *right = &batch->groups[b];

			if (a == b || !may_follow(last, right->first) ||
			    batch->rank_of[last - batch->events] !=
				    batch->rank_of[right->first - batch->events])
				continue;
			cr_assert(left->bytes + right->bytes > bytes_max ||
					  left->n_events + right->n_events > limits->events_max ||
					  left->n_buffers + right->n_buffers > iov_max,
				  "groups %u and %u could be one", a, b);
		}
	}
}

static void form_and_check(struct batch *batch, const struct ioe__merge_limits *limits)
{
	ioe__merge_reset(&batch->plan);
	for (uint32_t i = 0; i < batch->n; i++)
		ioe__merge_add(&batch->plan, &batch->events[i]);
	ioe__merge_form(&batch->plan, limits);
	take_and_check(batch, limits);
	check_order(batch);
	check_maximal(batch, limits);
}

/* ---- Joining --------------------------------------------------------------------------- */

Test(merge, adjacent_events_become_one_group)
{
	struct batch *batch = batch_open();

	for (uint32_t i = 0; i < 64; i++)
		put(batch, IOE_OP_READ, 3, i * 4096, 4096);
	form_and_check(batch, &wide);
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
	for (uint32_t turn = 0; turn < 128 / 4; turn++)
		for (uint32_t producer = 0; producer < 8; producer++)
			for (uint32_t k = 0; k < 4; k++)
				put(batch, IOE_OP_WRITE, 3,
				    ((turn * 4 + k) * 8 + (7 - producer)) * UINT64_C(4096), 4096);
	form_and_check(batch, &wide);
	check_eq(batch->n_groups, 1);
	check_eq(batch->groups[0].first->offset, 0);

	batch_clear(batch);
	for (uint32_t i = 0; i < 100; i++)
		put(batch, IOE_OP_READ, 3, (99 - i) * 512, 512);
	form_and_check(batch, &wide);
	check_eq(batch->n_groups, 1);
	batch_close(batch);
}

Test(merge, events_with_a_gap_stay_apart_and_leave_as_they_came)
{
	struct batch *batch = batch_open();

	put(batch, IOE_OP_READ, 3, 40960, 4096);
	put(batch, IOE_OP_READ, 3, 0, 4096);
	put(batch, IOE_OP_READ, 3, 4097, 4096);
	put(batch, IOE_OP_NOP, -1, 0, 0);
	form_and_check(batch, &wide);
	check_eq(batch->n_groups, 4);
	for (uint32_t i = 0; i < 4; i++)
		check_eq(batch->group_of[i], i);
	batch_close(batch);
}

Test(merge, groups_leave_in_the_order_of_their_earliest_events)
{
	struct batch *batch = batch_open();

	put(batch, IOE_OP_READ, 3, 8192, 4096); /* 0: group 0, at its end */
	put(batch, IOE_OP_READ, 4, 0, 4096);    /* 1: group 1 */
	put(batch, IOE_OP_FSYNC, 3, 0, 0);      /* 2: group 2 */
	put(batch, IOE_OP_READ, 3, 0, 4096);    /* 3: group 0, its first */
	put(batch, IOE_OP_READ, 5, 0, 4096);    /* 4: group 3 */
	put(batch, IOE_OP_READ, 4, 4096, 4096); /* 5: group 1 */
	put(batch, IOE_OP_READ, 3, 4096, 4096); /* 6: group 0 */
	form_and_check(batch, &wide);
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

	put(batch, IOE_OP_READ, 3, 0, 100);
	put_vector(batch, IOE_OP_READV, 3, 100, 50, 7);
	put(batch, IOE_OP_READ, 3, 150, 1);
	put_vector(batch, IOE_OP_READV, 3, 151, 9, 1);
	put_vector(batch, IOE_OP_WRITEV, 4, 0, 50, 3);
	put(batch, IOE_OP_WRITE, 4, 50, 1);
	form_and_check(batch, &wide);
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
		put(batch, IOE_OP_WRITE, 3, 0, 4096);
		second = put(batch, IOE_OP_WRITE, 3, 4096, 4096);
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
		form_and_check(batch, &wide);
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
		for (uint32_t i = 0; i < 8; i++) {
			struct ioe_event *event = put(batch, IOE_OP_READ, 3, i * 512, 512);

			if (k < 3)
				event->flags = flags[k];
			else if (k < 5)
				event->rw_flags = rw_flags[k - 3];
			else
				event->offset = IOE_OFFSET_STREAM;
		}
		form_and_check(batch, &wide);
		check_eq(batch->n_groups, 8);
	}
	batch_close(batch);
}

Test(merge, more_keys_than_a_batch_can_tell_apart_still_come_out_once)
{
	struct batch *batch = batch_open();

	for (uint32_t i = 0; i < 200; i++) {
		put(batch, IOE_OP_READ, 3, i * 1024, 512)->ioprio = (uint16_t)i;
		put(batch, IOE_OP_READ, 3, i * 1024 + 512, 512)->ioprio = (uint16_t)i;
	}
	ioe__merge_reset(&batch->plan);
	for (uint32_t i = 0; i < batch->n; i++)
		ioe__merge_add(&batch->plan, &batch->events[i]);
	ioe__merge_form(&batch->plan, &wide);
	take_and_check(batch, &wide);
	check_op(batch->n_groups, <=, 400 - 60);
	batch_close(batch);
}

Test(merge, a_resumed_event_comes_first_or_alone)
{
	struct batch *batch = batch_open();

	put(batch, IOE_OP_READ, 3, 0, 4096);
	put(batch, IOE_OP_READ, 3, 4096, 4096)->done = 100;
	put(batch, IOE_OP_READ, 3, 8192, 4096);
	form_and_check(batch, &wide);
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
	for (uint32_t i = 0; i < 12; i++)
		put(batch, IOE_OP_WRITE, 3, i * 1536, 1536);
	form_and_check(batch, &limits);
	check_eq(batch->n_groups, 6);

	batch_clear(batch);
	for (uint32_t i = 0; i < 64; i++)
		put(batch, IOE_OP_WRITE, 3, i * 512, 512);
	form_and_check(batch, &limits);
	check_eq(batch->n_groups, 8);
	batch_close(batch);
}

Test(merge, an_event_above_the_limit_is_a_group_of_its_own)
{
	struct ioe__merge_limits limits = wide;
	struct batch *batch = batch_open();

	limits.bytes_max = 4096;
	limits.iov_max = 8;
	put(batch, IOE_OP_WRITE, 3, 0, 512);
	put(batch, IOE_OP_WRITE, 3, 512, 8192);
	put(batch, IOE_OP_WRITE, 3, 8704, 512);
	put(batch, IOE_OP_WRITE, 4, 0, INT64_MAX);
	put_vector(batch, IOE_OP_WRITEV, 5, 0, 1, 9);
	put(batch, IOE_OP_WRITE, 5, 1, 1);
	form_and_check(batch, &limits);
	check_eq(batch->n_groups, 6);
	batch_close(batch);
}

Test(merge, no_group_passes_what_the_kernel_moves_in_one_request)
{
	const struct ioe__merge_limits none = { UINT64_MAX, UINT32_MAX, UINT32_MAX };
	struct batch *batch = batch_open();

	for (uint32_t i = 0; i < 300; i++)
		put(batch, IOE_OP_READ, 3, i * UINT64_C(0x1000000), 0x1000000);
	form_and_check(batch, &none);
	check_eq(batch->n_groups, 3); /* of 127 * 16 MiB, twice, and the rest */
	batch_close(batch);
}

Test(merge, events_and_buffers_are_limited)
{
	struct ioe__merge_limits limits = wide;
	struct batch *batch = batch_open();

	limits.events_max = 10;
	for (uint32_t i = 0; i < 64; i++)
		put(batch, IOE_OP_READ, 3, i * 512, 512);
	form_and_check(batch, &limits);
	check_eq(batch->n_groups, 7);

	limits.events_max = UINT32_MAX;
	limits.iov_max = UINT32_MAX;
	batch_clear(batch);
	for (uint32_t i = 0; i < N_MAX; i++)
		put(batch, IOE_OP_READ, 3, i * 512, 512);
	form_and_check(batch, &limits);
	check_eq(batch->n_groups, 2);
	check_eq(batch->groups[0].n_buffers, 1024);

	limits.iov_max = 100;
	batch_clear(batch);
	for (uint32_t i = 0; i < 8; i++)
		put_vector(batch, IOE_OP_READV, 3, i * 512, 512, 33);
	form_and_check(batch, &limits);
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

	for (uint32_t i = 0; i < 16; i++)
		put(batch, IOE_OP_WRITE, 3, (15 - i) * 512, 512);
	for (size_t k = 0; k < sizeof(off) / sizeof(off[0]); k++) {
		form_and_check(batch, &off[k]);
		check_eq(batch->n_groups, 16);
		for (uint32_t i = 0; i < 16; i++)
			check_eq(batch->group_of[i], i);
	}
	batch_close(batch);
}

/* ---- The same bytes more than once ------------------------------------------------------ */

Test(merge, reads_of_the_same_blocks_pair_up)
{
	struct batch *batch = batch_open();

	for (uint32_t copy = 0; copy < 3; copy++)
		for (uint32_t i = 0; i < 16; i++)
			put(batch, IOE_OP_READ, 3, i * 4096, 4096);
	form_and_check(batch, &wide);
	check_eq(batch->n_groups, 3);
	batch_close(batch);
}

Test(merge, overlapping_reads_do_not_break_each_others_chains)
{
	struct batch *batch = batch_open();

	for (uint32_t i = 0; i < 16; i++) {
		put(batch, IOE_OP_READ, 3, i * 4096, 4096);
		put(batch, IOE_OP_READ, 3, i * 4096 + 1024, 4096);
		put(batch, IOE_OP_READ, 3, i * 4096 + 2048, 4096);
	}
	put(batch, IOE_OP_READ, 3, 0, 1 << 20);
	form_and_check(batch, &wide);
	check_eq(batch->n_groups, 4);
	batch_close(batch);
}

Test(merge, a_read_that_does_not_fit_one_group_joins_another_that_ends_there)
{
	struct ioe__merge_limits limits = wide;
	struct batch *batch = batch_open();

	/* Two groups end at 8192: of 8192 and of 4096 bytes. Only the second has room. */
	limits.bytes_max = 10000;
	put(batch, IOE_OP_READ, 3, 0, 4096);
	put(batch, IOE_OP_READ, 3, 4096, 4096);
	put(batch, IOE_OP_READ, 3, 4096, 4096);
	put(batch, IOE_OP_READ, 3, 8192, 4096);
	form_and_check(batch, &limits);
	check_eq(batch->n_groups, 2);
	batch_close(batch);
}

/* ---- Order (law 6) ---------------------------------------------------------------------- */

Test(merge, overlapping_writes_are_apart_and_in_the_order_of_arrival)
{
	struct batch *batch = batch_open();

	put(batch, IOE_OP_WRITE, 3, 0, 4096);
	put(batch, IOE_OP_WRITE, 3, 4096, 4096);
	put(batch, IOE_OP_WRITE, 3, 4096, 4096); /* once more */
	put(batch, IOE_OP_WRITE, 3, 8192, 4096);
	form_and_check(batch, &wide);
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
	for (uint32_t i = 0; i < 8; i++) {
		put(batch, IOE_OP_READ, 3, i * 4096, 4096);
		put(batch, IOE_OP_WRITE, 3, i * 4096, 4096);
	}
	form_and_check(batch, &wide);
	check_eq(batch->n_groups, 2);
	check_eq(batch->groups[0].first->op, IOE_OP_READ);
	check_eq(batch->groups[1].first->op, IOE_OP_WRITE);

	/* A write between two reads of one block: both reads are alone. */
	batch_clear(batch);
	put(batch, IOE_OP_READ, 3, 4096, 4096);
	put(batch, IOE_OP_WRITE, 3, 4100, 1);
	put(batch, IOE_OP_READ, 3, 4096, 4096);
	put(batch, IOE_OP_READ, 3, 8192, 4096);
	form_and_check(batch, &wide);
	check_eq(batch->n_groups, 3);
	batch_close(batch);
}

Test(merge, a_write_inside_the_union_of_overlapping_reads_is_seen)
{
	struct batch *batch = batch_open();

	/* The long read reaches beyond the ones that stand between it and the write. */
	put(batch, IOE_OP_READ, 3, 0, 1 << 20);
	put(batch, IOE_OP_READ, 3, 4096, 512);
	put(batch, IOE_OP_READ, 3, 4608, 512);
	put(batch, IOE_OP_WRITE, 3, 500000, 512);
	put(batch, IOE_OP_WRITE, 3, 500512, 512);
	form_and_check(batch, &wide);
	check_eq(batch->n_groups, 3);
	check_eq(batch->group_of[3], 2);
	batch_close(batch);
}

Test(merge, a_conflict_in_one_place_does_not_keep_others_from_merging)
{
	struct batch *batch = batch_open();

	/* A block that is written over and over among sequential writes of the same file. */
	for (uint32_t i = 0; i < 32; i++) {
		put(batch, IOE_OP_WRITE, 3, 4096 * i, 4096);
		put(batch, IOE_OP_WRITE, 3, 1 << 30, 512);
	}
	form_and_check(batch, &wide);
	check_eq(batch->n_groups, 33);
	check_eq(batch->groups[0].n_events, 32);
	batch_close(batch);
}

Test(merge, fallocate_is_kept_in_order_with_what_it_changes)
{
	struct batch *batch = batch_open();

	put(batch, IOE_OP_WRITE, 3, 0, 4096);
	put(batch, IOE_OP_FALLOCATE, 3, 0, 8192)->op_flags = FALLOC_FL_PUNCH_HOLE;
	put(batch, IOE_OP_WRITE, 3, 4096, 4096);
	form_and_check(batch, &wide);
	check_eq(batch->n_groups, 3);

	/* Taking bytes out of a file moves what is behind them. */
	batch_clear(batch);
	put(batch, IOE_OP_FALLOCATE, 3, 0, 4096)->op_flags = FALLOC_FL_COLLAPSE_RANGE;
	put(batch, IOE_OP_READ, 3, 1 << 20, 4096);
	cr_assert(ioe__merge_conflict(&batch->events[0], &batch->events[1]));
	form_and_check(batch, &wide);
	batch_close(batch);
}

Test(merge, events_without_a_range_have_no_order)
{
	struct batch *batch = batch_open();

	put(batch, IOE_OP_WRITE, 3, 0, 4096);
	put(batch, IOE_OP_FSYNC, 3, 0, 0);
	put(batch, IOE_OP_NOP, 3, 0, 0);
	put(batch, IOE_OP_WRITE, 3, 4096, 4096);
	form_and_check(batch, &wide);
	check_eq(batch->n_groups, 3);
	cr_assert(!ioe__merge_conflict(&batch->events[0], &batch->events[1]));
	cr_assert(!ioe__merge_conflict(&batch->events[0], &batch->events[2]));
	batch_close(batch);
}

/* ---- Use -------------------------------------------------------------------------------- */

Test(merge, a_plan_is_used_again_and_the_empty_batch_has_no_groups)
{
	struct batch *batch = batch_open();

	form_and_check(batch, &wide);
	check_eq(batch->n_groups, 0);
	for (uint32_t round = 0; round < 3; round++) {
		batch_clear(batch);
		put(batch, IOE_OP_WRITE, 3, 0, 512);
		put(batch, IOE_OP_WRITE, 3, 512, 512);
		if (round == 1)
			put(batch, IOE_OP_WRITE, 3, 0, 512);
		form_and_check(batch, &wide);
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
	struct ioe_event *event = put(batch, op, 3 + (int)random_below(random, n_fds),
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
		for (uint32_t i = 0; i < n; i++)
			put_random(batch, &random, n_blocks, n_fds, oddity);
		form_and_check(batch, &limits);
		n_joined += batch->n_groups < n;
		for (uint32_t i = 0; i < n; i++)
			n_ranked += batch->rank_of[i] > 0;
	}
	/* It has looked at what it is about. */
	check_op(n_joined, >, n_rounds / 4);
	check_op(n_ranked, >, n_rounds);
	batch_close(batch);
}
