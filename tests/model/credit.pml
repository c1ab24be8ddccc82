/* SPDX-License-Identifier: MIT
 * credit.pml - C2 and C3 of channel/README.md: never more is accepted and not started than there is
 *              capacity (callbacks aside), and no producer sleeps for ever while there is room.
 *
 * Producers reserve one credit or two, push, and leave; the last of them does what a caller does
 * whose event turns out to be in the engine already: it gives its credit back unused. The driver
 * has one slot: it starts an event, restores, announces by the rules of ioe__driver_step(), and
 * sleeps or polls. A callback takes credit by force, once (law 9). That the driver wakes for a push
 * is parking.pml's: here it just does.
 *
 * How it fails: a producer asleep, nobody to wake it (invalid end state); C2 (assertion).
 *
 * scenario: one: -DCAPACITY=1 -DPRODUCERS=2 -DBATCH=1 -DROUNDS=1
 * scenario: batch: -DCAPACITY=4 -DPRODUCERS=2 -DBATCH=4 -DROUNDS=1
 * scenario: hung: -DCAPACITY=3 -DPRODUCERS=2 -DBATCH=3 -DROUNDS=1 -DHUNG
 * scenario: two_rounds: -DCAPACITY=1 -DPRODUCERS=2 -DBATCH=1 -DROUNDS=2
 * scenario: three: -DCAPACITY=1 -DPRODUCERS=3 -DBATCH=1 -DROUNDS=1
 *
 * mutant: RESERVE_SPLIT: credit is taken without comparing
 * mutant: ROOM_NOT_AGAIN: after a failed compare-and-swap the old room counts
 * mutant: SEEN_AFTER_LOOK: E2 before E1: the event count is read after the look for room
 * mutant: ADVANCE_FIRST: E4 before E3: announced first, restored then (or: seen late)
 * mutant: NO_ANNOUNCE_BEFORE_SLEEP: the driver sleeps on credit that it has not announced
 * mutant: NO_ANNOUNCE_WITHOUT_WORK: nor does it announce when a round has brought nothing
 * mutant: UNRESERVE_IN_SILENCE: credit given back does not advance the event count
 * mutant: WAKE_WITHOUT_FLAG: a sleeper does not say so
 * mutant: RESTORE_TWICE: an event's credit comes back when it starts and when it ends
 * mutant: FORCE_UNCOUNTED: what a callback takes by force is not counted as reserved */
#ifndef CAPACITY
#define CAPACITY 1
#endif
#ifndef PRODUCERS
#define PRODUCERS 3
#endif
#ifndef BATCH
#define BATCH 1
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#define N_SLEEPERS PRODUCERS
#include "steps.inc"
#include "gate.inc"

byte queue;	 /* pushed, not taken */
byte n_unannounced;
bool in_kernel, completed;

proctype producer(byte me)
{
	GATE_LOCALS;
	short k;
	byte round;

	do
	:: round < ROUNDS ->
		/* The first asks for a batch, the others for one. */
		if
		:: me == 0 -> reserve(BATCH, k)
		:: else -> reserve(1, k)
		fi;
		if
		:: me == PRODUCERS - 1 && round == 0 -> unreserve(k)
		:: else -> queue = queue + k
		fi;
		leave();
		d_step { k = 0; round++ }
	:: else -> break
	od
}

#define ROOM (CAPACITY - (gate / COUNT - restored))
#ifdef HUNG
/* While somebody sleeps beside room nothing completes, lest that come to the rescue. */
#define HANGS ((asleep[0] || asleep[1]) && ROOM > 0)
#else
#define HANGS false
#endif

active proctype kernel()
{
end_idle:
	do
	:: d_step { in_kernel && !completed && !HANGS -> completed = true }
	od
}

inline announce()
{
	if
	:: n_unannounced > 0 -> n_unannounced = 0; ec_inc()
	:: else
	fi
}

/* ioe__channel_restore(1) */
inline restore()
{
#ifdef ADVANCE_FIRST
	ec_inc();
	restored++;
#else
	restored++;	 /* E3 */
	n_unannounced++;
	if
	:: 2 * n_unannounced >= CAPACITY -> announce() /* E4 */
	:: else
	fi
#endif
}

/* ioe__driver_step(), as far as credit goes. */
active proctype driver()
{
	GATE_LOCALS;
	short k;
	byte pending, taken;
	bool has_forced, may_sleep, goes_on, starts;

	do
	:: true ->
		/* absorb, stage */
		EXCHANGE(queue, 0, taken);
		pending = pending + taken;
		starts = pending > 0 && !in_kernel;
		if
		:: starts -> d_step { pending--; in_kernel = true; n_used-- }; restore()
		:: else
		fi;
		/* Asked to wait for work, or to look and come back. */
		if
		:: may_sleep = true
		:: may_sleep = false
		fi;
		if
#ifndef NO_ANNOUNCE_BEFORE_SLEEP
		:: may_sleep -> announce()
#endif
#ifndef NO_ANNOUNCE_WITHOUT_WORK
		:: !may_sleep && taken == 0 -> announce()
#endif
		:: else
		fi;
		/* commit: to look again where nothing has changed would change nothing, so polling
		 * goes on by itself only after a round that has brought something. */
		d_step {
			goes_on = !may_sleep && taken > 0;
			taken = 0;
			may_sleep = false;
			starts = false
		};
		if
		:: goes_on -> goes_on = false
		:: else ->
			skip;
end_asleep:		(queue > 0 || completed)
		fi;
		/* reap, and the callback on this thread */
		if
		:: completed ->
			d_step { completed = false; in_kernel = false };
#ifdef RESTORE_TWICE
			restore();
#endif
			if
			:: !has_forced ->
				has_forced = true;
#ifdef FORCE_UNCOUNTED
				enter(0, INSIDE, k);
				k = 1;
				n_used++;
#else
				enter(1, INSIDE, k);
#endif
				queue = queue + k;
				leave();
				k = 0
			:: else
			fi
		:: else
		fi
	od
}

init
{
	atomic {
		byte i;

		for (i : 0 .. PRODUCERS - 1) {
			run producer(i)
		}
	}
}
