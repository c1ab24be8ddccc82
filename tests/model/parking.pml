/* SPDX-License-Identifier: MIT
 * parking.pml - C4 of channel/README.md: no driver sleeps for ever while there is a node, or a
 *               command (engine/driver.c, the top); one sleep costs one wake.
 *
 * Producers push a node to a driver that may be anywhere on its way to sleep, and wait for the
 * callback before the next: nobody comes to the rescue of a wake-up that is lost. A commander does
 * the same with commands. The list itself is list.pml's: here head is a set of nodes, one bit each.
 *
 * What is weaker than seq_cst in the code is so here: the store of unpark stays in a store buffer
 * as long as it likes, and the relaxed look of take may miss a node.
 *
 * How it fails: driver asleep, somebody waiting (invalid end state); an assertion.
 *
 * mutant: NO_SECOND_LOOK: park does not look at head after its store (P2)
 * mutant: LOOK_BEFORE_PARK: park looks first and stores then
 * mutant: PARK_RELEASE: park's store is a release: it may land after the look (P1, P2)
 * mutant: PUSH_RELEASE: the push is a release: the look at parked may come first (P3, P4)
 * mutant: NOTIFY_FIRST: push looks at parked and pushes then
 * mutant: NO_NOTIFY: push does not look at parked
 * mutant: EXCHANGE_SPLIT: notify stores 0 without an exchange
 * mutant: WAKE_NOT_KEPT: a wake is lost on a driver that is not asleep yet
 * mutant: UNPARK_AFTER_SLEEP: no unpark after a sleep
 * mutant: UNPARK_WHEN_REFUSED: no unpark when park has found a node
 * mutant: COMMAND_RELEASE: a command is a release: the look at parked may come first
 * mutant: NO_LOOK_AT_COMMAND: the driver does not look at the commands again when it is parked
 * mutant: SEEN_LATE: the driver reads what it compares with after it has acted */
#include "steps.inc"

#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif

byte head; /* a set of nodes */
bool parked;
byte command, acted; /* set by the commander; what of it the driver has acted on */
byte called;	     /* nodes whose callback has run */
byte tokens;	     /* of the backend: an eventfd's count, a word under the lock of its futex */
#ifdef WAKE_NOT_KEPT
bool asleep;
#endif

/* The driver's store buffer: a store to parked that has not landed. */
#define NOTHING 2
byte buffered = NOTHING;

/* One wake is there to be had for each time that the driver has declared itself parked. */
bool has_wake;

active proctype store_buffer()
{
end_empty:
	do
	:: d_step { buffered != NOTHING -> parked = buffered; buffered = NOTHING }
	od
}

/* backend->wake() */
inline wake()
{
#ifdef WAKE_NOT_KEPT
	d_step {
		if
		:: asleep -> tokens = 1
		:: else
		fi
	}
#else
	tokens = 1
#endif
}

/* ioe__channel_notify(), P4. It may have looked early, if a mutant lets it. */
inline notify()
{
	LOOK_UNLESS_EARLY(look, parked, looked);
	if
	:: look ->
		d_step {
#ifndef EXCHANGE_SPLIT
			look = parked;
#endif
			parked = false;
			if
			:: look -> assert(has_wake); has_wake = false
			:: else
			fi
		};
		if
		:: look -> wake()
		:: else
		fi
	:: else
	fi
}

proctype producer(byte node)
{
	byte round;
	bool look, looked;

	do
	:: round < ROUNDS ->
#ifdef NOTIFY_FIRST
		notify();
#endif
#ifdef PUSH_RELEASE
		EARLY_LOOK(look, parked, looked);
#endif
		head = head | node; /* P3: compare-and-swap, seq_cst */
#if !defined(NO_NOTIFY) && !defined(NOTIFY_FIRST)
		notify();
#endif
		d_step { (called & node) -> called = called & ~node; look = false; round++ }
	:: else -> break
	od
}

/* ioe__driver_command() */
proctype commander()
{
	bool look, looked;

	do
	:: command < ROUNDS ->
#ifdef COMMAND_RELEASE
		EARLY_LOOK(look, parked, looked);
#endif
		command++; /* fetch_add, seq_cst */
		notify();
		d_step { acted == command -> look = false }
	:: else -> break
	od
}

/* A seq_cst store lands at once, after what its thread has stored before. */
inline store_parked()
{
	d_step { buffered == NOTHING -> parked = true; has_wake = true }
}

/* ioe__channel_unpark(): relaxed. Stores of one thread to one word land in their order. */
inline unpark()
{
	d_step { buffered == NOTHING -> buffered = false }
}

/* ioe__channel_park(): ret, whether the driver may sleep. */
inline park(ret)
{
#if defined(LOOK_BEFORE_PARK)
	ret = (head == 0);
	store_parked();
#elif defined(PARK_RELEASE)
	d_step { buffered == NOTHING -> buffered = true; has_wake = true };
	ret = (head == 0);
#else
	store_parked(); /* P1 */
	ret = (head == 0);   /* P2 */
#endif
#ifdef NO_SECOND_LOOK
	ret = true;
#endif
	if
	:: !ret ->
#ifndef UNPARK_WHEN_REFUSED
		unpark()
#else
		skip
#endif
	:: else
	fi
}

/* commit() of a backend, with a timeout without end. */
inline sleep()
{
#ifdef WAKE_NOT_KEPT
	asleep = true;
#else
	skip;
#endif
end_asleep:
	d_step { tokens > 0 -> tokens = 0 };
#ifdef WAKE_NOT_KEPT
	asleep = false
#endif
}

/* The loop of driver.c, as far as it sleeps. */
active proctype driver()
{
	byte seen, taken;
	bool may_sleep;

	do
	:: true ->
		assert(!parked || buffered == false); /* awake, and known to be */
		taken = 0;
		seen = command;
		acted = seen;
#ifdef SEEN_LATE
		seen = command;
#endif
		if
		:: head != 0 -> EXCHANGE(head, 0, taken)
		:: true /* relaxed: it may miss what is there */
		fi;
		if
		:: taken != 0 -> called = called | taken
		:: else ->
			park(may_sleep);
			if
			:: may_sleep ->
#ifndef NO_LOOK_AT_COMMAND
				if
				:: command != seen
				:: else -> sleep()
				fi;
#else
				sleep();
#endif
#ifndef UNPARK_AFTER_SLEEP
				unpark()
#endif
			:: else
			fi
		fi
	od
}

init
{
	atomic {
		byte i;

		for (i : 0 .. PRODUCERS - 1) {
			run producer(1 << i)
		}
		run commander()
	}
}
