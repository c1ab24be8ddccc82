/* SPDX-License-Identifier: MIT
 * driven.h - an engine that is driven call by call, with events that the oracle knows: what each
 *            call answers, and what becomes of each event and of each byte, is checked.
 *
 * Events are in slots. A slot is free, taken (being prepared), or open (submitted and not ended).
 * Its memory is its own; before each area there is a gap that nobody writes to, but where areas are
 * neighbours on purpose.
 *
 * Invariants: one engine at a time, of one driver.
 * Threads:    one thread calls these; callbacks, on the engine's threads, submit again.
 * Ownership:  everything is static. */
#ifndef IOE_TESTS_DRIVEN_H
#define IOE_TESTS_DRIVEN_H

#include "engine/ioe.h"
#include "tests/lib/bytes.h"
#include "tests/lib/oracle.h"

enum { DRIVEN_SLOTS = 40, DRIVEN_AREAS = 8, DRIVEN_BATCH_MAX = 16, DRIVEN_KEEPS = 4 };

/* fds of the files: two of the first, so that one file has events of two fd numbers. */
enum {
	DRIVEN_FIRST,
	DRIVEN_FIRST_TOO,
	DRIVEN_SECOND,
	DRIVEN_READ_ONLY, /* the second */
	DRIVEN_CLOSED,
	DRIVEN_FDS,
};

struct driven_slot {
	struct oracle_tag tag; /* first: what event.arg points at */
	/* Of a free one, set by the caller, which takes it by that. */
	struct ioe_event event;
	bool is_taken;
	uint8_t file; /* 0 or 1 */
	bool fd_is_good;
	uint8_t fault; /* enum oracle_fault */
	uint8_t fault_times;
	uint8_t again_left; /* how often the callback submits it again, and how */
	uint8_t again_how;
	uint8_t forbidden; /* which call it tries before, 0: none */
	/* driven_give_memory() */
	struct iovec areas[DRIVEN_AREAS]; /* of a vector, what the engine sees, too */
	struct iovec copy[DRIVEN_AREAS];
	uint32_t n_areas;
	bool is_neighbour;
	bool is_open;
};

enum driven_how { DRIVEN_SUBMIT, DRIVEN_TRY, DRIVEN_BATCH, DRIVEN_TRY_BATCH };

/* Once. */
void driven_init(void);
/* New files, of these sizes; nothing is left of the events before. */
void driven_begin(const uint32_t sizes[BYTES_FILES]);
/* The files are as they may be. */
void driven_end(void);

/* False: this backend is not available here. All but size may differ from the default but
 * n_drivers; depth_max, merge_max_bytes and merge_max_events must. turn, refusal: oracle.h.
 * keep_as 1 to KEEPS: drained instead of closed, and there again when it is opened by that number,
 * always of one configuration: closing one of aio takes 50 ms (io_destroy() waits for RCU). */
bool driven_open(const struct ioe_config *wanted, uint32_t turn, uint32_t refusal,
		 uint32_t keep_as);
void driven_close(uint32_t how);
int driven_fd(uint32_t which);

/* NULL: none is free. */
struct driven_slot *driven_free_slot(void);
/* n areas; the first right behind the one given before, where it is to be its neighbour. False:
 * there is no memory left. */
bool driven_give_memory(struct driven_slot *slot, const uint32_t *lengths, uint32_t n,
			bool is_neighbour);
/* All events end; none is taken; then all slots are free, and the memory. */
void driven_make_room(void);

/* The callback of events that have one. */
void driven_callback(struct ioe_event *event);
/* n up to BATCH_MAX; SUBMIT and TRY: 1. has_bad: with one behind them that is malformed. */
void driven_submit(struct driven_slot *const *some, uint32_t n, enum driven_how how, bool has_bad);
/* One that the engine has. */
void driven_submit_busy(uint32_t index);

/* As the functions of those names, for an event without callback from that index on. */
void driven_run(uint32_t n_min, int64_t timeout_ns);
void driven_wait(uint32_t index, int64_t timeout_ns);
bool driven_drain(int64_t timeout_ns);
/* Drains, and compares what the engine has counted. */
void driven_check_stats(void);

#endif
