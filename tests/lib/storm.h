/* SPDX-License-Identifier: MIT
 * storm.h - everything at once on one file, against the model: many threads read and write it,
 *           plain and vectored, buffered and O_DIRECT, apart and on the same bytes, with barriers,
 *           syncs, waits and callbacks that submit again, while lib/spoil brings faults.
 *
 * What may be read, and why, is said in lib/model.c. The file has two halves, one for each way
 * of opening it: the kernel does not keep the page cache and direct IO in flight together coherent.
 * In each half there are four zones (in messages: their names):
 *
 *   apart    a region for each slot, beside those of other threads: nothing in flight overlaps, all
 *            that is read is exact; what merging mixes up shows
 *   private  a region for each thread: its own batches overlap in themselves. Of a strict thread
 *            only one at a time is in flight: law 6 makes what it reads and leaves exact
 *   hot      a region for all: many writes of a word in flight together
 *   stream   one event behind the other, whoever submits it: runs of neighbours across threads,
 *            laps of writes and laps of reads
 *
 * storm_open() once; for each engine storm_choose(); then rounds of storm_begin(), storm_run(),
 * storm_end(). Between storm_run() and storm_end() the engine is drained or closed.
 *
 * Invariants: an event's slot is busy from before it is prepared until its outcome has been looked
 *             at; the semaphore `free` counts those that are not.
 * Threads:    main calls; producers of the storm's own, the engine's, in NONE main as the owner.
 * Ownership:  slots, buffers and the file are the storm's; one round at a time. */
#ifndef IOE_TESTS_STORM_H
#define IOE_TESTS_STORM_H

#include "engine/ioe.h"
#include "tests/lib/random.h"

#include <stdbool.h>
#include <stdint.h>

#define STORM_PRODUCERS_MAX 16u

/* Make the file, and begin to watch the seam. */
void storm_open(uint32_t n_producers);
/* Sizes of an engine, at random. */
struct ioe_config storm_config(struct random *random, uint32_t backend, uint32_t threading);
/* While no engine is open: what is done how often on one of that config, and the faults. */
void storm_choose(struct random *random, const struct ioe_config *config);

/* A round of about n_ops operations: forget those before, and fill the file. */
void storm_begin(uint64_t seed, uint32_t n_ops);
/* Run the producers until they have done all; their events may still be in flight. In NONE this
 * drives the engine, and submits among them. */
void storm_run(struct ioe_engine *engine);
/* From now on events may end with -ECANCELED. */
void storm_closing(void);
/* All events have ended: look at the file and check everything that has been read, or fail.
 * Returns the number of events, and of the bytes they have moved if that is not NULL. */
uint32_t storm_end(uint64_t *ret_bytes);

#endif
