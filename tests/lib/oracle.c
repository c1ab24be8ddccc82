/* SPDX-License-Identifier: MIT
 * oracle.c - see oracle.h. */
#include "tests/lib/oracle.h"
#include "engine/driver.h"
#include "tests/lib/bytes.h"
#include "tests/lib/fail.h"

#include <pthread.h>

#ifdef IOE_TEST_SEAM

enum { SLOTS_MAX = 256, EVENTS_MAX = 256 };

/* What is known of an event beside its operation. */
struct fate {
	uint8_t op;
	uint32_t flags;
	bool fd_is_good;
	bool is_staged;
	bool has_begun;
	bool is_alone;   /* a request that it shared has failed */
	bool is_shorted; /* it was told of the end of a file that is elsewhere */
	uint8_t n_nothing;
	uint8_t fault;
	uint8_t fault_left;
};

struct slot {
	uint32_t n_events;
	uint32_t generation;
	uint64_t length;
	uint32_t numbers[EVENTS_MAX];
};

/* What stats should say. */
struct counts {
	uint64_t by_op[IOE_OP_END];
	uint64_t ended;
	uint64_t errors;
	uint64_t bytes_read;
	uint64_t bytes_written;
	uint64_t requests;
	uint64_t merged_requests;
	uint64_t merged_events;
	uint64_t split;
	uint64_t retried;
	uint64_t gone_on; /* after a short transfer, with bytes of their own ... */
	uint64_t passed;  /* ... and without: another event of the request had them all */
	uint64_t stale;
	uint64_t begun;
	uint32_t in_flight;
	uint32_t in_flight_max;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct fate fates[BYTES_OPS_MAX];
static struct slot slots[SLOTS_MAX];
static struct oracle_limits limits;
static struct counts counts;
static bool may_cancel;
static uint32_t first_open; /* all operations with a lower number are over */
static struct ioe__completion kept;
static bool has_kept;
static struct held {
	struct ioe__completion completion;
	uint32_t n_reaps; /* to come */
} helds[SLOTS_MAX];
static uint32_t n_held;
static uint32_t n_submits;

void oracle_lock(void)
{
	pthread_mutex_lock(&mutex);
}

void oracle_unlock(void)
{
	pthread_mutex_unlock(&mutex);
}

static bool is_read(const struct fate *fate)
{
	return fate->op == IOE_OP_READ || fate->op == IOE_OP_READV;
}

static bool is_write(const struct fate *fate)
{
	return fate->op == IOE_OP_WRITE || fate->op == IOE_OP_WRITEV;
}

/* ---- A request ---- */

static void check_order(uint32_t number)
{
	const struct bytes_op *op = bytes_op(number);

	while (first_open <= bytes_n_ops() && bytes_op(first_open)->is_over)
		first_open++;
	for (uint32_t i = first_open; i <= bytes_n_ops(); i++) {
		const struct bytes_op *other = bytes_op(i);

		must(i == number || other->is_over || !bytes_ordered(other, op),
		     "op %u [%llu, +%llu) of fd %d starts, and %u [%llu, +%llu)%s is not over",
		     number, (unsigned long long)op->offset, (unsigned long long)op->length, op->fd,
		     i, (unsigned long long)other->offset, (unsigned long long)other->length,
		     op->is_barrier ? " before the barrier" : "");
	}
}

/* An event that shares a request with the one before it, if there is one. */
static void check_share(uint32_t number, uint32_t before)
{
	const struct fate *fate = &fates[number];
	const struct bytes_op *op = bytes_op(number);

	must((fate->flags & (IOE_EVENT_NO_MERGE | IOE_EVENT_NO_RESUME | IOE_EVENT_BARRIER)) == 0 &&
		     (is_read(fate) || is_write(fate)),
	     "op %u must be alone by its flags", number);
	must(!fate->is_alone, "op %u shares a request after one that failed", number);
	if (before == 0)
		return;
	must(op->progress == 0, "op %u joins another, with %llu bytes done", number,
	     (unsigned long long)op->progress);
	must(op->fd == bytes_op(before)->fd && is_read(fate) == is_read(&fates[before]) &&
		     op->offset == bytes_op(before)->offset + bytes_op(before)->length,
	     "op %u is not the next of %u", number, before);
}

static void check_request(const struct ioe__request *request, const struct slot *slot)
{
	const uint32_t n = slot->n_events;
	const struct bytes_op *first = bytes_op(slot->numbers[0]);
	const struct bytes_op *last = bytes_op(slot->numbers[n - 1]);
	const uint64_t at = first->offset + first->progress;
	const uint64_t left = last->offset + last->length - at;
	const bool is_vector = fates[slot->numbers[n - 1]].op == IOE_OP_READV ||
			       fates[slot->numbers[n - 1]].op == IOE_OP_WRITEV;
	uint64_t sum = 0;

	if (n > 1)
		must(limits.merge_bytes >= left && limits.merge_events >= n,
		     "%u events, %llu bytes in a request", n, (unsigned long long)left);
	if (request->op != IOE_OP_READ && request->op != IOE_OP_WRITE)
		return;
	must(request->offset == at, "a request at %llu, not %llu",
	     (unsigned long long)request->offset, (unsigned long long)at);
	/* Of a vector, only the rest of an element may be asked for. */
	must(request->length == left ||
		     (is_vector && request->length > 0 && request->length < left),
	     "a request of %llu bytes, not %llu", (unsigned long long)request->length,
	     (unsigned long long)left);
	for (uint32_t i = 0; i < request->n_iov; i++)
		sum += request->iov[i].iov_len;
	must(request->n_iov == 0 || sum == request->length, "iovecs of %llu bytes for %llu",
	     (unsigned long long)sum, (unsigned long long)request->length);
}

enum when { AT_STAGE, AT_REAP, AT_END };

static enum when when_of(uint8_t fault)
{
	return fault == ORACLE_CUT ? AT_STAGE : fault == ORACLE_LATE ? AT_REAP : AT_END;
}

/* The first event that has a fault of that time left, and it has one less; 0: none has. */
static uint32_t take_fault(const struct slot *slot, enum when when)
{
	for (uint32_t i = 0; i < slot->n_events; i++) {
		struct fate *fate = &fates[slot->numbers[i]];

		if (fate->fault_left == 0 || when_of(fate->fault) != when)
			continue;
		fate->fault_left--;
		return slot->numbers[i];
	}
	return 0;
}

static void on_stage(struct ioe__driver *driver, struct ioe__request *request)
{
	struct slot *slot = &slots[request->slot];
	const struct ioe_event *event = request->events;

	(void)driver;
	oracle_lock();
	must(request->slot < limits.depth && slot->n_events == 0, "slot %u is in use",
	     request->slot);
	must(request->n_events > 0 && request->n_events <= EVENTS_MAX, "%u events",
	     request->n_events);
	slot->n_events = request->n_events;
	slot->generation = request->generation;
	for (uint32_t i = 0; i < slot->n_events; i++) {
		const struct oracle_tag *tag = event->arg;
		const uint32_t number = tag->number;
		struct fate *fate = &fates[number];

		must(!fate->is_staged && !bytes_op(number)->is_over, "op %u is staged again",
		     number);
		slot->numbers[i] = number;
		check_order(number);
		if (slot->n_events > 1)
			check_share(number, i > 0 ? slot->numbers[i - 1] : 0);
		fate->is_staged = true;
		counts.begun += !fate->has_begun && !tag->is_own;
		fate->has_begun = true;
		event = ioe__event_next(event);
	}
	check_request(request, slot);
	counts.requests++;
	counts.merged_requests += slot->n_events > 1;
	counts.merged_events += slot->n_events > 1 ? slot->n_events : 0;
	if (++counts.in_flight > counts.in_flight_max)
		counts.in_flight_max = counts.in_flight;
	must(counts.in_flight <= limits.depth, "%u requests in flight", counts.in_flight);
	if ((request->op == IOE_OP_READ || request->op == IOE_OP_WRITE) && request->n_iov == 0 &&
	    request->length > 1) {
		const uint32_t guilty = take_fault(slot, AT_STAGE);

		if (guilty != 0)
			request->length = 1 + guilty * UINT64_C(37) % (request->length - 1);
	}
	slot->length = request->length;
	oracle_unlock();
}

/* ---- A completion ---- */

static void over(uint32_t number, int64_t result)
{
	struct bytes_op *op = bytes_op(number);

	op->is_over = true;
	op->result = result;
	if (result > 0)
		op->progress = (uint64_t)result;
}

/* What kernels really say of requests like these, where nothing goes wrong. */
static void check_real(const struct slot *slot, int64_t result)
{
	const struct fate *fate = &fates[slot->numbers[0]];

	must(result <= (int64_t)slot->length, "%lld bytes moved of %llu", (long long)result,
	     (unsigned long long)slot->length);
	must(result >= 0 || result == -EINTR || result == -EAGAIN ||
		     (result == -ECANCELED && may_cancel) ||
		     (result == -EBADF && !fate->fd_is_good),
	     "op %u: the kernel says %lld", slot->numbers[0], (long long)result);
}

/* What the engine is told instead; twice, stale: and what else. */
static int64_t spoil(const struct slot *slot, int64_t result, bool *ret_twice, bool *ret_stale)
{
	const struct fate *first = &fates[slot->numbers[0]];
	const uint32_t guilty = take_fault(slot, AT_END);
	const bool moves = is_read(first) || is_write(first);

	switch (guilty != 0 ? fates[guilty].fault : ORACLE_NONE) {
	case ORACLE_SHORT:
		return moves && result > 1 ? 1 + (int64_t)guilty * 53 % (result - 1) : result;
	case ORACLE_ONE:
		return moves && result > 1 ? 1 : result;
	case ORACLE_NOTHING:
		return moves && result > 0 ? 0 : result;
	case ORACLE_INTERRUPTED:
		return -EINTR;
	case ORACLE_AGAIN:
		/* Of an fd that is none, this would be the caller's. */
		return first->fd_is_good ? -EAGAIN : result;
	case ORACLE_BROKEN:
		return -EIO;
	case ORACLE_PART:
		if (moves && result > 1 && bytes_op(guilty)->progress == 0)
			return 1 + (int64_t)guilty * 41 % (result - 1);
		return -EIO;
	case ORACLE_FULL:
		return -ENOSPC;
	case ORACLE_TWICE:
		*ret_twice = true;
		return result;
	case ORACLE_STALE:
		*ret_stale = true;
		return result;
	default:
		return result;
	}
}

static void all_alone(const struct slot *slot)
{
	counts.split++;
	for (uint32_t i = 0; i < slot->n_events; i++)
		fates[slot->numbers[i]].is_alone = true;
}

/* Law 3, law 4: what an error is to the events of a request. */
static void fail(const struct slot *slot, int64_t error)
{
	const struct fate *fate = &fates[slot->numbers[0]];
	const bool is_sync = fate->op == IOE_OP_FSYNC || fate->op == IOE_OP_FDATASYNC;

	if (error == -EINTR || (error == -EAGAIN && slot->n_events == 1 && !is_sync)) {
		counts.retried += slot->n_events;
		return;
	}
	if (slot->n_events > 1)
		all_alone(slot);
	else
		over(slot->numbers[0], error);
}

static void move_none(const struct slot *slot)
{
	struct fate *fate = &fates[slot->numbers[0]];

	if (slot->n_events > 1) {
		all_alone(slot);
	} else if (is_read(fate)) {
		over(slot->numbers[0], (int64_t)bytes_op(slot->numbers[0])->progress);
	} else if (fate->n_nothing++ == 0) {
		counts.retried++;
	} else {
		over(slot->numbers[0], -EIO);
	}
}

static void move(const struct slot *slot, uint64_t bytes)
{
	for (uint32_t i = 0; i < slot->n_events; i++) {
		struct bytes_op *op = bytes_op(slot->numbers[i]);
		const uint64_t rest = op->length - op->progress;
		const uint64_t part = bytes < rest ? bytes : rest;

		if (part > 0)
			fates[slot->numbers[i]].n_nothing = 0;
		op->progress += part;
		bytes -= part;
		if (part == rest) {
			over(slot->numbers[i], (int64_t)op->length);
		} else {
			counts.gone_on += part > 0;
			counts.passed += part == 0;
		}
	}
}

static void settle(const struct slot *slot, int64_t result)
{
	const struct fate *fate = &fates[slot->numbers[0]];

	if (result < 0)
		fail(slot, result);
	else if ((!is_read(fate) && !is_write(fate)) || (fate->flags & IOE_EVENT_NO_RESUME) != 0)
		over(slot->numbers[0], result);
	else if (result == 0)
		move_none(slot);
	else
		move(slot, (uint64_t)result);
}

static void complete(struct ioe__completion *completion, bool *ret_twice, bool *ret_stale)
{
	struct slot *slot = &slots[completion->slot];
	int64_t spoiled;

	must(completion->slot < limits.depth && slot->n_events > 0 &&
		     slot->generation == completion->generation,
	     "a completion of nothing, slot %u", completion->slot);
	check_real(slot, completion->result);
	spoiled = spoil(slot, completion->result, ret_twice, ret_stale);
	for (uint32_t i = 0; i < slot->n_events; i++) {
		fates[slot->numbers[i]].is_staged = false;
		if (spoiled != completion->result && spoiled == 0)
			fates[slot->numbers[i]].is_shorted = true;
	}
	completion->result = spoiled;
	settle(slot, spoiled);
	slot->n_events = 0;
	counts.in_flight--;
}

/* Completed now; where it comes twice, or another again, that goes to more[]. Returns how many. */
static uint32_t complete_with(struct ioe__completion *completion, struct ioe__completion *more)
{
	bool twice = false;
	bool stale = false;
	uint32_t n = 0;

	complete(completion, &twice, &stale);
	if (twice || (stale && has_kept)) {
		more[n++] = twice ? *completion : kept;
		counts.stale++;
	}
	if (!has_kept || twice)
		kept = *completion;
	has_kept = true;
	return n;
}

/* True: it is kept for some rounds. */
static bool hold(const struct ioe__completion *completion)
{
	const uint32_t guilty = take_fault(&slots[completion->slot], AT_REAP);

	if (guilty == 0)
		return false;
	helds[n_held++] = (struct held){ *completion, 1 + guilty % 3 };
	return true;
}

static void turn(struct ioe__completion *completions, uint32_t n)
{
	for (uint32_t i = 1; i < n && limits.turn > 0; i++) {
		const uint32_t other = i * limits.turn % (i + 1);
		const struct ioe__completion swapped = completions[i];

		completions[i] = completions[other];
		completions[other] = swapped;
	}
}

static uint32_t on_reap(struct ioe__driver *driver, struct ioe__completion *completions, uint32_t n,
			uint32_t room)
{
	const uint32_t n_reaped = n;
	uint32_t n_more = 0;
	uint32_t n_left = 0;
	struct ioe__completion more[IOE__REAP_MAX];

	oracle_lock();
	n = 0;
	for (uint32_t i = 0; i < n_reaped; i++)
		if (!hold(&completions[i]))
			completions[n++] = completions[i];
	for (uint32_t i = 0; i < n_held; i++)
		if (helds[i].n_reaps-- == 0 && n < IOE__REAP_MAX)
			completions[n++] = helds[i].completion;
		else
			helds[n_left++] = helds[i];
	n_held = n_left;
	turn(completions, n);
	for (uint32_t i = 0; i < n; i++)
		n_more += complete_with(&completions[i], &more[n_more]);
	must(n + n_more <= room, "no room for %u completions", n + n_more);
	memcpy(completions + n, more, n_more * sizeof(more[0]));
	if (n_held > 0)
		driver->ops->wake(driver->backend);
	oracle_unlock();
	return n + n_more;
}

static int on_submit(const struct ioe__backend *backend, uint32_t n)
{
	/* io_submit() never says -EBUSY. */
	static const int answers[] = { -EAGAIN, -EINTR, -EBUSY };
	int ret = (int)n;

	(void)backend;
	oracle_lock();
	if (n > 0 && limits.refusal == 1 && n_submits % 2 == 1)
		ret = (int)(n / 2 + n % 2);
	else if (n > 0 && limits.refusal > 1 && n_submits % 2 == 1)
		ret = answers[n_submits / 2 % (limits.has_busy ? 3 : 2)];
	n_submits++;
	oracle_unlock();
	return ret;
}

/* ---- The caller's side ---- */

void oracle_watch(void)
{
	ioe__seam.on_stage = on_stage;
	ioe__seam.on_submit = on_submit;
	ioe__seam.on_reap = on_reap;
}

void oracle_open(const struct oracle_limits *new_limits)
{
	must(new_limits->depth <= SLOTS_MAX && new_limits->merge_events <= EVENTS_MAX, "limits");
	limits = *new_limits;
	counts = (struct counts){ 0 };
	memset(slots, 0, sizeof(slots));
	may_cancel = false;
	must(n_held == 0, "completions are held back for an engine that is closed");
	n_submits = 0;
	has_kept = false; /* its generation would be right in a new engine */
	first_open = 1;
}

void oracle_cancel(void)
{
	may_cancel = true;
}

void oracle_expect(uint32_t number, const struct ioe_event *event, bool fd_is_good, uint32_t fault,
		   uint32_t fault_times)
{
	fates[number] = (struct fate){
		.op = event->op,
		.flags = event->flags,
		.fd_is_good = fd_is_good,
		.fault = (uint8_t)fault,
		.fault_left = (uint8_t)(fault == ORACLE_NONE ? 0 : fault_times),
	};
}

bool oracle_end(uint32_t number, const struct ioe_event *event)
{
	struct bytes_op *op = bytes_op(number);
	struct fate *fate = &fates[number];

	bytes_ended(number);
	must(!fate->is_staged, "op %u has ended, and the kernel has it", number);
	if (!op->is_over) {
		must(may_cancel && event->result == -ECANCELED,
		     "op %u ended with %lld (%llu done), and is not over", number,
		     (long long)event->result, (unsigned long long)event->done);
		over(number, -ECANCELED);
	}
	must(event->result == op->result && event->done == op->progress,
	     "op %u: %lld and %llu done, not %lld and %llu", number, (long long)event->result,
	     (unsigned long long)event->done, (long long)op->result,
	     (unsigned long long)op->progress);
	counts.begun += !fate->has_begun && !((const struct oracle_tag *)event->arg)->is_own;
	fate->has_begun = true;
	counts.ended++;
	counts.by_op[fate->op]++;
	counts.errors += op->result < 0;
	if (is_read(fate))
		counts.bytes_read += op->progress;
	else if (is_write(fate))
		counts.bytes_written += op->progress;
	return op->result >= 0 && (fate->flags & IOE_EVENT_NO_RESUME) == 0 && !fate->is_shorted;
}

uint32_t oracle_n_begun(void)
{
	return (uint32_t)counts.begun;
}

static void check_count(const char *what, uint64_t is, uint64_t low, uint64_t high)
{
	must(is >= low && is <= high, "stats: %s %llu, not %llu to %llu", what,
	     (unsigned long long)is, (unsigned long long)low, (unsigned long long)high);
}

void oracle_check_stats(const struct ioe_stats *stats, uint64_t n_accepted)
{
#define SAME(name, value) check_count(#name, stats->name, value, value)
	for (uint32_t op = 0; op < IOE_OP_END; op++)
		SAME(events_by_op[op], counts.by_op[op]);
	SAME(events_accepted, n_accepted);
	SAME(events_finished, counts.ended);
	SAME(errors, counts.errors);
	SAME(bytes_read, counts.bytes_read);
	SAME(bytes_written, counts.bytes_written);
	SAME(requests, counts.requests);
	SAME(merged_requests, counts.merged_requests);
	SAME(merged_events, counts.merged_events);
	SAME(split, counts.split);
	SAME(retried, counts.retried);
	SAME(stale_completions, counts.stale);
	SAME(in_flight, 0);
	check_count("in_flight_max", stats->in_flight_max, counts.in_flight_max,
		    limits.is_used ? limits.depth : counts.in_flight_max);
	SAME(cq_overflows, 0);
	SAME(depth, limits.depth);
	check_count("resumed", stats->resumed, counts.gone_on, counts.gone_on + counts.passed);
	check_count("helped", stats->helped, 0, counts.requests);
#undef SAME
}

#else

void oracle_watch(void)
{
	support_skip("the library was built without IOE_TEST_SEAM");
}

#endif
