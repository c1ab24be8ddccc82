/* SPDX-License-Identifier: MIT
 * backend_threads.c - requests by helper threads that make blocking system calls: the fallback
 *                     where io_uring and AIO are forbidden, and the oracle of the tests.
 *
 * Its depth is the number of helpers: a request beyond it would only wait for one. How the driver
 * sleeps and is woken, and why no wake is lost: helpers.h.
 *
 * Invariants: a request is staged, or with the helpers (ready to be reaped included), never both.
 * Threads:    as backend.h says.
 * Ownership:  owns its helpers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/helpers.h"
#include "engine/ioe.h"

struct ioe__backend {
	struct ioe__sleeper sleeper;
	struct ioe__helpers *helpers;
	uint32_t depth;
	/* Staged: what is for the helpers has been added to theirs. */
	uint32_t n_nops;
	const struct ioe__request *nops[];
};

static void threads_close(struct ioe__backend *backend)
{
	if (!backend)
		return;
	ioe__helpers_close(backend->helpers);
	free(backend);
}

static int threads_open(struct ioe__backend_config *config, struct ioe__backend **ret_backend)
{
	uint32_t depth = config->depth < config->n_helpers ? config->depth : config->n_helpers;
	size_t size_bytes = sizeof(struct ioe__backend) + depth * sizeof(void *);
	struct ioe__backend *backend;
	int ret;

	size_bytes = (size_bytes + IOE__CACHE_LINE - 1) / IOE__CACHE_LINE * IOE__CACHE_LINE;
	backend = aligned_alloc(IOE__CACHE_LINE, size_bytes);
	if (!backend)
		return -ENOMEM;
	memset(backend, 0, size_bytes);
	backend->depth = depth;
	backend->sleeper.eventfd = -1;
	ret = ioe__helpers_open(config, depth, &backend->sleeper, &backend->helpers);
	if (ret < 0) {
		threads_close(backend);
		return ret;
	}
	if (depth < config->depth)
		snprintf(config->ret_note, sizeof(config->ret_note),
			 "depth %u: one request per helper", depth);
	config->ret_depth = depth;
	*ret_backend = backend;
	return 0;
}

static int threads_enable(struct ioe__backend *backend)
{
	(void)backend;
	return 0;
}

static void threads_stage(struct ioe__backend *backend, const struct ioe__request *request)
{
	if (request->op != IOE_OP_NOP) {
		ioe__helpers_add(backend->helpers, request);
		return;
	}
	ioe__assert(backend->n_nops < backend->depth);
	backend->nops[backend->n_nops++] = request;
}

static int threads_commit(struct ioe__backend *backend, int64_t wait_ns)
{
	ioe__helpers_start(backend->helpers);
	for (uint32_t i = 0; i < backend->n_nops; i++)
		ioe__helpers_complete(backend->helpers, backend->nops[i], 0);
	backend->n_nops = 0;
	if (wait_ns != 0)
		ioe__helpers_wait(backend->helpers, wait_ns);
	return 0;
}

static uint32_t threads_reap(struct ioe__backend *backend, struct ioe__completion *ret_completions,
			     uint32_t n)
{
	return ioe__helpers_reap(backend->helpers, ret_completions, n);
}

static void threads_wake(struct ioe__backend *backend)
{
	ioe__sleeper_wake(&backend->sleeper);
}

static void threads_cancel(struct ioe__backend *backend, const struct ioe__request *request)
{
	ioe__helpers_cancel(backend->helpers, request);
}

static bool threads_pending(struct ioe__backend *backend)
{
	return ioe__helpers_pending(backend->helpers);
}

const struct ioe__backend_ops ioe__backend_threads = {
	.name = "threads",
	.open = threads_open,
	.enable = threads_enable,
	.close = threads_close,
	.stage = threads_stage,
	.commit = threads_commit,
	.reap = threads_reap,
	.wake = threads_wake,
	.cancel = threads_cancel,
	.pending = threads_pending,
};
