/* SPDX-License-Identifier: MIT
 * driven.c - see driven.h. */
#include "tests/lib/driven.h"
#include "engine/sys.h"
#include "tests/lib/arena.h"
#include "tests/lib/bytes.h"
#include "tests/lib/fail.h"

#include <stdio.h>
#include <sys/mman.h>

#ifdef IOE_TEST_SEAM

enum { POISON = 0x5a }; /* what a read finds in its buffer */

static int fds[DRIVEN_FDS];
static struct driven_slot slots[DRIVEN_SLOTS];

static struct ioe_engine *engine;
static struct ioe_engine *keeps[DRIVEN_KEEPS + 1]; /* [0]: none */
static uint32_t kept_as;
static struct ioe_stats stats_at_first;
static struct ioe_config config;
static bool is_none;
static bool has_owner;  /* NONE: the engine has been driven */
static bool is_driving; /* main is in a call that may run callbacks */
static bool is_closing;
static uint64_t n_accepted; /* by this engine */
static uint64_t n_placed;   /* of those, with a place in the channel until they begin */
/* NONE: finished events that run() will not tell of any more, at least and at the most: a wait that
 * has nothing to wait for leaves those that a submit has finished to the next run. */
static uint64_t told_min, told_max;
static uint32_t n_calls;
static uint32_t epoch; /* NONE: what is accepted in one is taken up together */
static __thread bool in_callback;

/* ---- Files ---- */

void driven_init(void)
{
	char path[64];

	fds[DRIVEN_FIRST] = (int)must_sys(memfd_create("first", MFD_CLOEXEC));
	fds[DRIVEN_FIRST_TOO] = (int)must_sys(fcntl(fds[DRIVEN_FIRST], F_DUPFD_CLOEXEC, 0));
	fds[DRIVEN_SECOND] = (int)must_sys(memfd_create("second", MFD_CLOEXEC));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[DRIVEN_SECOND]);
	fds[DRIVEN_READ_ONLY] = (int)must_sys(open(path, O_RDONLY | O_CLOEXEC));
	fds[DRIVEN_CLOSED] = 1 << 24;
	oracle_watch();
}

/* ---- An event's life ---- */

bool driven_give_memory(struct driven_slot *slot, const uint32_t *lengths, uint32_t n,
			bool is_neighbour)
{
	bool has;

	oracle_lock();
	has = arena_give(lengths, n, is_neighbour, slot->areas);
	oracle_unlock();
	memcpy(slot->copy, slot->areas, n * sizeof(slot->areas[0]));
	slot->n_areas = n;
	slot->is_neighbour = is_neighbour;
	return has;
}

static bool is_vector(const struct ioe_event *event)
{
	return event->op == IOE_OP_READV || event->op == IOE_OP_WRITEV;
}

static enum bytes_kind kind_of(const struct ioe_event *event)
{
	switch (event->op) {
	case IOE_OP_READ:
	case IOE_OP_READV:
		return BYTES_READ;
	case IOE_OP_WRITE:
	case IOE_OP_WRITEV:
		return BYTES_WRITE;
	case IOE_OP_FALLOCATE:
		if ((event->op_flags & FALLOC_FL_PUNCH_HOLE) != 0)
			return BYTES_ZERO;
		return event->op_flags == 0 ? BYTES_GROW : BYTES_OTHER;
	default:
		return BYTES_OTHER;
	}
}

/* It is about to be submitted; false: there are no more numbers. Locked. */
static bool begin(struct driven_slot *slot, uint32_t call, uint32_t group)
{
	const struct ioe_event *event = &slot->event;
	const uint32_t number = bytes_claim();
	struct bytes_op *op;

	if (number == 0)
		return false;
	op = bytes_op(number);
	op->kind = kind_of(event);
	op->file = slot->fd_is_good ? (uint8_t)slot->file : BYTES_NO_FILE;
	op->is_barrier = (event->flags & IOE_EVENT_BARRIER) != 0;
	op->has_range = op->kind != BYTES_OTHER || event->op == IOE_OP_FALLOCATE;
	op->fd = event->op == IOE_OP_NOP ? -1 : event->fd;
	op->offset = event->offset;
	for (uint32_t i = 0; i < slot->n_areas; i++)
		op->length += slot->areas[i].iov_len;
	if (event->op == IOE_OP_FALLOCATE)
		op->length = event->length;
	op->call = call;
	op->group = group;
	if (op->kind == BYTES_WRITE)
		bytes_fill(number, slot->areas, slot->n_areas);
	for (uint32_t i = 0; op->kind == BYTES_READ && i < slot->n_areas; i++)
		memset(slot->areas[i].iov_base, POISON, slot->areas[i].iov_len);
	oracle_expect(number, event, slot->fd_is_good, slot->fault, slot->fault_times);
	bytes_submitted(number);
	slot->tag = (struct oracle_tag){ .number = number };
	slot->is_open = true;
	return true;
}

