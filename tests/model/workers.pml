/* SPDX-License-Identifier: MIT
 * workers.pml - the parking of workers/workers.c (P1 to F2 of its argument): where a piece is queued
 *               a worker comes for it, unless all of them are running pieces; and stop is not lost.
 *
 * Pushers push chains of pieces, once each; workers take, share, steal, search and sleep. A slow
 * piece ends only when all others have been run: it holds up nobody. When all have been run the
 * closer stops the pool and joins. Chains are sets of pieces here, one bit each; what take_all()
 * looks for relaxed may be missed. Of seq_cst weakened, the one case that C11 allows is tried for
 * each store: it lands after the look behind it. (unit/test_workers_model.c has the same in C.)
 *
 * How it fails: nobody can go on before the pool has been joined (invalid end state); or at the end
 * a token is left, which counts as a thread that searches (assertion).
 *
 * scenario: one_chain: -DCHAINS=7,0,0 -DSLOW=1
 * scenario: slow_first: -DCHAINS=3,4,0 -DSLOW=1
 * scenario: slow_last: -DCHAINS=3,4,0 -DSLOW=4
 * scenario: chain: -DCHAINS=3,4,0
 *
 * mutant: NO_LOOK_ON_SLEEPING: a worker counts itself as asleep and sleeps (S2)
 * mutant: LOOK_THEN_SLEEP: it looks first and counts itself then, or S1 is a release (S1, S2)
 * mutant: NO_LOOK_ON_LEAVING: a worker that has found work does not look for more (F2)
 * mutant: LOOK_THEN_LEAVE: it looks first and stops searching then, or F1 is a release (F1, F2)
 * mutant: NO_WAKE_FOR_REST: who puts down the rest of a chain wakes nobody (W2)
 * mutant: REST_LATE: the rest may be put down after the look at state, W1 a release (W1, W2)
 * mutant: NO_WAKE_ON_PUSH: a push wakes nobody (P2)
 * mutant: PUSH_LATE: the push may land after the look at state, P1 a release (P1, P2)
 * mutant: WITHDRAW_ANYWAY: a worker goes although a waker has counted on it
 * mutant: RUN_FIRST: a worker runs its piece and publishes the rest then
 * mutant: NO_TOKEN: a wake posts no token
 * mutant: NO_LOOK_AT_STOP: a worker does not look at stop before it sleeps
 * mutant: STOP_LATE: the pool is woken first and stop set then */
#include "steps.inc"

#define WORKERS	 2
#define SEARCHER 8
#define SLEEPERS 7
#define ALL	 7

#ifndef SLOW
#define SLOW 0
#endif
#ifndef CHAINS
#define CHAINS 3, 4, 0
#endif

byte inbox, done;
byte mine[WORKERS];
byte state; /* [ searching | sleepers ] */
byte tokens;
byte n_ended;
bool stop;

/* wake_one(): P2, W2 */
inline wake_one()
{
	seen = state;
	do
	:: (seen & SLEEPERS) != 0 && seen < SEARCHER ->
		CAS(state, seen, seen - 1 + SEARCHER, did);
		if
		:: did ->
#ifndef NO_TOKEN
			tokens++;
#endif
			break
		:: else
		fi
	:: else -> break
	od;
	seen = 0;
	did = false
}

/* take_all(): relaxed, it may miss */
inline take_from(place)
{
	if
	:: hand == 0 && place != 0 -> EXCHANGE(place, 0, hand)
	:: true
	fi
}

/* has_work(), a look at each place */
inline look()
{
	has_work = (inbox != 0);
	if
	:: !has_work -> has_work = (mine[0] != 0)
	:: else
	fi;
	if
	:: !has_work -> has_work = (mine[1] != 0)
	:: else
	fi
}

