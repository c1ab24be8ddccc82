/* SPDX-License-Identifier: MIT
 * account.pml - the account and detach of workers/workers.c (A1 to B3, L1 to D2 of its argument):
 *               who waits for pieces to be done is woken, and no worker touches the
 *               owner's memory when detach has returned.
 *
 * Workers run a piece, account for it, and again. The owner waits, wait by wait, until all is done,
 * detaches, and frees. The relaxed store L1 is let be late here, as late as A1 allows.
 *
 * How it fails: the owner asleep with all done (invalid end state); a touch of what has been freed,
 * or a piece that has not run (assertions).
 *
 * mutant: RELEASE_A1: A1 is a release: the look at n_waiters may come before it (A1, A2)
 * mutant: NO_LOOK_AT_WAITERS: a worker wakes nobody
 * mutant: NO_CHANGE: a worker wakes without changing wait_word
 * mutant: NO_LOOK_AT_DONE: the waiter sleeps without another look at n_done (B3)
 * mutant: COUNTED_LATE: the waiter counts itself after its look at n_done (B1 behind B3)
 * mutant: WORD_LATE: the waiter reads wait_word after its look at n_done (B2 behind B3)
 * mutant: RELEASE_B1: B1 is a release: the look at n_done may come before it (B1, B3)
 * mutant: ACCOUNTED_FIRST: a piece counts before it has run
 * mutant: LEFT_EARLY: a worker says that it has left (L2) before it changes wait_word
 * mutant: L1_AFTER_A1: L1 is not published by A1
 * mutant: NO_DETACH: the owner frees when all is done (no D2) */
#include "steps.inc"

#define WORKERS 2
#ifndef PIECES
#define PIECES 2 /* of each worker */
#endif
#define ALL (WORKERS * PIECES)

byte n_done, n_waiters, wait_word;
bool looking_at[WORKERS];
bool asleep; /* the owner, on wait_word */
bool freed;
byte n_run; /* what is right */

#define TOUCH assert(!freed)

proctype worker(byte me)
{
	byte n;
	bool wake, looked;

	do
	:: n < PIECES ->
#ifndef ACCOUNTED_FIRST
		d_step { TOUCH; n_run++ }; /* the piece */
#endif
#ifndef L1_AFTER_A1
		looking_at[me] = true; /* L1 */
#endif
#ifdef RELEASE_A1
		d_step { TOUCH; wake = (n_waiters != 0) };
		d_step { TOUCH; n_done++ };
#else
		d_step { TOUCH; n_done++ }; /* A1 */
#endif
#ifdef L1_AFTER_A1
		looking_at[me] = true;
#endif
#ifdef ACCOUNTED_FIRST
		d_step { TOUCH; n_run++ };
#endif
#ifndef RELEASE_A1
		d_step { TOUCH; wake = (n_waiters != 0) }; /* A2 */
#endif
#ifdef NO_LOOK_AT_WAITERS
		wake = false;
#endif
#ifdef LEFT_EARLY
		looking_at[me] = false;
#endif
#ifndef NO_CHANGE
		if
		:: wake -> d_step { TOUCH; wait_word++ }
		:: else
		fi;
#endif
#ifndef LEFT_EARLY
		looking_at[me] = false; /* L2 */
#endif
		/* A futex wakes by the name of its address. */
		if
		:: wake -> asleep = false
		:: else
		fi;
		wake = false;
		n++
	:: else -> break
	od
}

/* ioe__work_owner_wait() */
inline wait(seen)
{
#ifdef RELEASE_B1
	EARLY_LOOK(done, n_done, looked);
#endif
#ifndef COUNTED_LATE
	n_waiters++; /* B1 */
#endif
#ifndef WORD_LATE
	word = wait_word; /* B2 */
#endif
	LOOK_UNLESS_EARLY(done, n_done, looked); /* B3 */
#ifdef NO_LOOK_AT_DONE
	done = seen;
#endif
#ifdef COUNTED_LATE
	n_waiters++;
#endif
#ifdef WORD_LATE
	word = wait_word;
#endif
	if
	:: done == seen ->
		d_step {
			if
			:: wait_word == word -> asleep = true
			:: else
			fi
		};
		!asleep
	:: else
	fi;
	n_waiters--;
	word = 0;
	done = 0
}

active proctype owner()
{
	byte seen, done, word, i;
	bool looked;

	do
	:: true ->
		seen = n_done; /* D1, when it is all */
		if
		:: seen == ALL -> assert(n_run == ALL); break
		:: else -> wait(seen)
		fi
	od;
#ifndef NO_DETACH
	do
	:: i < WORKERS -> !looking_at[i]; i++ /* D2 */
	:: else -> break
	od;
#endif
	freed = true
}

init
{
	atomic {
		byte i;

		for (i : 0 .. WORKERS - 1) {
			run worker(i)
		}
	}
}