/* What a submit call has said of it. Locked; since then it may have ended, and begun anew. */
static void was_accepted(uint32_t number, bool is_own)
{
	bytes_accepted(number);
	n_accepted++;
	n_placed += !is_own;
}

static void was_refused(struct driven_slot *slot, uint32_t number)
{
	bytes_refused(number);
	slot->is_open = false;
}

/* It is the caller's again. Locked. */
static void end(struct driven_slot *slot)
{
	const uint32_t number = slot->tag.number;
	bool has_all;

	must(slot->is_open, "slot %td has ended, and was not open", slot - slots);
	must(ioe_event_is_done(&slot->event), "op %u has ended, and is not done", number);
	has_all = oracle_end(number, &slot->event);
	must(slot->event.arg == &slot->tag &&
		     (slot->n_areas == 0 || slot->event.length == bytes_op(number)->length),
	     "op %u: the event has been changed", number);
	if (is_vector(&slot->event))
		must(memcmp(slot->areas, slot->copy, slot->n_areas * sizeof(slot->areas[0])) == 0,
		     "op %u: its iovec array has been written to", number);
	if (kind_of(&slot->event) == BYTES_READ)
		bytes_check_read(number, slot->areas, slot->n_areas, has_all);
	arena_check(slot->areas, slot->n_areas, slot->is_neighbour);
	slot->is_open = false;
}

/* NONE: places in the channel. */
static int64_t room(void)
{
	return (int64_t)config.channel_capacity - (int64_t)(n_placed - oracle_n_begun());
}

static int call_submit(struct ioe_event *const *events, uint32_t n, enum driven_how how)
{
	int ret;

	if (how == DRIVEN_BATCH)
		return ioe_submit_batch(engine, events, n);
	if (how == DRIVEN_TRY_BATCH)
		return ioe_try_submit_batch(engine, events, n);
	ret = how == DRIVEN_SUBMIT ? ioe_submit(engine, events[0]) :
				     ioe_try_submit(engine, events[0]);
	return ret == 0 ? 1 : ret;
}

static void submit_again(struct driven_slot *slot, uint32_t number, int64_t n_room)
{
	const enum driven_how how = slot->again_how;
	const bool tries = how == DRIVEN_TRY || how == DRIVEN_TRY_BATCH;
	const bool is_own = !tries && config.threading != IOE_THREADING_POOL;
	struct ioe_event *event = &slot->event;
	int ret;

	slot->tag.is_own = is_own;
	ret = call_submit(&event, 1, how);
	ret = ret == 1 ? 0 : ret;
	oracle_lock();
	if (ret == 0)
		was_accepted(number, is_own);
	else
		was_refused(slot, number);
	must(ret == 0 || (ret == -ESHUTDOWN && is_closing) || (ret == -EAGAIN && tries),
	     "a callback's submit: %d", ret);
	if (is_none)
		must(ret == (is_closing           ? -ESHUTDOWN :
			     tries && n_room <= 0 ? -EAGAIN :
						    0),
		     "a callback's submit: %d, room for %lld", ret, (long long)n_room);
	oracle_unlock();
}

static void try_forbidden(struct driven_slot *slot)
{
	switch (slot->forbidden) {
	case 1:
		must(ioe_engine_drain(engine) == -EDEADLK, "drain in a callback");
		break;
	case 2:
		must(ioe_engine_close(engine, IOE_CLOSE_DRAIN) == -EDEADLK, "close in a callback");
		break;
	case 3:
		must(ioe_engine_run(engine, 1, -1) == (is_none ? -EDEADLK : -EINVAL),
		     "run in a callback");
		break;
	default:
		break;
	}
}

