/* SPDX-License-Identifier: MIT
 * fuzz_event.c - fuzz target: events of any content, by every ioe_prep_*() and by hand, with iovec
 *                arrays of any entries, submitted in each way. The answer is judged by what ioe.h
 *                says, written down here once more; what is refused is as it was, what is
 *                accepted ends once.
 *
 * The input: backend, way of submitting, prep function and its arguments; then for each change a
 * field and a value. An event that turns out to be right is made harmless before it is submitted:
 * where its buffer is not one, it goes to a file that no byte is taken from or given to.
 *
 * Where several things are wrong, any of them may be named: ioe.h knows no order of checks.
 *
 * Invariants: an iovec array has as many entries as n_iov says, 1024 at the most.
 * Threads:    main drives (IOE_THREADING_NONE); helpers of the engines.
 * Ownership:  one engine for each backend, never closed; an event is over before the next input. */
#include "engine/event.h"
#include "tests/lib/fail.h"
#include "tests/lib/input.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BUFFER_BYTES = 65536, FILE_BYTES = 4096, IOV_ENTRIES_MAX = 1024 };

/* What can be wrong, as bits. */
enum { IS_INVALID = 1, IS_NOT_SUPPORTED = 2 };

/* Each open to one side only, so that the other side touches no memory. */
enum { FILLED_TO_READ, EMPTY_TO_READ, TO_WRITE, FILES };

static int files[FILES];
static struct ioe_engine *engines[3];
static uint8_t buffer[BUFFER_BYTES];
static uint32_t n_calls;

static void count_call(struct ioe_event *event)
{
	(void)event;
	n_calls++;
}

static int new_file(const char *name, uint64_t size, int flags)
{
	char path[64];
	const int fd = (int)must_sys(memfd_create(name, MFD_CLOEXEC));
	int again;

	must_sys(ftruncate(fd, (off_t)size));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = (int)must_sys(open(path, flags | O_CLOEXEC));
	close(fd);
	return again;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	support_aborts = true;
	files[FILLED_TO_READ] = new_file("filled", FILE_BYTES, O_RDONLY);
	files[EMPTY_TO_READ] = new_file("empty", 0, O_RDONLY);
	files[TO_WRITE] = new_file("written", 0, O_WRONLY);
	return 0;
}

/* NULL: this backend is not available here. */
static struct ioe_engine *engine_of(uint32_t i)
{
	const struct ioe_config config = {
		.size = sizeof(config),
		.backend = IOE_BACKEND_URING + i,
		.threading = IOE_THREADING_NONE,
		.n_helpers = 1,
		.depth_max = 8,
		.channel_capacity = 8,
	};

	if (engines[i] == NULL && ioe_engine_open(&config, &engines[i]) < 0)
		return NULL;
	return engines[i];
}

/* ---- What ioe.h says ---- */

static bool is_vector(const struct ioe_event *event)
{
	return event->op == IOE_OP_READV || event->op == IOE_OP_WRITEV;
}

static bool is_transfer(const struct ioe_event *event)
{
	return event->op >= IOE_OP_READ && event->op <= IOE_OP_WRITEV;
}

/* The sum of a vector's lengths; more than INT64_MAX if it is that, or an entry is wrong. */
static uint64_t sum_of(const struct ioe_event *event)
{
	const struct iovec *iov = event->buffer;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < event->n_iov; i++) {
		if ((iov[i].iov_base == NULL && iov[i].iov_len > 0) || iov[i].iov_len > INT64_MAX)
			return UINT64_MAX;
		sum += iov[i].iov_len; /* of two that fit 63 bits */
		if (sum > INT64_MAX)
			return UINT64_MAX;
	}
	return sum;
}

static uint64_t length_of(const struct ioe_event *event)
{
	if (!is_vector(event))
		return event->length;
	if (event->buffer == NULL || event->n_iov == 0 || event->n_iov > IOV_ENTRIES_MAX)
		return UINT64_MAX;
	return sum_of(event);
}