/* publish(): of what is in the hand the first piece stays there. */
inline publish()
{
	d_step {
		if
		:: hand & 1 -> first = 1
		:: else -> first = (hand & 2 -> 2 : 4)
		fi;
		rest = hand & ~first;
		hand = first;
		first = 0;
		more = (rest != 0)
	};
#ifdef RUN_FIRST
	run_piece();
#endif
#ifndef REST_LATE
	if
	:: rest != 0 -> mine[me] = rest /* W1 */
	:: else
	fi;
#endif
	if
	:: searching ->
		searching = false;
#ifdef LOOK_THEN_LEAVE
		look();
		state = state - SEARCHER;
#else
		state = state - SEARCHER; /* F1 */
#ifndef NO_LOOK_ON_LEAVING
		look(); /* F2 */
#endif
#endif
#ifdef NO_LOOK_ON_LEAVING
		has_work = false;
#endif
#ifdef REST_LATE
		more = has_work || rest != 0;
#else
		more = has_work;
#endif
		has_work = false
	:: else
#ifdef NO_WAKE_FOR_REST
		-> more = false
#endif
	fi;
	if
	:: more -> wake_one(); more = false
	:: else
	fi;
#ifdef REST_LATE
	if
	:: rest != 0 -> mine[me] = rest
	:: else
	fi;
#endif
	rest = 0
}

inline run_piece()
{
	d_step {
		!(hand & SLOW) || (done | hand) == ALL -> done = done | hand; hand = 0
	}
}

inline count_sleeper()
{
	d_step {
		state = state + 1 - (searching -> SEARCHER : 0); /* S1 */
		searching = false
	}
}

/* withdraw(): did, whether this worker has taken itself out of the sleepers. */
inline withdraw()
{
	seen = state;
	did = false;
	do
	:: !did && (seen & SLEEPERS) != 0 -> CAS(state, seen, seen - 1, did)
	:: else -> break
	od;
#ifdef WITHDRAW_ANYWAY
	did = true;
#endif
	seen = 0
}

inline park()
{
#ifdef LOOK_THEN_SLEEP
	look();
	count_sleeper();
#else
	count_sleeper();
#ifndef NO_LOOK_ON_SLEEPING
	look(); /* S2 */
#endif
#endif
#ifndef NO_LOOK_AT_STOP
	if
	:: !has_work -> has_work = stop
	:: else
	fi;
#endif
	if
	:: has_work -> withdraw(); has_work = false
	:: else
	fi;
	if
	:: did -> did = false
	:: else ->
		/* The futex compares under its lock. */
		d_step { tokens > 0 -> tokens-- };
		searching = true
	fi
}

proctype worker(byte me)
{
	byte hand, first, rest, seen;
	bool searching, stopping, more, has_work, did;

	do
	:: true ->
		take_from(mine[me]);
		take_from(inbox);
		take_from(mine[1 - me]);
		if
		:: hand != 0 ->
			publish();
#ifndef RUN_FIRST
			run_piece()
#endif
		:: hand == 0 && stopping -> break
		:: else -> park(); stopping = stop
		fi
	od;
	n_ended++
}

proctype pusher(byte chain)
{
	byte seen;
	bool did;

#ifdef PUSH_LATE
	wake_one();
	inbox = inbox | chain;
#else
	inbox = inbox | chain; /* P1 */
#ifndef NO_WAKE_ON_PUSH
	wake_one();
#endif
#endif
}

/* stop_and_free() */
inline wake_all()
{
	seen = state;
	did = false;
	do
	:: !did ->
		n = seen & SLEEPERS;
		CAS(state, seen, seen - n + n * SEARCHER, did)
	:: else -> break
	od;
	tokens = tokens + n
}

active proctype closer()
{
	byte seen, n;
	bool did;

	done == ALL;
#ifdef STOP_LATE
	wake_all();
	stop = true;
#else
	stop = true;
	wake_all();
#endif
	n_ended == WORKERS;
	/* And there was a token for each thread that slept, no more. */
	assert(inbox == 0 && mine[0] == 0 && mine[1] == 0 && tokens == 0)
}

#define RUN_PUSHERS(a, b, c)    \
	run pusher(a);          \
	if                      \
	:: b != 0 -> run pusher(b) \
	:: else                 \
	fi;                     \
	if                      \
	:: c != 0 -> run pusher(c) \
	:: else                 \
	fi
#define RUN_CHAINS(chains) RUN_PUSHERS(chains)

init
{
	atomic {
		run worker(0);
		run worker(1);
		RUN_CHAINS(CHAINS)
	}
}