void driven_callback(struct ioe_event *event)
{
	struct driven_slot *slot = event->arg;
	uint32_t number = 0;
	int64_t n_room = 0;

	must(!in_callback, "a callback in a callback");
	must(!is_none || is_driving, "a callback before its time");
	in_callback = true;
	try_forbidden(slot);
	oracle_lock();
	end(slot);
	n_room = room();
	if (slot->again_left > 0 && begin(slot, ++n_calls, 0)) {
		slot->again_left--;
		number = slot->tag.number;
	}
	oracle_unlock();
	if (number != 0)
		submit_again(slot, number, n_room);
	in_callback = false;
}

/* ---- Submit ---- */

/* Whether all that one call will accept is taken up together. */
static uint32_t group_of(uint32_t n, enum driven_how how)
{
	if (n < 2 && !is_none)
		return 0;
	if (is_none) {
		/* As an owner it drives instead of waiting for room. */
		if ((how == DRIVEN_SUBMIT || how == DRIVEN_BATCH) && has_owner &&
		    room() < (int64_t)n) {
			epoch++;
			return 0;
		}
		return epoch;
	}
	if (how == DRIVEN_BATCH && (n > config.channel_capacity || n_placed != oracle_n_begun()))
		return 0;
	return ++epoch;
}

static void check_submitted(int ret, uint32_t n, bool has_bad, enum driven_how how, int64_t n_room)
{
	const bool tries = how == DRIVEN_TRY || how == DRIVEN_TRY_BATCH;

	if (n == 0)
		must(ret == (has_bad ? -EINVAL : 0), "submit of nothing: %d", ret);
	else if (!tries)
		must(ret == (int)n, "submit of %u: %d", n, ret);
	else if (is_none)
		must(ret == (n_room <= 0 ? -EAGAIN :
			     n_room < n  ? (int)n_room :
					   (int)n),
		     "try to submit %u where there is room for %lld: %d", n, (long long)n_room,
		     ret);
	else
		must(ret == -EAGAIN || (ret > 0 && ret <= (int)n), "try to submit %u: %d", n, ret);
}

/* Of the slots, as many as there are numbers for; with one behind them that is malformed. */
void driven_submit(struct driven_slot *const *some, uint32_t n, enum driven_how how, bool has_bad)
{
	struct ioe_event bad;
	struct ioe_event *events[DRIVEN_BATCH_MAX + 1];
	uint32_t numbers[DRIVEN_BATCH_MAX];
	uint32_t n_begun = 0;
	uint32_t group;
	int64_t n_room;
	int ret;

	oracle_lock();
	n_calls++;
	group = group_of(n, how);
	n_room = room();
	for (; n_begun < n && begin(some[n_begun], n_calls, group); n_begun++) {
		events[n_begun] = &some[n_begun]->event;
		numbers[n_begun] = some[n_begun]->tag.number;
	}
	oracle_unlock();
	ioe_prep_write(&bad, fds[DRIVEN_FIRST], &bad, 0, 0);
	events[n_begun] = &bad;
	if (n_begun == 0 && !has_bad)
		return;
	ret = call_submit(events, n_begun + has_bad, how);
	oracle_lock();
	for (uint32_t i = 0; i < n_begun; i++)
		if ((int)i < ret)
			was_accepted(numbers[i], false);
		else
			was_refused(some[i], numbers[i]);
	if (group == 0)
		epoch++;
	oracle_unlock();
	check_submitted(ret, n_begun, has_bad, how, n_room);
}

void driven_submit_busy(uint32_t index)
{
	struct driven_slot *slot = &slots[index % DRIVEN_SLOTS];

	if (!is_none || !slot->is_open || ioe_event_is_done(&slot->event))
		return;
	must(ioe_submit(engine, &slot->event) == -EBUSY, "submitted, and it is in the engine");
	must(ioe_try_submit(engine, &slot->event) == -EBUSY, "submitted, and it is in the engine");
}

/* ---- Drive ---- */

static struct ioe_stats stats_of_engine(void)
{
	struct ioe_stats stats = { .size = sizeof(stats) };

	must(ioe_engine_stats(engine, &stats) == 0, "no stats");
	return stats;
}

