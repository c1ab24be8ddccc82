/* SPDX-License-Identifier: MIT
 * waiting.pml - W1 to E2 of engine/wait.c: who waits for an event is woken when it ends, though the
 *               driver sends the wakes of a round together, and sleepers share a word.
 *
 * Waiters submit an event each and wait for it, again and again, or all wait for one. The driver
 * ends events one at a time, and sends its wakes whenever it likes, but before it has nothing left
 * to do. A place is a bit; all places are of one word.
 *
 * How it fails: a waiter asleep whose event is done (invalid end state).
 *
 * scenario: own: -DWAITERS=2 -DROUNDS=2
 * scenario: many: -DWAITERS=3 -DROUNDS=1
 * scenario: shared: -DWAITERS=2 -DROUNDS=2 -DSHARED
 * scenario: one_event: -DWAITERS=3 -DROUNDS=1 -DONE_EVENT
 *
 * mutant: NO_SECOND_LOOK: a waiter does not look at its event after it has read the count (W3)
 * mutant: LOOK_FIRST: W2 is relaxed: the look may come before the count is read (W2, W3)
 * mutant: OWN_PLACE: a waiter who finds a place noted in the event sleeps at its own
 * mutant: END_SPLIT: the driver looks at the event's word, and stores DONE then (E1)
 * mutant: NOTES_NOTHING: the driver does not note who waits (E1)
 * mutant: COUNT_FIRST: E2 does not release: the count may be seen before the end of the event
 * mutant: NO_COUNT: the driver wakes without counting (E2)
 * mutant: COUNT_LAST: the driver wakes first and counts then (E2)
 * mutant: SENT_LATE: wakes are sent when the next event ends, or never
 * mutant: WAKES_ONE: only one of those at a place is woken */
#include "steps.inc"

#define NOBODY 255

/* An event's word; WAITED_FOR + a place. */
#define IDLE	   0
#define IN_ENGINE  1
#define DONE	   2
#define COLLECTED  3
#define WAITED_FOR 4

byte event[WAITERS];
byte count;
byte sleeps_at[WAITERS] = NOBODY;

#ifdef ONE_EVENT
#define EVENT_OF(me) 0
#else
#define EVENT_OF(me) me
#endif
#ifdef SHARED
#define PLACE_OF(me) 0
#else
#define PLACE_OF(me) me
#endif

/* sleep_at(): the place in state. */
inline sleep_at()
{
#ifdef LOOK_FIRST
	EARLY_LOOK(again, event[EVENT_OF(me)], looked);
#endif
	seen = count; /* W2 */
#ifdef NO_SECOND_LOOK
	again = state;
#else
	LOOK_UNLESS_EARLY(again, event[EVENT_OF(me)], looked); /* W3 */
#endif
	if
	:: again == state ->
		/* The futex compares under its lock. */
		d_step {
			if
			:: count == seen -> sleeps_at[me] = place
			:: else
			fi;
			seen = 0;
			again = 0;
			state = 0
		};
		sleeps_at[me] == NOBODY
	:: else
	fi;
	d_step { seen = 0; again = 0; state = 0 }
}

proctype waiter(byte me)
{
	byte round, state, again, seen, place;
	bool did, looked;

	do
	:: round < ROUNDS ->
#ifndef ONE_EVENT
		event[me] = IN_ENGINE;
#endif
		do
		:: true ->
			state = DONE;
			CAS(event[EVENT_OF(me)], state, COLLECTED, did);
			if
			:: did || state == COLLECTED -> break
			:: else
			fi;
			state = IN_ENGINE;
			CAS(event[EVENT_OF(me)], state, WAITED_FOR + PLACE_OF(me), did); /* W1 */
			d_step {
				if
				:: did -> state = WAITED_FOR + PLACE_OF(me)
				:: else
				fi;
				place = state - WAITED_FOR;
				did = false
			};
#ifdef OWN_PLACE
			place = PLACE_OF(me);
#endif
			if
			:: state >= WAITED_FOR -> sleep_at()
			:: else
			fi
		od;
		round++;
		d_step { did = false; state = 0; place = 0 }
	:: else -> break
	od
}

#define IS_HELD(e) (event[e] == IN_ENGINE || event[e] >= WAITED_FOR)

/* ioe__event_hand_over(): E1 */
inline end_event(e)
{
#ifdef END_SPLIT
	was = event[e];
	event[e] = DONE;
#else
	EXCHANGE(event[e], DONE, was);
#endif
	d_step {
		if
#ifndef NOTES_NOTHING
		:: was >= WAITED_FOR -> noted = noted | (1 << (was - WAITED_FOR))
#endif
		:: else
		fi;
		was = 0
	}
}

inline wake_noted()
{
	d_step {
		i = 0;
		do
		:: i < WAITERS ->
			if
			:: sleeps_at[i] != NOBODY && (noted & (1 << sleeps_at[i])) != 0 ->
				sleeps_at[i] = NOBODY;
#ifdef WAKES_ONE
				break
#endif
			:: else
			fi;
			i++
		:: else -> break
		od
	};
	d_step { i = 0; noted = 0 }
}

/* ioe__wakes_send(): E2 */
inline send()
{
#if !defined(NO_COUNT) && !defined(COUNT_LAST)
	if
	:: counted -> counted = false
	:: else -> count++
	fi;
#endif
	wake_noted();
#ifdef COUNT_LAST
	count++
#endif
}

active proctype driver()
{
	byte e, was, noted, i;
	bool counted;

end_of_work:
	do
	:: d_step { IS_HELD(0) -> e = 0 } -> goto work
	:: d_step { IS_HELD(1) -> e = 1 } -> goto work
#if WAITERS > 2
	:: d_step { IS_HELD(2) -> e = 2 } -> goto work
#endif
#ifndef SENT_LATE
	:: noted != 0 -> goto flush
#endif
	od;
work:
#ifdef SENT_LATE
	if
	:: noted != 0 -> send()
	:: else
	fi;
#endif
#ifdef COUNT_FIRST
	if
	:: !counted -> count++; counted = true
	:: true
	fi;
#endif
	end_event(e);
	e = 0;
	goto end_of_work;
flush:
	send();
	goto end_of_work
}

init
{
	atomic {
		byte i;

#ifdef ONE_EVENT
		event[0] = IN_ENGINE;
#endif
		for (i : 0 .. WAITERS - 1) {
			run waiter(i)
		}
	}
}