static bool is_malformed(const struct ioe_event *event)
{
	const uint64_t length = length_of(event);

	if (event->op == IOE_OP_NONE || event->op > IOE_OP_FALLOCATE || event->flags > 7 ||
	    event->reserved0 != 0)
		return true;
	if (!is_vector(event) && event->n_iov != 0)
		return true;
	if (event->op == IOE_OP_NOP)
		return (event->flags & IOE_EVENT_BARRIER) != 0;
	if (event->fd < 0)
		return true;
	if (event->op == IOE_OP_FSYNC || event->op == IOE_OP_FDATASYNC)
		return false;
	if (is_transfer(event) && event->buffer == NULL)
		return true;
	if (length == 0 || length > INT64_MAX)
		return true;
	/* The stream's offset is none, but of what knows no streams. */
	if (is_transfer(event) && event->offset == IOE_OFFSET_STREAM)
		return false;
	return event->offset > INT64_MAX || event->offset + length > INT64_MAX;
}

static unsigned wrong_with(const struct ioe_event *event)
{
	unsigned wrong = is_malformed(event) ? IS_INVALID : 0;

	if (event->lane != 0 || event->ioprio != 0 || event->rw_flags != 0 ||
	    event->timeout_ns != 0 || event->addr2 != 0 || event->fd2 != 0 ||
	    (event->op != IOE_OP_FALLOCATE && event->op_flags != 0) ||
	    (event->offset == IOE_OFFSET_STREAM && event->op != IOE_OP_NOP &&
	     event->op != IOE_OP_FSYNC && event->op != IOE_OP_FDATASYNC))
		wrong |= IS_NOT_SUPPORTED;
	return wrong;
}

static bool is_named(unsigned wrong, int answer)
{
	return (answer == -EINVAL && (wrong & IS_INVALID) != 0) ||
	       (answer == -EOPNOTSUPP && (wrong & IS_NOT_SUPPORTED) != 0);
}

/* ---- The input ---- */

static const struct {
	uint16_t offset;
	uint16_t size;
} fields[] = {
#define FIELD(name)                                                                     \
	{                                                                               \
		offsetof(struct ioe_event, name), sizeof(((struct ioe_event *)0)->name) \
	}
#define POINTER(name)                                            \
	{                                                        \
		offsetof(struct ioe_event, name), sizeof(void *) \
	}
	FIELD(arg),
	FIELD(buffer),
	FIELD(length),
	FIELD(offset),
	FIELD(fd),
	FIELD(flags),
	FIELD(op),
	FIELD(lane),
	FIELD(ioprio),
	FIELD(n_iov),
	FIELD(rw_flags),
	FIELD(op_flags),
	FIELD(result),
	FIELD(done),
	FIELD(timeout_ns),
	FIELD(addr2),
	FIELD(fd2),
	FIELD(reserved0),
	/* What an earlier life has left behind must not matter. */
	FIELD(ioe__node),
	POINTER(ioe__fd_prev),
	POINTER(ioe__fd_next),
	FIELD(ioe__batch),
	FIELD(ioe__record),
	FIELD(ioe__attempts),
	FIELD(ioe__stalls),
	FIELD(ioe__marks),
	FIELD(ioe__driven),
	POINTER(ioe__again_prev),
	POINTER(ioe__again_next),
	FIELD(ioe__due_ns),
	POINTER(ioe__waiters),
	POINTER(ioe__next_waiter),
#undef FIELD
#undef POINTER
};

#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

/* Any number; but one that could be a file is one of ours, or far above what is open. */
static int fd_of(struct input *input)
{
	const int fd = (int)(uint32_t)input_number(input);

	if (fd < 0)
		return fd;
	return fd < 16 ? files[fd % FILES] : fd | 1 << 24;
}

/* NULL, a place in our buffer, or nothing that is a pointer. */
static void *pointer_of(struct input *input)
{
	const uint64_t number = input_number(input);

	if (number == 0)
		return NULL;
	return number < 0x40 ? buffer + number : (void *)(uintptr_t)number;
}

