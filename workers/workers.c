/* SPDX-License-Identifier: MIT
 * workers.c - pools of threads that run pieces of work.
 *
 * Invariants: as in workers.h; and
 *   - a node is in exactly one place: in the inbox, in the slot `mine` of a worker, or in the
 *     hands of one worker;
 *   - only a worker itself puts nodes into its `mine`, and only when that is empty; anyone takes
 *     the whole of it. The inbox too is only ever taken whole. Nobody pops, so that a node that
 *     returns while a compare-and-swap is on its way does no harm (no ABA);
 *   - threads inside park() = sleepers + tokens + tokens about to be posted.
 * Threads:    push by any; the rest of a pool is its workers'.
 * Ownership:  see workers.h. One allocation, at open.
 *
 * The numbered argument. All operations named here are sequentially consistent, so that there is
 * one order of them ("before" below); why each matters:
 *
 * No lost wake-up: where a node is queued, some worker that is not running a piece will come for
 * it, unless all workers are running pieces.
 *   P1  push puts the chain into the inbox         W1  a worker puts the rest of its chain into
 *   P2  push reads `state`: wakes a sleeper if         `mine`
 *       there is one and nobody is searching       W2  it reads `state` as in P2
 *   S1  a worker counts itself as a sleeper (and no longer as searching, if it was) in `state`
 *   S2  it looks at the inbox and every `mine`; sleeps only if all are empty
 *   F1  a worker that was woken and has found work puts the rest of it into `mine`, then stops
 *       searching in `state`
 *   F2  it looks at the inbox and every `mine`; if any is not empty, it reads `state` as in P2
 * (1) P2 sees a sleeper, nobody searching: it wakes one, which looks at everything.
 * (2) P2 sees a searcher: its next change of `state`, S1 or F1, comes after P2 and so after P1;
 *     S2 or F2, after that, sees the chain (or somebody has taken it). F2 then does as P2 did; the
 *     searcher it may rely on in turn is another one, whose F1 is later: the end is a wake, (1),
 *     or no sleepers, (3).
 * (3) P2 sees no sleeper and no searcher: every worker is awake, and each, before it sleeps,
 *     passes S1 after P2 and sees the chain in S2.
 * (4) The same holds with W1, W2 in place of P1, P2. What a worker has in its hands, between
 *     taking and W1, it publishes or runs itself.
 * (5) A wake takes one sleeper out of `state` by compare-and-swap and adds a searcher, then posts
 *     one token, then wakes one sleeping thread. A worker in park() leaves it by taking itself out
 *     of `state` (only if sleepers > 0) or with a token. Were sleepers 0 and it inside, then by
 *     the last invariant there is, or will be, a token for each thread inside. The futex compares
 *     `tokens` with 0 under its lock: a token posted before is seen, one posted after wakes.
 *
 * No more wakes than needed: a push wakes one worker at most, and none while one is searching; a
 * woken worker wakes the next only if there is more to run than it has taken.
 *
 * No slow piece holds up others: the rest of a chain is in `mine`, where every other worker
 * finds it, before the first of it is run (W1 comes before run()).
 *
 * The account.
 *   A1  a worker adds to n_done                    B1  a waiter counts itself in n_waiters
 *   A2  it reads n_waiters; if not 0, it changes   B2  it reads wait_word
 *       wait_word and wakes                        B3  it reads n_done; if that is as seen, sleeps
 *                                                      while wait_word is as read
 * (6) If A1 comes before B3, the waiter does not sleep. Else B1, which is before B3, is before A2:
 *     the worker changes wait_word after B2 read it, and the waiter does not sleep on, or is
 *     woken. (A poke is the same, with another number to add.)
 *
 * Detach.
 *   L1  a worker stores looking_at = owner, then runs pieces of it, then A1, A2, then L2
 *   L2  it stores looking_at = NULL, release; it does not touch *owner after that (it may wake the
 *       address of wait_word, which is a name to the kernel)
 *   D1  the caller of detach has read n_done with all pieces in it
 *   D2  detach reads looking_at of each worker, acquire, until none is the owner
 * (7) D1 reads from the last A1, and all A1 are read-modify-writes with release: each worker's L1
 *     for its last pieces happens before D2. So D2 sees the owner, or what came after it: L2, which
 *     makes *owner the caller's. A worker that stores looking_at = owner after D2 would have a node
 *     of the owner's that is not in n_done: there is none. */
