/* SPDX-License-Identifier: MIT
 * threads.c - start a thread of the library, a good guest in somebody's process (law 12).
 *
 * Invariants: when ioe__thread_start() returns, the thread has its name and its signal mask, and
 *             looks at nothing of its starter's any more.
 * Threads:    any.
 * Ownership:  the pthread_t is the caller's, to be joined. Nothing is allocated here.
 *
 * The hand-over. The thread's start is described on the starter's stack, so that nothing need
 * be allocated; the starter sleeps on `taken` until the thread has copied it.
 *   T1 (thread)   copies the description, then stores taken = 1, release: its last access
 *   T2 (thread)   wakes the address of taken: to the kernel a name only, see ioe__futex_wake()
 *   T3 (starter)  loads taken, acquire, pairs with T1; its frame may go only after it is 1 */
#include "engine/sys.h"
#include "workers/workers.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#define THREAD_NAME_SIZE 16 /* TASK_COMM_LEN of the kernel, with the NUL */

struct thread_start {
	void *(*main)(void *);
	void *arg;
	char name[THREAD_NAME_SIZE];
	uint32_t taken;
};

static void *thread_main(void *arg)
{
	struct thread_start *start = arg;
	void *(*main)(void *) = start->main;
	void *main_arg = start->arg;
	uint32_t *taken = &start->taken;

	/* Of the thread itself it is a prctl(2), which needs no /proc. A name is a comfort: no
	 * error if a sandbox refuses it. */
	(void)pthread_setname_np(pthread_self(), start->name);
	__atomic_store_n(taken, 1, __ATOMIC_RELEASE); /* T1 */
	ioe__futex_wake(taken, 1);                    /* T2 */
	return main(main_arg);
}

static void signals_to_block(sigset_t *ret_set)
{
	/* Those that a thread causes by its own fault, or that follow it: blocking them would
	 * hide crashes (and a profiler's signal is sent to the thread it measures). */
	static const int kept[] = { SIGSEGV, SIGBUS,  SIGFPE, SIGILL,
				    SIGTRAP, SIGABRT, SIGSYS, SIGPROF };

	sigfillset(ret_set);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		sigdelset(ret_set, kept[i]);
}

int ioe__thread_start(void *ret_pthread, const char *name, void *(*main)(void *), void *arg)
{
	struct thread_start start = { .main = main, .arg = arg, .taken = 0 };
	sigset_t block;
	sigset_t before;
	pthread_t thread;
	int ret;

	/* A name that is too long keeps its head. */
	memcpy(start.name, name, strnlen(name, THREAD_NAME_SIZE - 1));
	signals_to_block(&block);
	/* A thread inherits the mask of its starter: so there is no moment at which it has a
	 * wrong one. */
	ret = pthread_sigmask(SIG_SETMASK, &block, &before);
	ioe__assert(ret == 0);
	ret = pthread_create(&thread, NULL, thread_main, &start);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ret != 0)
		return ret == ENOMEM ? -ENOMEM : -EAGAIN;
	while (__atomic_load_n(&start.taken, __ATOMIC_ACQUIRE) == 0) /* T3 */
		(void)ioe__futex_wait(&start.taken, 0, -1);
	*(pthread_t *)ret_pthread = thread;
	return 0;
}