static void prepare(struct input *input, struct ioe_event *event)
{
	const uint8_t op = input_byte(input) % IOE_OP_END;
	const int fd = fd_of(input);
	void *pointer = pointer_of(input);
	const uint64_t length = input_number(input);
	const uint64_t offset = input_number(input);
	const uint32_t n_iov = (uint32_t)length;
	const int mode = (int)(uint32_t)input_byte(input);
	struct ioe_event expected = { .op = op, .fd = op <= IOE_OP_NOP ? 0 : fd };

	memset(event, op <= IOE_OP_NONE ? 0 : 0xa5, sizeof(*event));
	if (op == IOE_OP_NOP)
		ioe_prep_nop(event);
	else if (op == IOE_OP_READ)
		ioe_prep_read(event, fd, pointer, length, offset);
	else if (op == IOE_OP_WRITE)
		ioe_prep_write(event, fd, pointer, length, offset);
	else if (op == IOE_OP_READV)
		ioe_prep_readv(event, fd, pointer, n_iov, offset);
	else if (op == IOE_OP_WRITEV)
		ioe_prep_writev(event, fd, pointer, n_iov, offset);
	else if (op == IOE_OP_FSYNC)
		ioe_prep_fsync(event, fd);
	else if (op == IOE_OP_FDATASYNC)
		ioe_prep_fdatasync(event, fd);
	else if (op == IOE_OP_FALLOCATE)
		ioe_prep_fallocate(event, fd, mode, offset, length);

	if (is_transfer(&expected))
		expected.buffer = pointer;
	if (is_vector(&expected))
		expected.n_iov = n_iov;
	else if (is_transfer(&expected) || op == IOE_OP_FALLOCATE)
		expected.length = length;
	if (is_transfer(&expected) || op == IOE_OP_FALLOCATE)
		expected.offset = offset;
	if (op == IOE_OP_FALLOCATE)
		expected.op_flags = (uint32_t)mode;
	must(memcmp(event, &expected, sizeof(expected)) == 0, "prep of op %u", op);
}

static void change(struct input *input, struct ioe_event *event)
{
	const uint8_t what = input_byte(input) % N_FIELDS;
	uint64_t value;

	if (fields[what].offset == offsetof(struct ioe_event, fd)) {
		event->fd = fd_of(input);
	} else if (fields[what].offset == offsetof(struct ioe_event, buffer)) {
		event->buffer = pointer_of(input);
	} else {
		value = input_number(input);
		memcpy((uint8_t *)event + fields[what].offset, &value,
		       fields[what].size < sizeof(value) ? fields[what].size : sizeof(value));
	}
}

/* Of just its size, so that asan knows its end. What is not a vector keeps its pointer. */
static struct iovec *give_vector(struct input *input, struct ioe_event *event)
{
	const uint32_t n = event->n_iov < IOV_ENTRIES_MAX ? event->n_iov : IOV_ENTRIES_MAX;
	struct iovec *iov;

	if (!is_vector(event) || event->buffer == NULL)
		return NULL;
	iov = malloc(n * sizeof(*iov) + 1);
	must(iov != NULL, "no memory");
	for (uint32_t i = 0; i < n; i++) {
		/* Most of a long one is what an input that has ended says: nothing. */
		iov[i].iov_base = pointer_of(input);
		iov[i].iov_len = input_number(input);
	}
	event->buffer = iov;
	return iov;
}

/* ---- Made harmless ---- */

static bool is_ours(const void *base, uint64_t length)
{
	const uintptr_t at = (uintptr_t)base;

	return at >= (uintptr_t)buffer && at - (uintptr_t)buffer <= BUFFER_BYTES &&
	       length <= BUFFER_BYTES - (at - (uintptr_t)buffer);
}

static bool memory_is_real(const struct ioe_event *event)
{
	const struct iovec *iov = event->buffer;

	if (!is_vector(event))
		return is_ours(event->buffer, event->length);
	for (uint32_t i = 0; i < event->n_iov; i++)
		if ((iov[i].iov_base != NULL || iov[i].iov_len > 0) &&
		    !is_ours(iov[i].iov_base, iov[i].iov_len))
			return false;
	return true;
}

/* An event that will be accepted: no memory is touched that is not ours, no room is taken. */
static void make_harmless(struct ioe_event *event)
{
	const bool is_read = event->op == IOE_OP_READ || event->op == IOE_OP_READV;
	bool is_harmless = true;

	if (event->op == IOE_OP_FALLOCATE)
		is_harmless = false;
	else if (is_transfer(event) && is_read && event->fd == files[FILLED_TO_READ])
		is_harmless = memory_is_real(event);
	else if (is_transfer(event) && !is_read && event->fd == files[TO_WRITE])
		is_harmless = memory_is_real(event) && event->offset <= BUFFER_BYTES;
	if (!is_harmless && event->fd < 1 << 24)
		event->fd = files[EMPTY_TO_READ];
}

/* ---- The answer ---- */

static bool same_public_part(const struct ioe_event *a, const struct ioe_event *b)
{
	const size_t cold = offsetof(struct ioe_event, timeout_ns);

	return memcmp(a, b, offsetof(struct ioe_event, ioe__node)) == 0 &&
	       memcmp((const uint8_t *)a + cold, (const uint8_t *)b + cold,
		      offsetof(struct ioe_event, ioe__again_prev) - cold) == 0;
}

