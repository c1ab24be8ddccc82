/* SPDX-License-Identifier: MIT
 * merge_batch.c - see merge_batch.h.
 * Why the events of a group have one rank, which is what check_order() asks: merge/README.md. */
#include "tests/lib/merge_batch.h"

#include "engine/sys.h"
#include "tests/lib/fail.h"

#include <stdio.h>
#include <stdlib.h>

#define TRIES_MAX  64 /* the two bounds that merge/README.md makes exceptions for */
#define TRAITS_MAX 64
#define BYTES_MAX  0x7ffff000
#define IOV_COUNT  1024

/* must(), with the batch printed before it. */
#define holds(batch, cond, ...) \
	((cond) ? (void)0 : (batch_print(batch), support_fail(__FILE__, __LINE__, __VA_ARGS__)))

static void *allocate(uint32_t n, size_t size)
{
	void *memory = calloc(n, size);

	must(memory != NULL, "no memory for a batch of %u", n);
	return memory;
}

struct batch *batch_open(uint32_t capacity)
{
	struct batch *batch = allocate(1, sizeof(*batch));
	size_t size = ioe__merge_memory_bytes(capacity);

	batch->capacity = capacity;
	batch->events = allocate(capacity, sizeof(batch->events[0]));
	batch->groups = allocate(capacity, sizeof(batch->groups[0]));
	batch->group_of = allocate(capacity, sizeof(batch->group_of[0]));
	batch->taken = allocate(capacity, sizeof(batch->taken[0]));
	batch->rank_of = allocate(capacity, sizeof(batch->rank_of[0]));
	batch->work = allocate(capacity, sizeof(batch->work[0]));
	batch->told_apart = allocate(capacity, sizeof(batch->told_apart[0]));
	batch->contested = allocate(capacity, sizeof(batch->contested[0]));
	must(posix_memalign(&batch->memory, 64, size) == 0, "no memory for a plan");
	memset(batch->memory, 0xa5, size);
	ioe__merge_init(&batch->plan, batch->memory, capacity);
	return batch;
}

void batch_close(struct batch *batch)
{
	free(batch->memory);
	free(batch->contested);
	free(batch->told_apart);
	free(batch->work);
	free(batch->rank_of);
	free(batch->taken);
	free(batch->group_of);
	free(batch->groups);
	free(batch->events);
	free(batch);
}

void batch_clear(struct batch *batch)
{
	batch->n = 0;
	batch->seed = 0;
}

