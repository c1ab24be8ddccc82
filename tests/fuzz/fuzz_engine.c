/* SPDX-License-Identifier: MIT
 * fuzz_engine.c - fuzz target: a whole engine, driven by a string of bytes, with faults. What each
 *                 event does to two small files, and what becomes of it, is known to the byte and
 *                 the errno: lib/driven.h, lib/oracle.h, lib/bytes.h.
 *
 * The input: a head of RECORD bytes (backend, threading, depth, capacity, limits, sizes), then as
 * many for each thing to do: prepare events, and submit them one by one or together; run, wait,
 * drain; close and open another engine, of the head in the record. Most engines are
 * IOE_THREADING_NONE: there the same input does the same again, but for the part of the kernel and
 * the helpers, and what each call must answer is known exactly.
 *
 * Invariants: every input is valid; each event and each call of it is checked.
 * Threads:    main submits and drives; callbacks run on the engine's threads.
 * Ownership:  an input leaves no engine. */
#include "engine/sys.h"
#include "tests/lib/driven.h"
#include "tests/lib/fail.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORD = 8, RECORDS_MAX = 64, REPEAT_MAX = 8 };

/* Of the first byte of a record, from here on: something else than events. */
#define CONTROL 0xa0

static struct driven_slot *basket[DRIVEN_BATCH_MAX];
static uint32_t n_basket;
static uint64_t last_offset;
static uint64_t last_length;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	support_aborts = true;
	driven_init();
	return 0;
}

/* Engines of aio are few, and stay open, but for those of the rarest inputs. */
static bool open_engine(const uint8_t *wanted)
{
	static const uint8_t kept[DRIVEN_KEEPS][RECORD] = { { 1, 0x00, 0, 0, 0 },
							    { 1, 0x12, 7, 1, 0 },
							    { 1, 0x27, 3, 3, 4 },
							    { 1, 0x3f, 4, 0, 3 } };
	const bool is_kept = wanted[0] % 3 == 1 && wanted[6] != 0xff;
	const uint32_t keep_as = is_kept ? 1 + wanted[1] % DRIVEN_KEEPS : 0;
	const uint8_t *head = is_kept ? kept[keep_as - 1] : wanted;
	static const uint32_t capacities[] = { 1, 2, 3, 4, 8, 16, 64, 1024 };
	static const uint32_t bytes[] = { 65536, 512, 1024, 2048, 4096, 8192, IOE_CONFIG_OFF, 777 };
	static const uint32_t events[] = { 256, 2, 3, 4, 8, 16, 1, 64 };
	const uint32_t threading = head[0] / 3 % 8;
	const struct ioe_config config = {
		.size = sizeof(config),
		.backend = IOE_BACKEND_URING + head[0] % 3,
		.threading = threading == 6 ? IOE_THREADING_INLINE :
			     threading == 7 ? IOE_THREADING_POOL :
					      IOE_THREADING_NONE,
		.n_workers = threading == 7 ? 2 : 0,
		.n_helpers = 1 + (head[1] >> 4) % 4,
		.depth_max = 1 + head[1] % 16,
		.channel_capacity = capacities[head[2] % 8],
		.merge_max_bytes = bytes[head[3] % 8],
		.merge_max_events = events[head[4] % 8],
		.spin_ns = (head[5] & 1) != 0 ? 0 : IOE_CONFIG_OFF,
		.flags = ((head[5] & 2) != 0 ? IOE_ENGINE_NO_TIMING : 0) |
			 ((head[5] & 28) == 28 ? IOE_ENGINE_NO_MERGE : 0),
	};

	return driven_open(&config, wanted[5] >> 5, wanted[4] >> 6, keep_as);
}

static void flush(enum driven_how how, bool has_bad)
{
	for (uint32_t i = 0; i < n_basket; i++)
		basket[i]->is_taken = false;
	driven_submit(basket, n_basket, how, has_bad);
	n_basket = 0;
}

static void make_room(void)
{
	flush(DRIVEN_BATCH, false);
	driven_make_room();
}

/* ---- Events ---- */

