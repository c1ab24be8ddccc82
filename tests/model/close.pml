/* SPDX-License-Identifier: MIT
 * close.pml - C5 of channel/README.md and the seven steps of engine/engine.c: close against threads
 *             that submit, sleep for room, drain, or submit in callbacks.
 *
 * The closer begins at any moment at which no other thread is just beginning a call (that would be
 * the caller's bug, law 11): producers may be anywhere behind their compare-and-swap, asleep too; a
 * guest is in drain. The kernel may keep an event until it is told to cancel, so that nothing ends
 * by itself; a worker runs the callbacks, which free the event, and once submit by force. That the
 * driver wakes for a push or a command is parking.pml's: here it just does.
 *
 * How it fails: a touch of memory that has been freed, an event without its callback at the end, an
 * event touched after its push (assertions); somebody who never ends (invalid end state).
 *
 * scenario: one: -DPRODUCERS=1 -DROUNDS=3 -DGUESTS=1
 * scenario: two: -DPRODUCERS=2 -DROUNDS=1 -DGUESTS=1
 *
 * mutant: TAKE_LOOKS_NOT_AT_CLOSING: who takes credit does not look at the closing bit
 * mutant: ENTER_LOOKS_NOT_AT_CLOSING: who enters, to sleep or by force, does not
 * mutant: CLOSE_SPLIT: close sets its bit by a load and a store
 * mutant: CLOSE_IN_SILENCE: close does not advance the event count
 * mutant: SLEEP_OUTSIDE: a producer is not inside while it sleeps
 * mutant: SENT_AWAY_STAYS_INSIDE: a sleeper that close sends away does not leave
 * mutant: LEAVE_RELAXED: the look at parked may come after the subtraction of leave
 * mutant: TOUCH_EVENT: a producer reads its event after the push
 * mutant: NO_WAIT_LEFT: close does not wait for those inside (step 2)
 * mutant: STOP_FIRST: close commands STOP before those inside have left (step 4 before 2)
 * mutant: NO_WAIT_GUESTS: close does not wait for those in drain (step 3)
 * mutant: NO_POKE: close does not wake those in drain
 * mutant: GUEST_LOOKS_NOT: who drains does not look at closing again
 * mutant: NO_JOIN: close does not wait for the driver (step 5)
 * mutant: FREE_BEFORE_CALLBACKS: close does not wait for the callbacks (step 6) */
#ifndef PRODUCERS
#define PRODUCERS 2
#define ROUNDS	  2
#define GUESTS	  0
#endif
#define CAPACITY   1
#define N_SLEEPERS PRODUCERS
#define NOW_INSIDE n_beginning--
#include "steps.inc"

byte n_beginning = GUESTS; /* calls that have begun and are not inside */
bool has_begun;	  /* close: from here on nobody begins */
#include "gate.inc"

#define STOP   1
#define CANCEL 2

byte queue;    /* pushed, not taken */
byte finished; /* with the worker */
byte n_done;   /* the account: callbacks that have returned */
byte command;
bool driver_ended;
bool closing; /* for those in drain */
byte n_guests;
bool poked;

/* An event of each producer: nobody's memory once its callback has run. */
bool event_is_live[PRODUCERS];

/* ioe__channel_notify(): a look at parked, a call of the backend */
#define NOTIFY TOUCH

proctype producer(byte me)
{
	GATE_LOCALS;
	short k;
	byte round;

	do
	:: round < ROUNDS ->
		d_step {
			k = has_begun;
			n_beginning = n_beginning + (has_begun -> 0 : 1)
		};
		if
		:: k == 1 -> break
		:: else
		fi;
		reserve(1, k);
		if
		:: k < 0 -> break
		:: else
		fi;
		if
		:: me == 0 && round == 2 -> unreserve(k)
		:: else ->
			d_step { TOUCH; event_is_live[me] = true; queue++ };
#ifdef TOUCH_EVENT
			assert(event_is_live[me]);
#endif
#ifndef LEAVE_RELAXED
			NOTIFY;
#endif
		fi;
		leave();
#ifdef LEAVE_RELAXED
		NOTIFY;
#endif
		k = 0;
		round++
	:: else -> break
	od
}