struct ioe_event *batch_put(struct batch *batch, uint8_t op, int fd, uint64_t offset,
			    uint64_t length)
{
	struct ioe_event *event = &batch->events[batch->n];

	must(batch->n < batch->capacity, "more than %u events", batch->capacity);
	batch->n++;
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

/* ---- What a failure prints ----------------------------------------------------------------- */

static void print_field(const char *name, uint64_t value)
{
	if (value != 0)
		fprintf(stderr, " event->%s = %#llx;", name, (unsigned long long)value);
}

static void batch_print(const struct batch *batch)
{
	static const char *const ops[IOE_OP_END] = {
		"NONE",   "NOP",   "READ",      "WRITE",     "READV",
		"WRITEV", "FSYNC", "FDATASYNC", "FALLOCATE",
	};

	fprintf(stderr, "The batch that fails, of %u events, seed %#llx, as a test has it:\n",
		batch->n, (unsigned long long)batch->seed);
	fprintf(stderr, "\tstruct batch *batch = batch_open(%u);\n", batch->capacity);
	for (uint32_t i = 0; i < batch->n; i++) {
		const struct ioe_event *e = &batch->events[i];

		fprintf(stderr, "\tevent = batch_put(batch, IOE_OP_%s, %d, %lluu, %lluu);",
			ops[e->op], e->fd, (unsigned long long)e->offset,
			(unsigned long long)e->length);
		print_field("n_iov", e->n_iov);
		print_field("flags", e->flags);
		print_field("rw_flags", e->rw_flags);
		print_field("op_flags", e->op_flags);
		print_field("ioprio", e->ioprio);
		print_field("lane", e->lane);
		print_field("done", e->done);
		fprintf(stderr, " /* %u */\n", i);
	}
	fprintf(stderr,
		"\tbatch_form_and_check(batch, &(struct ioe__merge_limits){ %lluu, %uu, %uu });\n",
		(unsigned long long)batch->limits.bytes_max, batch->limits.events_max,
		batch->limits.iov_max);
	fprintf(stderr, "groups:");
	for (uint32_t k = 0, g = UINT32_MAX; k < batch->n; k++) {
		if (batch->taken[k] == UINT32_MAX)
			break;
		fprintf(stderr, "%s%u", batch->group_of[batch->taken[k]] != g ? " | " : " ",
			batch->taken[k]);
		g = batch->group_of[batch->taken[k]];
	}
	fprintf(stderr, "\n");
}

/* ---- The checker: definitions only ------------------------------------------------------- */

static bool has_data(const struct ioe_event *event)
{
	return event->op == IOE_OP_READ || event->op == IOE_OP_READV || event->op == IOE_OP_WRITE ||
	       event->op == IOE_OP_WRITEV;
}

static bool is_write(const struct ioe_event *event)
{
	return event->op == IOE_OP_WRITE || event->op == IOE_OP_WRITEV;
}

static bool has_range(const struct ioe_event *event)
{
	return (has_data(event) || event->op == IOE_OP_FALLOCATE) &&
	       event->offset != IOE_OFFSET_STREAM;
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

static bool overlap(const struct ioe_event *a, const struct ioe_event *b)
{
	return a->fd == b->fd && has_range(a) && has_range(b) && a->offset < end_of(b) &&
	       b->offset < end_of(a);
}

static bool conflict(const struct ioe_event *a, const struct ioe_event *b)
{
	return overlap(a, b) && (is_write(a) || a->op == IOE_OP_FALLOCATE || is_write(b) ||
				 b->op == IOE_OP_FALLOCATE);
}

static bool same_traits(const struct ioe_event *a, const struct ioe_event *b)
{
	return a->flags == b->flags && a->rw_flags == b->rw_flags && a->ioprio == b->ioprio &&
	       a->lane == b->lane;
}

/* Of one key, and b begins where a ends. */
static bool adjacent(const struct ioe_event *a, const struct ioe_event *b)
{
	return may_merge(a) && may_merge(b) && a->fd == b->fd && is_write(a) == is_write(b) &&
	       same_traits(a, b) && a->offset + a->length == b->offset;
}

static bool may_follow(const struct ioe_event *a, const struct ioe_event *b)
{
	return adjacent(a, b) && b->done == 0;
}

static uint32_t buffers_of(const struct ioe_event *event)
{
	return event->n_iov > 0 ? event->n_iov : 1;
}

static bool within(const struct ioe__merge_limits *limits, uint64_t bytes, uint64_t n_events,
		   uint64_t n_buffers)
{
	return bytes <= limits->bytes_max && bytes <= BYTES_MAX && n_events <= limits->events_max &&
	       n_buffers <= limits->iov_max && n_buffers <= IOV_COUNT;
}

static struct ioe_event *behind(const struct ioe_event *event)
{
	struct ioe__node *node = event->ioe__node.next;

	return node == NULL ?
		       NULL :
		       (struct ioe_event *)((char *)node - offsetof(struct ioe_event, ioe__node));
}

static uint32_t index_of(const struct batch *batch, const struct ioe_event *event)
{
	return (uint32_t)(event - batch->events);
}

/* The events of one group, each for the first time; they follow one another, within the limits. */
static uint32_t check_group(struct batch *batch, const struct ioe__merge_group *group,
			    uint32_t n_taken)
{
	uint64_t bytes = 0;
	uint32_t n_events = 0;
	uint64_t n_buffers = 0;

	for (struct ioe_event *e = group->first; e != NULL; e = behind(e)) {
		const uint32_t i = index_of(batch, e);

		holds(batch, i < batch->n, "group %u has what is no event", batch->n_groups);
		holds(batch, batch->group_of[i] == UINT32_MAX, "event %u comes out twice", i);
		batch->group_of[i] = batch->n_groups;
		batch->taken[n_taken++] = i;
		bytes += e->length;
		n_events++;
		n_buffers += buffers_of(e);
		holds(batch, behind(e) == NULL || may_follow(e, behind(e)),
		      "event %u has one behind it that may not stand there", i);
	}
	holds(batch,
	      group->bytes == bytes && group->n_events == n_events && group->n_buffers == n_buffers,
	      "group %u is wrong about itself: %llu bytes, %u events, %u buffers", batch->n_groups,
	      (unsigned long long)group->bytes, group->n_events, group->n_buffers);
	holds(batch, n_events == 1 || within(&batch->limits, bytes, n_events, n_buffers),
	      "group %u is above the limits: %llu bytes, %u events, %u buffers", batch->n_groups,
	      (unsigned long long)bytes, n_events, (uint32_t)n_buffers);
	return n_taken;
}

/* Plan the batch, and take n_max groups of it, or all. */
static void form_and_take(struct batch *batch, const struct ioe__merge_limits *limits,
			  uint32_t n_max)
{
	struct ioe__merge_group group;
	uint32_t n_taken = 0;

	batch->limits = *limits;
	batch->n_groups = 0;
	ioe__merge_reset(&batch->plan);
	for (uint32_t i = 0; i < batch->n; i++) {
		batch->group_of[i] = UINT32_MAX;
		batch->taken[i] = UINT32_MAX;
		ioe__merge_add(&batch->plan, &batch->events[i]);
	}
	ioe__merge_form(&batch->plan, limits);
	while (batch->n_groups < n_max && ioe__merge_take(&batch->plan, &group)) {
		holds(batch, batch->n_groups < batch->n, "more groups than events");
		n_taken = check_group(batch, &group, n_taken);
		batch->groups[batch->n_groups++] = group;
	}
	holds(batch, batch->plan.n_left == batch->n - n_taken, "%u events are left, not %u",
	      batch->plan.n_left, batch->n - n_taken);
}

void batch_form(struct batch *batch, const struct ioe__merge_limits *limits)
{
	form_and_take(batch, limits, UINT32_MAX);
	for (uint32_t i = 0; i < batch->n; i++)
		holds(batch, batch->group_of[i] != UINT32_MAX, "event %u has vanished", i);
}

/* Law 6: the earlier of two conflicting events leaves first. And what merge.h says of any two. On
 * the way: ranks, and which events the plan tells apart. */
static void check_pairs(struct batch *batch)
{
	const struct ioe_event *traits[TRAITS_MAX];
	uint32_t n_traits = 0;

	batch->n_untold = 0;
	for (uint32_t b = 0; b < batch->n; b++) {
		const struct ioe_event *event = &batch->events[b];
		uint32_t k = 0;

		batch->rank_of[b] = 0;
		for (uint32_t a = 0; a < b; a++) {
			const struct ioe_event *earlier = &batch->events[a];
			const bool in_order = conflict(earlier, event);

			holds(batch,
			      ioe__merge_conflict(earlier, event) == in_order &&
				      ioe__merge_joins(earlier, event) ==
					      may_follow(earlier, event),
			      "what merge.h says of events %u and %u", a, b);
			holds(batch, !in_order || batch->group_of[a] < batch->group_of[b],
			      "event %u leaves before %u", b, a);
			if (in_order && batch->rank_of[b] <= batch->rank_of[a])
				batch->rank_of[b] = batch->rank_of[a] + 1;
		}
		while (k < n_traits && !same_traits(traits[k], event))
			k++;
		batch->told_apart[b] = may_merge(event) && k < TRAITS_MAX;
		batch->n_untold += may_merge(event) && k == TRAITS_MAX;
		if (batch->told_apart[b] && k == n_traits)
			traits[n_traits++] = event;
	}
}

/* Whether anything could be joined, were it not for ranks, done and the room in groups: if so,
 * groups leave in the order of ranks. */
static bool any_adjacent(const struct batch *batch)
{
	const struct ioe__merge_limits *limits = &batch->limits;

	if (limits->bytes_max < 2 || limits->events_max < 2 || limits->iov_max < 2)
		return false;
	for (uint32_t b = 0; b < batch->n; b++)
		for (uint32_t a = 0; batch->told_apart[b] && a < batch->n; a++)
			if (batch->told_apart[a] && adjacent(&batch->events[a], &batch->events[b]))
				return true;
	return false;
}

/* Groups, each of one rank, leave in the order of (rank, earliest event), or as they came if
 * nothing is adjacent. */
static void check_order(const struct batch *batch)
{
	const bool by_rank = any_adjacent(batch);
	uint32_t rank = 0;
	uint32_t earliest = 0;

	for (uint32_t g = 0; g < batch->n_groups; g++) {
		const struct ioe_event *first = batch->groups[g].first;
		const uint32_t its_rank = batch->rank_of[index_of(batch, first)];
		uint32_t its_earliest = UINT32_MAX;

		for (const struct ioe_event *e = first; e != NULL; e = behind(e)) {
			const uint32_t i = index_of(batch, e);

			holds(batch, batch->rank_of[i] == its_rank, "group %u has two ranks", g);
			its_earliest = i < its_earliest ? i : its_earliest;
		}
		holds(batch,
		      g == 0 || (by_rank && rank < its_rank) ||
			      ((!by_rank || rank == its_rank) && earliest < its_earliest),
		      "group %u leaves too late", g);
		rank = its_rank;
		earliest = its_earliest;
	}
}

/* Events that overlap, directly or through others, are a cluster; if two of it conflict, all its
 * events are contested, and others are not. A group is if one of its events is. */
static void check_contested(const struct batch *batch)
{
	uint32_t n = 0; /* in batch->work: contested events */

	for (uint32_t b = 0; b < batch->n; b++) {
		batch->contested[b] = false;
		for (uint32_t a = 0; a < batch->n && !batch->contested[b]; a++)
			batch->contested[b] =
				a != b && conflict(&batch->events[a], &batch->events[b]);
		if (batch->contested[b])
			batch->work[n++] = b;
	}
	for (uint32_t k = 0; k < n; k++) {
		for (uint32_t a = 0; a < batch->n; a++) {
			if (batch->contested[a] ||
			    !overlap(&batch->events[a], &batch->events[batch->work[k]]))
				continue;
			batch->contested[a] = true;
			batch->work[n++] = a;
		}
	}
	for (uint32_t g = 0; g < batch->n_groups; g++) {
		bool contested = false;

		for (const struct ioe_event *e = batch->groups[g].first; e != NULL; e = behind(e))
			contested |= batch->contested[index_of(batch, e)];
		holds(batch, batch->groups[g].contested == contested, "group %u is %scontested", g,
		      contested ? "" : "not ");
	}
}

/* Events of the rank and the key of the one at a place that end there: each of them was the end of
 * a group when those at the place were joined. */
static uint32_t count_ending_at(const struct batch *batch, const struct ioe_event *place)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < batch->n; i++)
		n += batch->told_apart[i] && adjacent(&batch->events[i], place) &&
		     batch->rank_of[i] == batch->rank_of[index_of(batch, place)];
	return n;
}

