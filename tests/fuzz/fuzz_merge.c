/* SPDX-License-Identifier: MIT
 * fuzz_merge.c - fuzz target: batches of events through one plan, each checked by merge_batch.c,
 *                and formed once more in a new plan of another capacity.
 *
 * The input: a head of HEAD_BYTES (capacity, limits), then EVENT_BYTES for each event, so that a
 * change of one byte changes one thing. The first byte of an event may say instead that the one
 * before it is repeated, or that the batch ends here and the next begins, with the limits in the
 * bytes behind it; it also ends when it is full. Events are placed in blocks of a few files, behind
 * an earlier event, or where one begins.
 *
 * Invariants: every input is a valid sequence of batches, of events as ioe_submit() accepts them.
 * Threads:    none.
 * Ownership:  the batches are this call's. */
#include "engine/sys.h"
#include "tests/lib/fail.h"
#include "tests/lib/merge_batch.h"

#include <stdlib.h>

enum { HEAD_BYTES = 4, EVENT_BYTES = 4, EVENTS_MAX = 256 };

#define BLOCK UINT64_C(512)
/* Of the first byte of an event, from here on: */
#define REPEAT 0xe0 /* some 64 events that go on from the last one */
#define CUT    0xf0 /* the batch ends */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	support_aborts = true;
	return 0;
}

/* bytes[0..3): the limits; 0 is the widest. */
static struct ioe__merge_limits limits_of(const uint8_t *bytes)
{
	static const uint64_t sizes[] = { UINT64_MAX, 0x7ffff000, 1 << 20, 0, 1, 2, 65536 };
	static const uint32_t counts[] = { UINT32_MAX, 1024, 1025, 1023, 256, 64, 0, 1, 2, 3 };
	const size_t n_sizes = sizeof(sizes) / sizeof(sizes[0]);
	const size_t n_counts = sizeof(counts) / sizeof(counts[0]);

	return (struct ioe__merge_limits){
		.bytes_max = bytes[0] < n_sizes ? sizes[bytes[0]] : bytes[0] * BLOCK / 4,
		.events_max = bytes[1] < n_counts ? counts[bytes[1]] : bytes[1],
		.iov_max = bytes[2] < n_counts ? counts[bytes[2]] : bytes[2] * UINT32_C(8),
	};
}

/* Blocks of the start of a file, odd offsets, and from 0xc0 on those around 2^40 (where a sort key
 * is cut) and at the end of what can be addressed. */
static uint64_t offset_of(uint8_t place)
{
	if (place < 0x80)
		return place * BLOCK;
	if (place < 0xc0)
		return (place - 0x80) * UINT64_C(64) + 1;
	if (place < 0xe0)
		return (UINT64_C(1) << 40) + place * BLOCK - 0xd0 * BLOCK;
	return INT64_MAX - (UINT64_C(0x100) - place) * BLOCK;
}

/* Mostly blocks; single bytes; from 0xe0 on powers of two up to 2^42. */
static uint64_t length_of(uint8_t code)
{
	if (code < 0x80)
		return (code % 16 + UINT64_C(1)) * BLOCK;
	if (code < 0xe0)
		return code - UINT64_C(0x7f);
	return UINT64_C(1) << (code - 0xe0 + 11);
}

/* Mostly nothing odd. */
static void make_odd(struct ioe_event *event, uint8_t code)
{
	const uint8_t what = code >> 4;
	const uint8_t value = code & 15;

	switch (what) {
	case 8:
		event->flags = value < 3 ? UINT32_C(1) << value : UINT32_C(1) << 31;
		break;
	case 9:
		event->rw_flags = UINT32_C(1) << value % 7;
		break;
	case 10:
		event->ioprio = value;
		break;
	case 11:
		event->lane = value;
		break;
	case 12:
		event->done = event->length > 1 ? 1 + value % (event->length - 1) : 0;
		break;
	case 13:
		event->op_flags =
			value % 2 == 0 ? FALLOC_FL_COLLAPSE_RANGE : FALLOC_FL_INSERT_RANGE;
		break;
	case 14:
		event->ioprio = value;
		event->lane = (uint8_t)(event->offset / BLOCK % 8);
		break;
	case 15:
		if (value == 0)
			event->offset = IOE_OFFSET_STREAM;
		break;
	default:
		break;
	}
	if (event->op != IOE_OP_FALLOCATE)
		event->op_flags = 0;
}