#include "workers/workers.h"
#include "engine/sys.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ioe_workers.state: [ searching: 16 | sleepers: 16 ] */
#define SLEEPER       UINT32_C(1)
#define SLEEPERS_MASK UINT32_C(0xffff)
#define SEARCHER      (UINT32_C(1) << 16)

static_assert(IOE__WORKERS_MAX <= SLEEPERS_MASK, "all workers can be counted");

/* Between A1 and L2 stand a load and at most an addition: a worker is found there about as often
 * as it is preempted there. */
#define DETACH_POLL_NS INT64_C(50000)

struct worker {
	/* Taken by all, put by this worker. */
	IOE__ALIGNED_LINE struct ioe__node *mine;
	/* Read by detach, written by this worker. */
	IOE__ALIGNED_LINE struct ioe__work_owner *looking_at;
	/* This worker's own. */
	uint64_t n_unaccounted; /* pieces of looking_at's done and not yet in its n_done */
	struct ioe_workers *pool;
	pthread_t thread;
	uint32_t index;
	bool searching; /* counted as such in state */
};

struct ioe_workers {
	/* Constant. */
	IOE__ALIGNED_LINE uint32_t n;
	/* The newest first; pushers and workers write. */
	IOE__ALIGNED_LINE struct ioe__node *inbox;
	/* Of parking: written when a worker goes to sleep or is woken. */
	IOE__ALIGNED_LINE uint32_t state;
	uint32_t tokens; /* sleepers that may go; what they sleep on */
	/* Written by those who open and close. */
	IOE__ALIGNED_LINE uint32_t n_owners;
	uint32_t stop;
	struct worker workers[];
};

#define LINE_OF(type, field) (offsetof(type, field) / IOE__CACHE_LINE)

static_assert(LINE_OF(struct worker, mine) != LINE_OF(struct worker, looking_at), "apart");
static_assert(sizeof(struct worker) % IOE__CACHE_LINE == 0, "workers are apart");
static_assert(LINE_OF(struct ioe_workers, n) != LINE_OF(struct ioe_workers, inbox), "apart");
static_assert(LINE_OF(struct ioe_workers, inbox) != LINE_OF(struct ioe_workers, state), "apart");
static_assert(LINE_OF(struct ioe_workers, state) == LINE_OF(struct ioe_workers, tokens),
	      "a sleeper pays for one line");
static_assert(LINE_OF(struct ioe_workers, n_owners) != LINE_OF(struct ioe_workers, state), "apart");
static_assert(offsetof(struct ioe_workers, workers) % IOE__CACHE_LINE == 0, "apart");
static_assert(offsetof(struct ioe__work_owner, n_done) - offsetof(struct ioe__work_owner, run) >=
			      IOE__CACHE_LINE &&
		      offsetof(struct ioe__work_owner, n_waiters) -
				      offsetof(struct ioe__work_owner, n_done) >=
			      IOE__CACHE_LINE,
	      "what is read for each piece, the account, and the waiters are apart");

/* ---- Parking -------------------------------------------------------------------------- */

static bool has_work(const struct ioe_workers *pool)
{
	if (__atomic_load_n(&pool->inbox, __ATOMIC_SEQ_CST) != NULL)
		return true;
	for (uint32_t i = 0; i < pool->n; i++)
		if (__atomic_load_n(&pool->workers[i].mine, __ATOMIC_SEQ_CST) != NULL)
			return true;
	return false;
}