/* No two groups of one rank could be one; but of events with traits beyond the 64th nothing is
 * promised, and where more than 64 groups end at one place not all of them are tried. */
static void check_maximal(struct batch *batch)
{
	batch->n_limited = 0;
	batch->n_excused = 0;
	for (uint32_t a = 0; a < batch->n_groups; a++) {
		const struct ioe__merge_group *left = &batch->groups[a];
		const struct ioe_event *last = left->first;

		while (behind(last) != NULL)
			last = behind(last);
		for (uint32_t b = 0; b < batch->n_groups; b++) {
			const struct ioe__merge_group *right = &batch->groups[b];

			if (a == b || !may_follow(last, right->first) ||
			    !batch->told_apart[index_of(batch, last)] ||
			    batch->rank_of[index_of(batch, last)] !=
				    batch->rank_of[index_of(batch, right->first)])
				continue;
			if (!within(&batch->limits, left->bytes + right->bytes,
				    (uint64_t)left->n_events + right->n_events,
				    (uint64_t)left->n_buffers + right->n_buffers)) {
				batch->n_limited++;
				continue;
			}
			holds(batch, count_ending_at(batch, right->first) > TRIES_MAX,
			      "groups %u and %u could be one", a, b);
			batch->n_excused++;
		}
	}
}