static void begin_drive(void)
{
	is_driving = true;
	has_owner = true;
	epoch++;
}

/* Returns how many events have finished since open. */
static uint64_t end_drive(void)
{
	is_driving = false;
	epoch++;
	told_max = stats_of_engine().events_finished - stats_at_first.events_finished;
	return told_max;
}

void driven_run(uint32_t n_min, int64_t timeout_ns)
{
	uint64_t told_before;
	uint64_t n;
	int ret;

	if (!is_none) {
		must(ioe_engine_run(engine, n_min, 0) == -EINVAL, "run, and it is not NONE");
		return;
	}
	/* Callbacks may add to what there is; nothing takes away from it. */
	if (timeout_ns < 0 && n_min > n_accepted - told_max)
		n_min = (uint32_t)(n_accepted - told_max);
	told_before = told_max;
	begin_drive();
	ret = ioe_engine_run(engine, n_min, timeout_ns);
	n = end_drive();
	must(ret >= 0 && (uint64_t)ret >= n - told_before && (uint64_t)ret <= n - told_min,
	     "run says %d, and %llu to %llu have finished", ret,
	     (unsigned long long)(n - told_before), (unsigned long long)(n - told_min));
	must(timeout_ns >= 0 || (uint32_t)ret >= n_min, "run ended with %d of %u", ret, n_min);
	told_min = n;
}

/* Those without callback that are done, waited for or not. */
static void collect(bool wait)
{
	for (uint32_t i = 0; i < DRIVEN_SLOTS; i++) {
		struct driven_slot *slot = &slots[i];
		struct ioe_event *event = &slot->event;

		if (event->callback != NULL || !slot->is_open || !ioe_event_is_done(event))
			continue;
		if (wait)
			must(ioe_wait(NULL, event) == event->result, "wait says something else");
		oracle_lock();
		end(slot);
		oracle_unlock();
	}
}

void driven_wait(uint32_t index, int64_t timeout_ns)
{
	struct driven_slot *slot = &slots[index % DRIVEN_SLOTS];
	struct ioe_event *event = &slot->event;
	int64_t ret;

	for (uint32_t i = 0; i < DRIVEN_SLOTS && (event->callback != NULL || !slot->is_open); i++) {
		slot = &slots[(index + i) % DRIVEN_SLOTS];
		event = &slot->event;
	}
	if (event->callback != NULL || !slot->is_open)
		return;
	begin_drive();
	ret = timeout_ns < 0 ? ioe_wait(engine, event) : ioe_wait_for(engine, event, timeout_ns);
	(void)end_drive();
	if (ret == -ETIMEDOUT) {
		must(timeout_ns >= 0, "waited without limit, and it is over");
		must(!is_none || !ioe_event_is_done(event), "not done in time, and it is done");
		return;
	}
	must(ioe_event_is_done(event) && ret == event->result, "wait says %lld", (long long)ret);
	must(ioe_wait(engine, event) == -EINVAL, "waited for twice");
	oracle_lock();
	end(slot);
	oracle_unlock();
}

static void check_drained(void)
{
	oracle_lock();
	for (uint32_t i = 0; i < DRIVEN_SLOTS; i++)
		must(!slots[i].is_open || (slots[i].event.callback == NULL &&
					   ioe_event_is_done(&slots[i].event)),
		     "op %u is not over, and the engine is drained", slots[i].tag.number);
	oracle_unlock();
}

bool driven_drain(int64_t timeout_ns)
{
	int ret;

	begin_drive();
	ret = timeout_ns < 0 ? ioe_engine_drain(engine) : ioe_engine_drain_for(engine, timeout_ns);
	(void)end_drive();
	must(ret == 0 || (ret == -ETIMEDOUT && timeout_ns >= 0), "drain: %d", ret);
	if (ret < 0) {
		must(!is_none ||
			     stats_of_engine().events_finished - stats_at_first.events_finished <
				     n_accepted,
		     "not drained, and nothing is left");
		return false;
	}
	check_drained();
	return true;
}