active proctype driver()
{
	GATE_LOCALS;
	byte seen, pending;
	bool in_kernel;

	do
	:: true ->
		d_step { TOUCH; seen = command };
		d_step { TOUCH; pending = pending + queue; queue = 0 };
		if
		:: seen & CANCEL ->
			/* What the kernel has comes back; the rest it is not given. */
			d_step {
				finished = finished + pending + in_kernel;
				restored = restored + pending;
				n_used = n_used - pending;
				pending = 0;
				in_kernel = false
			};
			ec_inc()
		:: !(seen & CANCEL) && pending > 0 && !in_kernel ->
			d_step { pending--; restored++; n_used-- };
			ec_inc();
			if
			:: in_kernel = true /* and stays there */
			:: finished++
			fi
		:: else
		fi;
		if
		:: (seen & STOP) && pending == 0 && !in_kernel && queue == 0 -> break
		:: else
		fi;
		(queue > 0 || command != seen || (pending > 0 && !in_kernel))
	od;
	driver_ended = true
}

active proctype worker()
{
	GATE_LOCALS;
	short k;
	byte i;
	bool has_submitted;

end_idle:
	do
	:: finished > 0 ->
		d_step {
			finished--;
			for (i : 0 .. PRODUCERS - 1) {
				event_is_live[i] = false
			};
			i = 0
		};
		if
		:: !has_submitted ->
			has_submitted = true;
			enter(1, INSIDE, k);
			if
			:: k > 0 -> d_step { TOUCH; queue++ }; NOTIFY; leave()
			:: else
			fi;
			k = 0
		:: else
		fi;
		d_step { TOUCH; n_done++ }
	od
}

/* ioe_engine_drain() */
proctype guest()
{
	byte seen_done;
	bool is_drained;

	d_step { TOUCH; n_guests++; n_beginning-- };
	do
	:: true ->
#ifndef GUEST_LOOKS_NOT
		if
		:: closing -> break
		:: else
		fi;
#endif
		d_step { TOUCH; seen_done = n_done };
		d_step { TOUCH; is_drained = (gate / COUNT == seen_done) };
		if
		:: is_drained -> break
		:: else -> d_step { n_done != seen_done || poked -> poked = false }
		fi
	od;
	skip;
	d_step { TOUCH; n_guests-- }
}

/* ioe_engine_close(CANCEL), by its seven steps */
active proctype closer()
{
	GATE_LOCALS;
	byte total;
	bool has_poked;

	d_step { n_beginning == 0 -> has_begun = true };
	closing = true;
	/* 1 */
#ifdef CLOSE_SPLIT
	seen_gate = gate;
	gate = seen_gate | CLOSING;
	seen_gate = 0;
#else
	gate = gate | CLOSING;
#endif
#ifndef CLOSE_IN_SILENCE
	ec_inc();
#endif
#ifdef STOP_FIRST
	command = STOP | CANCEL;
#endif
	/* 2 */
#ifndef NO_WAIT_LEFT
	(gate & INSIDE_MASK) == 0;
#endif
	/* 3: pokes until they have gone; one is enough, so here there is but one */
	do
#ifdef NO_WAIT_GUESTS
	:: true -> break
#else
	:: n_guests == 0 -> break
#endif
#ifndef NO_POKE
	:: d_step { n_guests > 0 && !has_poked -> poked = true; has_poked = true }
#endif
	od;
	/* 4 */
	command = STOP | CANCEL;
	/* 5 */
#ifndef NO_JOIN
	driver_ended;
#endif
	total = gate / COUNT;
	/* 6 */
#ifndef FREE_BEFORE_CALLBACKS
	n_done == total;
#endif
	/* 7 */
	d_step {
		freed = true;
		assert(queue == 0 && finished == 0 && n_done == total)
	}
}

init
{
	atomic {
		byte i;

		for (i : 0 .. PRODUCERS - 1) {
			run producer(i)
		};
		if
		:: GUESTS > 0 -> run guest()
		:: else
		fi
	}
}