/* How much of a range the filled file has. */
static uint64_t there(uint64_t offset, uint64_t length)
{
	if (offset >= FILE_BYTES)
		return 0;
	return length < FILE_BYTES - offset ? length : FILE_BYTES - offset;
}

static void check_end(const struct ioe_event *event, const struct ioe_event *before)
{
	struct ioe_event as_before = *event;
	const uint64_t length = is_transfer(event) ? event->length : 0;

	must(event->length == (is_vector(before) ? sum_of(before) : before->length), "length");
	must(event->result < 0 || event->done == (uint64_t)event->result, "done is not result");
	must(event->done <= length, "more than length");
	if (event->op == IOE_OP_NOP)
		must(event->result == 0, "nop: %lld", (long long)event->result);
	else if (event->fd >= 1 << 24)
		/* The kernel may look at addresses first. */
		must(event->result == -EBADF || (event->result < 0 && !memory_is_real(event)),
		     "closed: %lld", (long long)event->result);
	else if (is_transfer(event) && event->fd == files[FILLED_TO_READ] &&
		 event->op % 2 == 0) /* reads */
		must(event->result == (int64_t)there(event->offset, length),
		     "%lld of %llu bytes at %llu", (long long)event->result,
		     (unsigned long long)length, (unsigned long long)event->offset);
	as_before.length = before->length;
	as_before.result = before->result;
	as_before.done = before->done;
	must(same_public_part(&as_before, before), "the engine has changed what is the caller's");
}

static void check_accepted(struct ioe_engine *engine, struct ioe_event *event,
			   const struct ioe_event *before, uint32_t calls)
{
	if (event->callback == NULL)
		must(ioe_wait(engine, event) == event->result, "wait says something else");
	must(ioe_engine_drain(engine) == 0, "not drained");
	must(n_calls == calls + (event->callback != NULL), "%u callbacks", n_calls - calls);
	must(ioe_event_is_done(event), "not done");
	must(ioe_wait(engine, event) == -EINVAL, "waited for twice");
	check_end(event, before);
}

/* Alone, or between two that are right. Returns what the engine says of the event. */
static int submit(struct ioe_engine *engine, struct ioe_event *event, uint8_t way)
{
	struct ioe_event around[2];
	struct ioe_event *events[3] = { &around[0], event, &around[1] };
	const bool expect_all = wrong_with(event) == 0;
	int ret;

	if (way % 4 == 0)
		return ioe_submit(engine, event);
	if (way % 4 == 1)
		return ioe_try_submit(engine, event);
	ioe_prep_nop(&around[0]);
	ioe_prep_nop(&around[1]);
	ret = way % 4 == 2 ? ioe_submit_batch(engine, events, 3) :
			     ioe_try_submit_batch(engine, events, 3);
	must(ret == (expect_all ? 3 : 1), "%d of a batch", ret);
	for (int i = 0; i < ret; i += 2)
		must(ioe_wait(engine, events[i]) == 0, "a nop beside it");
	must(expect_all || !ioe_event_is_done(&around[1]), "accepted behind one that was refused");
	return expect_all ? 0 : ioe_submit_batch(engine, events + 1, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { .data = data, .size = size };
	const uint8_t head = input_byte(&input);
	struct ioe_engine *engine = engine_of(head % 3);
	const uint8_t n_changes = input_byte(&input) % 8;
	const uint32_t calls = n_calls;
	struct ioe_event event;
	struct ioe_event before;
	struct iovec *iov;
	unsigned wrong;
	int ret;

	if (engine == NULL)
		return 0;
	prepare(&input, &event);
	for (uint8_t i = 0; i < n_changes; i++)
		change(&input, &event);
	event.callback = (head & 0x80) != 0 ? count_call : NULL;
	iov = give_vector(&input, &event);
	wrong = wrong_with(&event);
	if (wrong == 0)
		make_harmless(&event);
	before = event;
	ret = submit(engine, &event, head / 3);
	if (wrong == 0) {
		must(ret == 0, "one that is right: %d", ret);
		check_accepted(engine, &event, &before, calls);
	} else {
		must(is_named(wrong, ret), "op %u, wrong %u: %d", event.op, wrong, ret);
		must(same_public_part(&event, &before), "refused, and changed");
		must(n_calls == calls && !ioe_event_is_done(&event), "refused, and ended");
	}
	free(iov);
	return 0;
}