void driven_check_stats(void)
{
	struct ioe_stats stats;
	uint64_t *now = (uint64_t *)(void *)&stats;
	const uint64_t *first = (const uint64_t *)(const void *)&stats_at_first;

	(void)driven_drain(-1);
	collect(n_accepted % 2 == 0);
	stats = stats_of_engine();
	for (size_t i = offsetof(struct ioe_stats, events_by_op) / sizeof(*now);
	     i < offsetof(struct ioe_stats, in_flight) / sizeof(*now); i++)
		now[i] -= first[i];
	oracle_lock();
	oracle_check_stats(&stats, n_accepted);
	oracle_unlock();
}

struct driven_slot *driven_free_slot(void)
{
	collect(false);
	for (uint32_t i = 0; i < DRIVEN_SLOTS; i++) {
		bool is_free;

		oracle_lock();
		is_free = !slots[i].is_open && !slots[i].is_taken;
		oracle_unlock();
		if (is_free)
			return &slots[i];
	}
	return NULL;
}

void driven_make_room(void)
{
	(void)driven_drain(-1);
	collect(true);
	for (uint32_t i = 0; i < DRIVEN_SLOTS; i++)
		must(!slots[i].is_taken, "memory of an event that is prepared");
	arena_clear();
}

/* ---- Open and close ---- */

int driven_fd(uint32_t which)
{
	return fds[which];
}

static bool open_engine(const struct oracle_limits *limits)
{
	int ret;

	engine = keeps[kept_as];
	has_owner = engine != NULL;
	if (engine != NULL)
		return true;
	oracle_open(limits);
	ret = ioe_engine_open(&config, &engine);
	if (ret == -ENOSYS || ret == -EPERM || ret == -EACCES)
		return false;
	must(ret == 0, "open: %s", strerror(-ret));
	if (kept_as > 0)
		keeps[kept_as] = engine;
	return true;
}

bool driven_open(const struct ioe_config *wanted, uint32_t turn, uint32_t refusal, uint32_t keep_as)
{
	const bool merges = (wanted->flags & IOE_ENGINE_NO_MERGE) == 0 &&
			    wanted->merge_max_bytes != IOE_CONFIG_OFF;
	struct oracle_limits limits = {
		.depth = wanted->depth_max,
		.merge_bytes = merges ? wanted->merge_max_bytes : 0,
		.merge_events = wanted->merge_max_events,
		.turn = turn,
		.refusal = refusal,
		.has_busy = wanted->backend == IOE_BACKEND_URING,
		.is_used = keeps[keep_as] != NULL,
	};

	config = *wanted;
	kept_as = keep_as;
	is_none = config.threading == IOE_THREADING_NONE;
	is_closing = false;
	if (!open_engine(&limits))
		return false;
	stats_at_first = stats_of_engine();
	n_accepted = n_placed = told_min = told_max = 0;
	limits.depth = stats_at_first.depth; /* on threads, that of the helpers */
	oracle_lock();                       /* a driver that has started looks for work */
	oracle_open(&limits);
	oracle_unlock();
	return true;
}

void driven_close(uint32_t how)
{
	must(ioe_engine_close(engine, 2) == -EINVAL, "closed, nobody knows how");
	if (kept_as > 0) {
		(void)driven_drain(-1);
		if (is_none)
			driven_run(0, 0);
		collect(true);
		return;
	}
	oracle_lock();
	is_closing = true;
	if (how == IOE_CLOSE_CANCEL)
		oracle_cancel();
	oracle_unlock();
	is_driving = true;
	must(ioe_engine_close(engine, how) == 0, "not closed");
	is_driving = false;
	epoch++;
	check_drained();
	collect(how == IOE_CLOSE_DRAIN);
}

void driven_begin(const uint32_t sizes[BYTES_FILES])
{
	bytes_begin(sizes);
	for (uint32_t file = 0; file < BYTES_FILES; file++)
		bytes_make_file(file, fds[file == 0 ? DRIVEN_FIRST : DRIVEN_SECOND]);
	memset(slots, 0, sizeof(slots));
	arena_clear();
	n_calls = 0;
	epoch = 1;
}

void driven_end(void)
{
	for (uint32_t file = 0; file < BYTES_FILES; file++)
		bytes_check_file(file, fds[file == 0 ? DRIVEN_FIRST : DRIVEN_SECOND]);
}

#else

void driven_init(void)
{
	oracle_watch();
}

#endif