static void wake_one(struct ioe_workers *pool)
{
	uint32_t state = __atomic_load_n(&pool->state, __ATOMIC_SEQ_CST); /* P2, W2, F2 */

	while ((state & SLEEPERS_MASK) != 0 && state < SEARCHER) {
		if (!__atomic_compare_exchange_n(&pool->state, &state, state - SLEEPER + SEARCHER,
						 false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			continue;
		/* Pairs with park(): the token says no more than "go and look". */
		__atomic_fetch_add(&pool->tokens, 1, __ATOMIC_RELEASE);
		ioe__futex_wake(&pool->tokens, 1);
		return;
	}
}

static void wake_all(struct ioe_workers *pool)
{
	uint32_t state = __atomic_load_n(&pool->state, __ATOMIC_SEQ_CST);
	uint32_t n;

	do {
		n = state & SLEEPERS_MASK;
	} while (!__atomic_compare_exchange_n(&pool->state, &state, state - n + n * SEARCHER, false,
					      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	__atomic_fetch_add(&pool->tokens, n, __ATOMIC_RELEASE); /* pairs with park() */
	ioe__futex_wake(&pool->tokens, INT_MAX);
}

/* Leave the sleepers without a token: false if a waker has counted on one more sleeper than are
 * left, so that a token is there or on its way for each of them. */
static bool withdraw(struct ioe_workers *pool)
{
	uint32_t state = __atomic_load_n(&pool->state, __ATOMIC_SEQ_CST);

	while ((state & SLEEPERS_MASK) != 0)
		if (__atomic_compare_exchange_n(&pool->state, &state, state - SLEEPER, false,
						__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return true;
	return false;
}

static bool take_token(struct ioe_workers *pool)
{
	uint32_t tokens = __atomic_load_n(&pool->tokens, __ATOMIC_RELAXED);

	while (tokens != 0)
		/* Acquire pairs with the releases in wake_one() and wake_all(). */
		if (__atomic_compare_exchange_n(&pool->tokens, &tokens, tokens - 1, false,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return true;
	return false;
}

/* Sleep until there may be work. */
static void park(struct worker *worker)
{
	struct ioe_workers *pool = worker->pool;
	const uint32_t change = worker->searching ? SLEEPER - SEARCHER : SLEEPER;

	worker->searching = false;
	__atomic_fetch_add(&pool->state, change, __ATOMIC_SEQ_CST); /* S1 */
	/* S2. stop is set before wake_all() reads state: as P1 and P2. */
	if ((has_work(pool) || __atomic_load_n(&pool->stop, __ATOMIC_SEQ_CST) != 0) &&
	    withdraw(pool))
		return;
	while (!take_token(pool))
		(void)ioe__futex_wait(&pool->tokens, 0, -1);
	worker->searching = true;
}

/* ---- The account ---------------------------------------------------------------------- */

/* looking_at: of the worker that does this, NULL on other threads. */
static void add_done(struct ioe__work_owner *owner, uint64_t n, struct ioe__work_owner **looking_at)
{
	uint32_t *wait_word = &owner->wait_word;
	bool wake;

	__atomic_fetch_add(&owner->n_done, n, __ATOMIC_SEQ_CST);          /* A1 */
	wake = __atomic_load_n(&owner->n_waiters, __ATOMIC_SEQ_CST) != 0; /* A2 */
	if (wake)
		__atomic_fetch_add(wait_word, 1, __ATOMIC_SEQ_CST);
	if (looking_at != NULL)
		__atomic_store_n(looking_at, NULL, __ATOMIC_RELEASE); /* L2, pairs with D2 */
	if (wake)
		ioe__futex_wake(wait_word, INT_MAX);
}

void ioe__work_owner_add_done(struct ioe__work_owner *owner, uint64_t n)
{
	add_done(owner, n, NULL);
}

void ioe__work_owner_poke(struct ioe__work_owner *owner)
{
	add_done(owner, IOE__WORK_POKE, NULL);
}

uint64_t ioe__work_owner_done(const struct ioe__work_owner *owner)
{
	/* Seen, it is the D1 of a later detach: pairs with A1. */
	return __atomic_load_n(&owner->n_done, __ATOMIC_SEQ_CST);
}

int ioe__work_owner_wait(struct ioe__work_owner *owner, uint64_t seen, int64_t timeout_ns)
{
	uint32_t word;
	int ret = 0;

	__atomic_fetch_add(&owner->n_waiters, 1, __ATOMIC_SEQ_CST);    /* B1 */
	word = __atomic_load_n(&owner->wait_word, __ATOMIC_SEQ_CST);   /* B2 */
	if (__atomic_load_n(&owner->n_done, __ATOMIC_SEQ_CST) == seen) /* B3 */
		ret = ioe__futex_wait(&owner->wait_word, word, timeout_ns);
	/* Relaxed: to be counted too long costs a worker a useless wake. */
	__atomic_fetch_sub(&owner->n_waiters, 1, __ATOMIC_RELAXED);
	return ret == -ETIMEDOUT ? -ETIMEDOUT : 0;
}

/* ---- Who is who ----------------------------------------------------------------------- */

static _Thread_local uint32_t worker_index __attribute__((tls_model("initial-exec")));

uint32_t ioe__worker_index(void)
{
	return worker_index;
}

uint32_t ioe__workers_n(const struct ioe_workers *workers)
{
	return workers->n;
}

/* ---- Working -------------------------------------------------------------------------- */

static struct ioe__node *reverse(struct ioe__node *list)
{
	struct ioe__node *reversed = NULL;

	while (list != NULL) {
		struct ioe__node *next = list->next;

		list->next = reversed;
		reversed = list;
		list = next;
	}
	return reversed;
}

/* The whole chain of an inbox or a `mine`. */
static struct ioe__node *take_all(struct ioe__node **place)
{
	/* Relaxed is enough to pass by: a worker looks again before it sleeps (S2). */
	if (__atomic_load_n(place, __ATOMIC_RELAXED) == NULL)
		return NULL;
	/* Acquire pairs with P1 and W1: the links, and what the pushers wrote, are visible. */
	return __atomic_exchange_n(place, NULL, __ATOMIC_ACQUIRE);
}

/* Account what has been done: never later than the owner of the next piece is known to be another,
 * or that there is none. */
static void account(struct worker *worker)
{
	const uint64_t n = worker->n_unaccounted;

	if (n == 0)
		return;
	worker->n_unaccounted = 0;
	add_done(worker->looking_at, n, &worker->looking_at);
}

/* A chain to work on, in the order it is to be run in, or NULL. */
static struct ioe__node *take(struct worker *worker)
{
	struct ioe_workers *pool = worker->pool;
	struct ioe__node *node = take_all(&worker->mine);

	if (node != NULL)
		return node;
	account(worker);
	node = take_all(&pool->inbox);
	if (node != NULL)
		return reverse(node);
	for (uint32_t i = 1; i < pool->n && node == NULL; i++)
		node = take_all(&pool->workers[(worker->index + i) % pool->n].mine);
	return node;
}

/* Let the others have the rest of a chain, and wake one of them if there is something to do. */
static void publish(struct worker *worker, struct ioe__node *rest)
{
	struct ioe_workers *pool = worker->pool;
	bool more = rest != NULL;

	if (more)
		__atomic_store_n(&worker->mine, rest, __ATOMIC_SEQ_CST); /* W1 */
	if (worker->searching) {
		worker->searching = false;
		__atomic_fetch_sub(&pool->state, SEARCHER, __ATOMIC_SEQ_CST); /* F1 */
		more = has_work(pool);                                        /* F2 */
	}
	if (more)
		wake_one(pool);
}

static void run(struct worker *worker, struct ioe__node *node)
{
	struct ioe__work_owner *owner = node->owner;

	if (owner != worker->looking_at) {
		account(worker);
		/* L1. Relaxed: A1 publishes it. */
		__atomic_store_n(&worker->looking_at, owner, __ATOMIC_RELAXED);
	}
	owner->run(node);
	worker->n_unaccounted++;
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	bool stop = false;

	worker_index = worker->index;
	for (;;) {
		struct ioe__node *node = take(worker);

		if (node != NULL) {
			publish(worker, node->next);
			run(worker, node);
		} else if (stop) {
			return NULL; /* there was nothing after stop had been seen */
		} else {
			park(worker);
			stop = __atomic_load_n(&worker->pool->stop, __ATOMIC_SEQ_CST) != 0;
		}
	}
}

void ioe__workers_push(struct ioe_workers *workers, struct ioe__node *first, struct ioe__node *last)
{
	struct ioe__node *head = __atomic_load_n(&workers->inbox, __ATOMIC_RELAXED);
	struct ioe__node *top;

	/* The inbox holds the newest first: turn the chain over, so that the worker who turns all
	 * of it over again has everything in the order of its arrival. */
	last->next = NULL;
	top = reverse(first);
	do {
		first->next = head;
	} while (!__atomic_compare_exchange_n(&workers->inbox, &head, top, true, __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED)); /* P1 */
	wake_one(workers);
}

/* ---- Open and close ------------------------------------------------------------------- */

static void stop_and_free(struct ioe_workers *pool, uint32_t n_started)
{
	__atomic_store_n(&pool->stop, 1, __ATOMIC_SEQ_CST);
	wake_all(pool);
	for (uint32_t i = 0; i < n_started; i++) {
		int ret = pthread_join(pool->workers[i].thread, NULL);

		ioe__assert(ret == 0);
	}
	ioe__assert(!has_work(pool));
	free(pool);
}

int ioe__workers_open(uint32_t n, const char *name_prefix, struct ioe_workers **ret_workers)
{
	const size_t size = sizeof(struct ioe_workers) + n * sizeof(struct worker);
	struct ioe_workers *pool;

	ioe__assert(n >= 1 && n <= IOE__WORKERS_MAX);
	pool = aligned_alloc(IOE__CACHE_LINE, size);
	if (pool == NULL)
		return -ENOMEM;
	memset(pool, 0, size);
	pool->n = n;
	for (uint32_t i = 0; i < n; i++) {
		pool->workers[i].pool = pool;
		pool->workers[i].index = i;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct worker *worker = &pool->workers[i];
		char name[32];
		int ret;

		(void)snprintf(name, sizeof(name), "%s%u", name_prefix, i);
		ret = ioe__thread_start(&worker->thread, name, worker_main, worker);
		if (ret < 0) {
			stop_and_free(pool, i);
			return ret;
		}
	}
	*ret_workers = pool;
	return 0;
}

int ioe__workers_close(struct ioe_workers *workers)
{
	if (workers == NULL)
		return 0;
	/* Acquire pairs with detach: what the owners' last did is before the end. */
	if (__atomic_load_n(&workers->n_owners, __ATOMIC_ACQUIRE) != 0)
		return -EBUSY;
	stop_and_free(workers, workers->n);
	return 0;
}

void ioe__workers_attach(struct ioe_workers *workers, struct ioe__work_owner *owner)
{
	ioe__assert(owner->run != NULL);
	/* Relaxed: a number to close; closing while others attach is the caller's bug. */
	__atomic_fetch_add(&workers->n_owners, 1, __ATOMIC_RELAXED);
}

void ioe__workers_detach(struct ioe_workers *workers, struct ioe__work_owner *owner)
{
	for (uint32_t i = 0; i < workers->n; i++)
		while (__atomic_load_n(&workers->workers[i].looking_at, __ATOMIC_ACQUIRE) == owner)
			ioe__sleep_ns(DETACH_POLL_NS);               /* D2, pairs with L2 */
	__atomic_fetch_sub(&workers->n_owners, 1, __ATOMIC_RELEASE); /* pairs with close */
}
