/* SPDX-License-Identifier: MIT
 * merge_batch.c - see merge_batch.h. */
#include "tests/unit/merge_batch.h"

#include "engine/sys.h"
#include "tests/check.h"

struct batch *batch_open(void)
{
	struct batch *batch = calloc(1, sizeof(*batch));
	size_t size = ioe__merge_memory_bytes(BATCH_MAX);

	cr_assert(batch != NULL);
	cr_assert(posix_memalign(&batch->memory, 64, size) == 0);
	memset(batch->memory, 0xa5, size);
	ioe__merge_init(&batch->plan, batch->memory, BATCH_MAX);
	return batch;
}

void batch_close(struct batch *batch)
{
	free(batch->memory);
	free(batch);
}

void batch_clear(struct batch *batch)
{
	memset(batch->events, 0, batch->n * sizeof(batch->events[0]));
	batch->n = 0;
}

struct ioe_event *batch_put(struct batch *batch, uint8_t op, int fd, uint64_t offset,
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

struct ioe_event *batch_put_vector(struct batch *batch, uint8_t op, int fd, uint64_t offset,
				   uint64_t length, uint32_t n_iov)
{
	struct ioe_event *event = batch_put(batch, op, fd, offset, length);

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
	uint32_t earliest[BATCH_MAX];
	uint32_t rank[BATCH_MAX];

	for (uint32_t g = 0; g < batch->n_groups; g++) {
		earliest[g] = UINT32_MAX;
		rank[g] = 0;
	}
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

/* Whether the group of each event that conflicts with another is marked as contested, and no group
 * whose events overlap no others. */
static void check_contested(const struct batch *batch)
{
	bool overlaps[BATCH_MAX] = { false };

	for (uint32_t b = 0; b < batch->n; b++) {
		const struct ioe_event *eb = &batch->events[b];

		for (uint32_t a = 0; a < batch->n; a++) {
			const struct ioe_event *ea = &batch->events[a];

			if (a == b || ea->fd != eb->fd)
				continue;
			overlaps[batch->group_of[b]] |=
				ea->offset < end_of(eb) && eb->offset < end_of(ea);
			if (conflict(ea, eb))
				cr_assert(batch->groups[batch->group_of[b]].contested);
		}
	}
	for (uint32_t g = 0; g < batch->n_groups; g++)
		cr_assert(overlaps[g] || !batch->groups[g].contested);
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

void batch_form(struct batch *batch, const struct ioe__merge_limits *limits)
{
	ioe__merge_reset(&batch->plan);
	for (uint32_t i = 0; i < batch->n; i++)
		ioe__merge_add(&batch->plan, &batch->events[i]);
	ioe__merge_form(&batch->plan, limits);
	take_and_check(batch, limits);
}

void batch_form_and_check(struct batch *batch, const struct ioe__merge_limits *limits)
{
	batch_form(batch, limits);
	check_order(batch);
	check_contested(batch);
	check_maximal(batch, limits);
}