/* bytes[0]: operation, fd (of 4), and how it is placed by bytes[1]; [2] length; [3] what is odd, or
 * how many buffers a vector has. */
static void put(struct batch *batch, const uint8_t *bytes)
{
	static const uint8_t ops[] = {
		IOE_OP_READ,  IOE_OP_WRITE,  IOE_OP_READ,      IOE_OP_WRITE, IOE_OP_READ,
		IOE_OP_READV, IOE_OP_WRITEV, IOE_OP_FALLOCATE, IOE_OP_FSYNC, IOE_OP_NOP,
	};
	const uint8_t op = ops[(bytes[0] & 15) % sizeof(ops)];
	const uint8_t how = bytes[0] >> 6 & 3;
	const uint32_t n = batch->n;
	const struct ioe_event *other = n > 0 ? &batch->events[n - 1 - bytes[1] % n] : NULL;
	struct ioe_event *event = batch_put(batch, op, 3 + (bytes[0] >> 4 & 3), offset_of(bytes[1]),
					    length_of(bytes[2]));

	if (op == IOE_OP_FSYNC || op == IOE_OP_NOP) {
		event->offset = event->length = 0;
		return;
	}
	if (other != NULL && other->offset != IOE_OFFSET_STREAM && how != 0) {
		event->fd = other->fd;
		event->offset = other->offset + (how < 3 ? other->length : 0);
	}
	if (event->offset >= INT64_MAX)
		event->offset = INT64_MAX - 1;
	if (event->length > INT64_MAX - event->offset)
		event->length = INT64_MAX - event->offset;
	if (op == IOE_OP_READV || op == IOE_OP_WRITEV)
		event->n_iov = bytes[3] < 0x80 ? bytes[3] % 4 + 1 : (bytes[3] - 0x7f) * 8;
	else
		make_odd(event, bytes[3]);
}

/* bytes[1]: how many more; [2] where they stand; [3] what differs. */
static void repeat(struct batch *batch, const uint8_t *bytes)
{
	for (uint32_t left = bytes[1] % 80; left > 0 && batch->n > 0; left--) {
		const struct ioe_event *last = &batch->events[batch->n - 1];
		struct ioe_event *event;

		if (batch->n == batch->capacity || last->offset == IOE_OFFSET_STREAM)
			return;
		event = batch_put(batch, last->op, last->fd, last->offset, last->length);
		*event = *last;
		switch (bytes[2] % 8) {
		case 1: /* behind one another */
			if (event->length < INT64_MAX - event->offset - event->length)
				event->offset += event->length;
			break;
		case 2: /* before one another */
			if (event->offset >= event->length)
				event->offset -= event->length;
			break;
		case 3: /* shorter, with the same end */
			event->offset += event->length > event->done + 1;
			event->length -= event->length > event->done + 1;
			break;
		case 4: /* shorter at both ends */
			event->offset += event->length > event->done + 2;
			event->length -= event->length > event->done + 2 ? 2 : 0;
			break;
		default:
			break;
		}
		event->ioprio += bytes[3] & 1;
		event->lane += bytes[3] >> 1 & 1;
		if ((bytes[3] & 4) != 0 && event->op >= IOE_OP_READ && event->op <= IOE_OP_WRITEV)
			event->op ^= 1; /* between reads and writes */
	}
}

static void form(struct batch *batch, const struct ioe__merge_limits *limits)
{
	struct batch *other = batch_open(batch->n + 1 + batch->n / 2);

	batch_form_and_check(batch, limits);
	batch_form_the_same(other, batch);
	batch_form_and_end(other, batch, batch->n_groups / 2);
	batch_close(other);
	batch_clear(batch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ioe__merge_limits limits;
	struct batch *batch;
	uint32_t capacity;

	if (size < HEAD_BYTES)
		return 0;
	capacity = data[0] == 0 ? EVENTS_MAX : data[0];
	limits = limits_of(data + 1);
	batch = batch_open(capacity);
	for (size_t at = HEAD_BYTES; size - at >= EVENT_BYTES; at += EVENT_BYTES) {
		if (data[at] < REPEAT)
			put(batch, data + at);
		else if (data[at] < CUT)
			repeat(batch, data + at);
		if (data[at] >= CUT || batch->n == capacity)
			form(batch, &limits);
		if (data[at] >= CUT)
			limits = limits_of(data + at + 1);
	}
	form(batch, &limits);
	batch_close(batch);
	return 0;
}
