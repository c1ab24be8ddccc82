/* SPDX-License-Identifier: MIT
 * seam.c - see seam.h. */
#include "tests/lib/seam.h"
#include "tests/lib/fail.h"

#ifdef IOE_TEST_SEAM

enum { SLOTS_MAX = 16384 };

void (*seam_on_stage)(struct ioe__request *request);
void (*seam_on_completion)(struct ioe__completion *completion, const struct seam_request *request);
uint32_t (*seam_on_batch)(struct ioe__completion *completions, uint32_t n, uint32_t room);

static struct seam_request requests[SLOTS_MAX];
static uint32_t staged[256];
static uint32_t reaped;
static uint32_t batch_max;

static void add(uint32_t *counter, uint32_t n)
{
	__atomic_add_fetch(counter, n, __ATOMIC_RELAXED);
}

static void on_stage(struct ioe__request *request)
{
	if (seam_on_stage != NULL)
		seam_on_stage(request);
	if (request->slot < SLOTS_MAX)
		requests[request->slot] = (struct seam_request){
			.generation = request->generation,
			.op = request->op,
			.n_iov = request->n_iov,
			.n_events = request->n_events,
			.offset = request->offset,
			.length = request->length,
			.fd = request->fd,
		};
	add(&staged[request->op], 1);
}

static uint32_t on_reap(struct ioe__completion *completions, uint32_t n, uint32_t room)
{
	add(&reaped, n);
	if (n > batch_max)
		__atomic_store_n(&batch_max, n, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < n && seam_on_completion != NULL; i++)
		if (completions[i].slot < SLOTS_MAX)
			seam_on_completion(&completions[i], &requests[completions[i].slot]);
	return seam_on_batch != NULL ? seam_on_batch(completions, n, room) : n;
}

void seam_watch(void)
{
	ioe__seam.on_stage = on_stage;
	ioe__seam.on_reap = on_reap;
}

uint32_t seam_n_staged(uint8_t op)
{
	return __atomic_load_n(&staged[op], __ATOMIC_RELAXED);
}

uint32_t seam_n_reaped(void)
{
	return __atomic_load_n(&reaped, __ATOMIC_RELAXED);
}

uint32_t seam_batch_max(void)
{
	return __atomic_load_n(&batch_max, __ATOMIC_RELAXED);
}

#else

void seam_watch(void)
{
	support_skip("the library was built without IOE_TEST_SEAM");
}

#endif