/* record[2], [3]: where; [4]: how long. */
static void place(const uint8_t *record, uint64_t *ret_offset, uint64_t *ret_length)
{
	const uint8_t where = record[2];
	const uint8_t size = record[4];
	uint64_t offset;
	uint64_t length;

	if (size < 0x80)
		length = size + UINT64_C(1);
	else if (size < 0xc0)
		length = (size % 16 + UINT64_C(1)) * 64;
	else
		length = (size % 4 + UINT64_C(1)) * 512;
	if (where < 0x80)
		offset = where * UINT64_C(64) + record[3] % 64;
	else if (where < 0xc0)
		offset = last_offset + last_length;
	else if (where < 0xe0)
		offset = last_offset + record[3] % 4;
	else
		offset = last_offset + last_length / 2;
	if (offset + length > BYTES_FILE_MAX)
		offset = BYTES_FILE_MAX - length;
	*ret_offset = last_offset = offset;
	*ret_length = last_length = length;
}

/* Cut a length into pieces, some of them of nothing; returns how many. */
static uint32_t cut(uint32_t length, uint8_t shape, uint32_t *ret_pieces)
{
	const uint32_t n = 1 + shape % DRIVEN_AREAS;
	const uint32_t each = length / n + shape / 8;

	for (uint32_t i = 0; i + 1 < n; i++) {
		ret_pieces[i] = (i + shape) % 4 == 3 ? 0 : each < length ? each : length;
		length -= ret_pieces[i];
	}
	ret_pieces[n - 1] = length;
	return n;
}

/* record[7]: what shape the memory of a transfer has. False: there is not enough. */
static bool prepare_transfer(struct driven_slot *slot, bool is_read, int fd, const uint8_t *record)
{
	const uint8_t shape = record[7] >> 3;
	const bool is_vector = shape >= 16;
	uint32_t pieces[DRIVEN_AREAS];
	uint64_t offset;
	uint64_t length;
	uint32_t n = 1;

	place(record, &offset, &length);
	pieces[0] = (uint32_t)length;
	if (is_vector)
		n = cut((uint32_t)length, shape, pieces);
	if (!driven_give_memory(slot, pieces, n, shape >= 12 && !is_vector))
		return false;
	if (is_vector && is_read)
		ioe_prep_readv(&slot->event, fd, slot->areas, n, offset);
	else if (is_vector)
		ioe_prep_writev(&slot->event, fd, slot->areas, n, offset);
	else if (is_read)
		ioe_prep_read(&slot->event, fd, slot->areas[0].iov_base, length, offset);
	else
		ioe_prep_write(&slot->event, fd, slot->areas[0].iov_base, length, offset);
	return true;
}

/* record[0]: what it does. */
static bool prepare_op(struct driven_slot *slot, int fd, const uint8_t *record)
{
	static const int modes[] = { 0, FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE };
	const uint8_t op = record[0] % 16;
	uint64_t offset;
	uint64_t length;

	slot->n_areas = 0;
	switch (op) {
	case 10:
		ioe_prep_fsync(&slot->event, fd);
		return true;
	case 11:
		ioe_prep_fdatasync(&slot->event, fd);
		return true;
	case 12:
		ioe_prep_nop(&slot->event);
		return true;
	case 13:
	case 14:
	case 15:
		place(record, &offset, &length);
		ioe_prep_fallocate(&slot->event, fd, modes[op - 13], offset, length);
		return true;
	default:
		return prepare_transfer(slot, op % 2 == 1, fd, record);
	}
}

static bool fd_is_good(uint32_t which, const struct ioe_event *event)
{
	const bool changes = event->op == IOE_OP_WRITE || event->op == IOE_OP_WRITEV ||
			     event->op == IOE_OP_FALLOCATE;

	return event->op == IOE_OP_NOP ||
	       (which != DRIVEN_CLOSED && (which != DRIVEN_READ_ONLY || !changes));
}