void batch_form_and_check(struct batch *batch, const struct ioe__merge_limits *limits)
{
	batch_form(batch, limits);
	check_pairs(batch);
	check_order(batch);
	check_contested(batch);
	check_maximal(batch);
}

static void copy_events(struct batch *batch, const struct batch *formed)
{
	batch_clear(batch);
	must(formed->n <= batch->capacity, "%u events", formed->n);
	memcpy(batch->events, formed->events, formed->n * sizeof(batch->events[0]));
	batch->n = formed->n;
	batch->seed = formed->seed;
}

void batch_form_the_same(struct batch *batch, const struct batch *formed)
{
	copy_events(batch, formed);
	batch_form(batch, &formed->limits);
	holds(batch, batch->n_groups == formed->n_groups, "%u groups in one plan, %u in another",
	      batch->n_groups, formed->n_groups);
	for (uint32_t i = 0; i < batch->n; i++)
		holds(batch,
		      batch->taken[i] == formed->taken[i] &&
			      batch->group_of[i] == formed->group_of[i],
		      "event %u comes out otherwise in another plan", i);
	for (uint32_t g = 0; g < batch->n_groups; g++)
		holds(batch, batch->groups[g].contested == formed->groups[g].contested,
		      "group %u is contested in one plan only", g);
}

void batch_form_and_end(struct batch *batch, const struct batch *formed, uint32_t n_groups)
{
	struct ioe_event *last = NULL;
	const struct ioe_event *event;

	copy_events(batch, formed);
	form_and_take(batch, &formed->limits, n_groups);
	event = ioe__merge_end(&batch->plan, &last);
	for (uint32_t i = 0; i < batch->n; i++) {
		if (batch->group_of[i] != UINT32_MAX)
			continue;
		holds(batch, event == &batch->events[i], "event %u is not the next that is left",
		      i);
		holds(batch, behind(event) != NULL || event == last, "event %u is the last", i);
		event = behind(event);
	}
	holds(batch, event == NULL, "more events are left than have not been taken");
}
