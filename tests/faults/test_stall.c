/* SPDX-License-Identifier: MIT
 * test_stall.c - a write that gets nowhere, and on, and nowhere again (law 3). */
#include "tests/lib/rig.h"
#include "tests/lib/seam.h"

#ifdef IOE_TEST_SEAM

enum { UNIT = 4096, PART = 1000, FOR_GOOD = 1000000 };

static uint32_t n_alone, n_shared, n_stalls;

/* Of two neighbours, the first is interrupted and the second gets nowhere; together they get to a
 * part of the second; the rest of that gets nowhere once more, and then to the end. */
static void tell(struct ioe__completion *completion, const struct seam_request *request)
{
	if (request->n_events == 2) {
		completion->result = UNIT + PART;
		n_shared++;
	} else if (request->offset == 0) {
		completion->result = -EINTR;
	} else if (request->offset == UNIT || n_stalls == 1) {
		completion->result = 0;
		n_stalls++;
	}
}

/* At first each is alone, and comes when it likes: both are looked at together. */
static uint32_t hold(const struct ioe__completion *completion, const struct seam_request *request)
{
	(void)completion;
	if (request->n_events > 1 || n_alone == 2)
		return 0;
	if (++n_alone == 1)
		return FOR_GOOD;
	seam_let_go();
	return 0;
}

/* In the order of the file. */
static uint32_t turn(struct ioe__completion *completions, uint32_t n, uint32_t room)
{
	const struct ioe__completion first = completions[0];

	(void)room;
	if (n == 2 && first.result == 0) {
		completions[0] = completions[1];
		completions[1] = first;
	}
	return n;
}

NONE_TEST(stall, progress_in_a_shared_request_forgives_anew)
{
	struct job *jobs = rig_jobs(rig, 2);
	uint8_t *buffer = rig_buffer(rig, (uint64_t)2 * UNIT);
	const int fd = rig_file(rig, (uint64_t)2 * UNIT);

	seam_on_completion = tell;
	seam_on_hold = hold;
	seam_on_batch = turn;
	seam_watch();
	rig_open(rig, NULL);
	for (uint32_t i = 0; i < 2; i++) {
		ioe_prep_write(&jobs[i].event, fd, buffer + i * UNIT, UNIT, i * UNIT);
		rig_submit(rig, &jobs[i]);
		rig_push(rig);
	}
	rig_wait_all(rig);
	check_eq(jobs[0].result, UNIT);
	check_eq(jobs[1].result, UNIT);
	check_eq(n_shared, 1);
	check_eq(n_stalls, 2);
}

#endif