/* record[1]: fd and flags; [5]: the fault; [6]: what the callback does. */
static bool prepare(struct driven_slot *slot, const uint8_t *record)
{
	static const uint8_t choices[] = { DRIVEN_FIRST,     DRIVEN_FIRST,  DRIVEN_FIRST,
					   DRIVEN_FIRST_TOO, DRIVEN_SECOND, DRIVEN_SECOND,
					   DRIVEN_READ_ONLY, DRIVEN_CLOSED };
	const uint32_t which = choices[record[1] % 8];
	struct ioe_event *event = &slot->event;

	if (!prepare_op(slot, driven_fd(which), record))
		return false;
	event->flags = record[1] >> 3 & 7;
	if (event->op == IOE_OP_NOP)
		event->flags &= ~IOE_EVENT_BARRIER;
	event->arg = &slot->tag;
	event->callback = (record[6] & 0xe0) == 0xe0 ? NULL : driven_callback;
	slot->file = which == DRIVEN_SECOND || which == DRIVEN_READ_ONLY;
	slot->fd_is_good = fd_is_good(which, event);
	slot->fault = record[5] % 16 < ORACLE_FAULTS ? record[5] % 16 : ORACLE_NONE;
	slot->fault_times = 1 + (record[5] >> 4) % 4;
	slot->again_left = record[6] % 4;
	slot->again_how = record[6] >> 2 & 3;
	slot->forbidden = (record[6] & 0x10) != 0 ? record[6] % 4 : 0;
	return true;
}

/* record[7]: how many, each behind the one before it; the fault is the first one's. record[1]: in
 * the basket, or at once. */
static void do_events(const uint8_t *record)
{
	uint8_t now[RECORD];

	memcpy(now, record, RECORD);
	for (uint32_t left = 1 + record[7] % REPEAT_MAX; left > 0; left--) {
		struct driven_slot *slot = driven_free_slot();

		if (n_basket == DRIVEN_BATCH_MAX)
			flush(DRIVEN_BATCH, false);
		if (slot == NULL || !prepare(slot, now)) {
			make_room();
			slot = driven_free_slot();
			must(slot != NULL && prepare(slot, now), "no room after all");
		}
		if ((record[1] & 0x80) != 0) {
			driven_submit(&slot, 1,
				      (record[1] & 0x40) != 0 ? DRIVEN_TRY : DRIVEN_SUBMIT, false);
		} else {
			slot->is_taken = true;
			basket[n_basket++] = slot;
		}
		now[2] = 0x80;
		now[5] = 0;
	}
}

/* ---- Everything else ---- */

static bool do_control(const uint8_t *record)
{
	static const int64_t timeouts[] = { -1, 0, 1000, 50000 };
	const int64_t timeout_ns = timeouts[record[1] % 4];

	switch ((record[0] - CONTROL) / 6) {
	case 0:
	case 1:
		flush(DRIVEN_BATCH, (record[1] & 0x80) != 0);
		break;
	case 2:
	case 3:
		flush(DRIVEN_TRY_BATCH, (record[1] & 0x80) != 0);
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		driven_run(record[2] % 16, timeout_ns);
		break;
	case 8:
	case 9:
		driven_wait(record[2], timeout_ns);
		break;
	case 10:
		(void)driven_drain(timeout_ns);
		break;
	case 11:
		driven_submit_busy(record[2]);
		break;
	case 12:
		driven_check_stats();
		break;
	case 13:
		(void)driven_drain(0);
		driven_run(0, 0);
		break;
	default:
		driven_close(record[7] % 2);
		return open_engine(record);
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool is_open;

	if (size < RECORD)
		return 0;
	size = size < RECORDS_MAX * RECORD ? size : RECORDS_MAX * RECORD;
	driven_begin((const uint32_t[]){ data[6] * UINT32_C(33), data[7] * UINT32_C(17) });
	n_basket = 0;
	last_offset = last_length = 0;
	is_open = open_engine(data);
	for (size_t at = RECORD; is_open && size - at >= RECORD; at += RECORD) {
		if (data[at] >= CONTROL)
			is_open = do_control(data + at);
		else
			do_events(data + at);
	}
	if (is_open) {
		flush(DRIVEN_BATCH, false);
		if (size % 2 == 0)
			driven_check_stats();
		driven_close(size / 2 % 2);
	}
	driven_end();
	return 0;
}
