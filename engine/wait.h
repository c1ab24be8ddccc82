/* SPDX-License-Identifier: MIT
 * wait.h - places where threads sleep that wait for events, and wakes for many of them at once.
 *
 * A place is a bit of a word, and each thread has one of its own as long as there are enough
 * (2048 for the process). A waiter writes its place into the word of its event; a driver notes the
 * places it finds there as it ends events, and sends all wakes of a round together: one
 * system call for up to 32 threads (FUTEX_WAKE_BITSET). The words belong to the library and are
 * never freed, so that neither the event nor the engine has to outlive a wake. wait.c has the
 * argument.
 *
 * Invariants: a place noted is woken before the driver sleeps.
 * Threads:    ioe__wakes: the driver whose it is.
 * Ownership:  the words are the process's. */
#ifndef IOE_WAIT_H
#define IOE_WAIT_H

#include <stdint.h>

#define IOE__WAIT_WORDS 64u
#define IOE__WAIT_BITS  32u

/* Wakes to be sent. */
struct ioe__wakes {
	uint64_t words; /* of which bits are set below: a bit for each */
	uint32_t bits[IOE__WAIT_WORDS];
};

_Static_assert(IOE__WAIT_WORDS == 64, "a bit of ioe__wakes.words for each word");

/* The calling thread's. Threads that come after the 2048th share places, and are woken for each
 * other now and then. */
uint32_t ioe__wait_place(void);

static inline void ioe__wakes_add(struct ioe__wakes *wakes, uint32_t place)
{
	const uint32_t word = place / IOE__WAIT_BITS;

	wakes->words |= UINT64_C(1) << word;
	wakes->bits[word] |= 1u << place % IOE__WAIT_BITS;
}

/* Wake everybody who has been noted, and forget them. */
void ioe__wakes_send(struct ioe__wakes *wakes);

#endif
