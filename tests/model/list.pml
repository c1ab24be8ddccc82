/* SPDX-License-Identifier: MIT
 * list.pml - C1 of channel/README.md: every node is taken once, in the order of its push.
 *
 * Three producers push a chain of two nodes and two single ones, each several times, and each as
 * soon as its last callback has begun: the same addresses come back (ABA), while others are in the
 * middle of a push. The driver takes all, turns the list round, and calls.
 *
 * How it fails: a node lost is a producer that waits for ever (invalid end state); taken twice, out
 * of order, or with a link that is not its own: an assertion.
 *
 * mutant: PUSH_SPLIT: push stores head without comparing
 * mutant: PUSH_STALE: after a failed compare-and-swap the old head stays the link
 * mutant: PUSH_RELAXED: the push does not publish the link written before it (no release)
 * mutant: TAKE_RELAXED: the link is read as it stood before (no acquire)
 * mutant: TAKE_SPLIT: take loads head, then stores NULL
 * mutant: TAKE_UNTURNED: the list is not turned round
 * mutant: CHAIN_UNTURNED: push does not turn its chain round
 * mutant: LINK_AFTER_CALL: the driver reads the link of a node after its callback */
#include "steps.inc"

#ifndef ROUNDS
#define ROUNDS 2
#endif
#define NODES 4 /* 1 and 2 are a chain, then single ones; 0 is NULL */

byte head;
byte next[NODES + 1];
#ifdef TAKE_RELAXED
byte next_before[NODES + 1];
#endif

/* What is right: the order of pushes, and which are in the list. */
byte n_pushed, n_called;
byte place[NODES + 1];  /* number of its push, from 1; 0: with its producer */
byte called[NODES + 1]; /* times */

inline link(node, to)
{
#ifdef TAKE_RELAXED
	next_before[node] = next[node];
#endif
	next[node] = to
}

/* In the step of the compare-and-swap: note what has been pushed. */
inline note_push(first, last)
{
	n_pushed++;
	place[first] = n_pushed;
	if
	:: first != last -> n_pushed++; place[last] = n_pushed
	:: else
	fi
}

/* ioe__channel_push() of first, or first -> last */
inline push(first, last)
{
	/* The chain is turned round: last -> first -> head. */
	newest = last;
	oldest = first;
#ifdef CHAIN_UNTURNED
	newest = first;
	oldest = last;
#endif
	if
	:: first != last -> link(newest, oldest)
	:: else
	fi;
	expected = head; /* relaxed: it is only compared */
#ifdef PUSH_STALE
	stale = expected;
#endif
	do
	:: true ->
#if defined(PUSH_STALE)
		link(oldest, stale);
#elif !defined(PUSH_RELAXED)
		link(oldest, expected);
#endif
		d_step {
			if
#ifdef PUSH_SPLIT
			:: true ->
#else
			:: head == expected ->
#endif
				note_push(first, last); head = newest; done = true
			:: else -> expected = head; done = false
			fi
		};
		if
		:: done -> break
		:: else
		fi
	od;
#ifdef PUSH_RELAXED
	link(oldest, expected);
#endif
}

proctype producer(byte first; byte last)
{
	byte expected, newest, oldest, round;
#ifdef PUSH_STALE
	byte stale;
#endif
	bool done;

	do
	:: round < ROUNDS ->
		push(first, last);
		round++;
		/* Its callback has begun, that of the last node of a chain: again. */
		called[last] == round
	:: else -> break
	od
}

/* Read node's link: what its push has published. */
inline follow(node, ret)
{
#ifdef TAKE_RELAXED
	if
	:: ret = next[node]
	:: ret = next_before[node]
	fi
#else
	ret = next[node]
#endif
}

inline call(node)
{
	d_step {
		assert(place[node] == n_called + 1); /* in order, once */
		n_called++;
		place[node] = 0;
		called[node]++
	}
}

active proctype driver()
{
	byte node, oldest, following;

end_idle:
	do
	:: head != 0 -> /* has it work: relaxed; a miss is only later (parking.pml) */
#ifdef TAKE_SPLIT
		node = head;
		head = 0;
#else
		EXCHANGE(head, 0, node);
#endif
		oldest = 0;
#ifdef TAKE_UNTURNED
		oldest = node;
		node = 0;
#endif
		do
		:: node != 0 -> follow(node, following); link(node, oldest); oldest = node;
			node = following
		:: else -> break
		od;
		do
		:: oldest != 0 ->
#ifdef LINK_AFTER_CALL
			call(oldest); oldest = next[oldest]
#else
			following = next[oldest]; call(oldest); oldest = following
#endif
		:: else -> break
		od
	od
}

init
{
	atomic {
		run producer(1, 2);
		run producer(3, 3);
		run producer(4, 4)
	}
}
