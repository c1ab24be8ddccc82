/* SPDX-License-Identifier: MIT
 * test_workers_model.c - every interleaving of the parking of workers.c, in small (P26).
 *
 * The steps are those of the numbered argument at the top of workers.c, one atomic operation
 * each, in one order (they are seq_cst there). What take_all() reads relaxed may be missed here.
 * All states that can be reached are gone through; one in which nobody can go on must be the
 * end: everything run, every worker asleep. A slow piece runs only when all others have been run,
 * so that a piece held up behind it is a state in which nobody can go on, too.
 *
 * Invariants: a mutant with one step left out is found out, so that the model has teeth.
 * Threads:    none.
 * Ownership:  the tests'. */
#include "tests/check.h"

#define N_WORKERS_MAX 3
#define N_PUSHERS_MAX 3
#define TABLE_SIZE    (1U << 21)

enum step {
	TAKE_MINE,
	TAKE_INBOX,
	STEAL, /* at look: from that worker */
	PUBLISH,
	STOP_SEARCHING,  /* F1 */
	LOOK_ON_LEAVING, /* F2, at look: 0 the inbox, then the workers */
	WAKE,            /* P2, W2 */
	POST,
	RUN,
	COUNT_SLEEPER,    /* S1 */
	LOOK_ON_SLEEPING, /* S2 */
	WITHDRAW,
	SLEEP,
	PUSH, /* P1 */
	GONE,
};

/* Sets of pieces are bits. */
struct actor {
	uint8_t step;
	uint8_t look;
	uint8_t hand;
	uint8_t searching;
};

struct state {
	struct actor actors[N_WORKERS_MAX + N_PUSHERS_MAX]; /* workers, then pushers */
	uint8_t mine[N_WORKERS_MAX];
	uint8_t inbox;
	uint8_t done;
	uint8_t sleepers;
	uint8_t searchers;
	uint8_t tokens;
};

struct model {
	uint8_t n_workers;
	uint8_t n_pushers;
	uint8_t all;
	uint8_t slow;
	/* Mutants. */
	bool no_look_on_sleeping;
	bool no_look_on_leaving;
	bool no_wake_for_rest;
	bool no_token_for_the_counted; /* withdraw whether or not there is a sleeper left */
	/* The search. */
	struct state *table;
	uint8_t *used;
	struct state *stack;
	uint32_t n_states;
	uint32_t n_stuck;
};

static bool is_worker(const struct model *model, uint32_t a)
{
	return a < model->n_workers;
}

static void after_wake(const struct model *model, uint32_t a, struct actor *actor)
{
	actor->step = is_worker(model, a) ? RUN : GONE;
}

/* The place that a look, or a theft, comes to: 0 the inbox, 1.. the workers. */
static uint8_t place(const struct state *state, uint8_t look)
{
	return look == 0 ? state->inbox : state->mine[look - 1];
}

static void took(struct actor *actor, uint8_t *from)
{
	actor->hand = *from;
	*from = 0;
	actor->step = PUBLISH;
}

static void publish(const struct model *model, struct state *state, uint32_t a)
{
	struct actor *actor = &state->actors[a];
	uint8_t first = (uint8_t)(actor->hand & -actor->hand);
	uint8_t rest = (uint8_t)(actor->hand & ~first);

	actor->hand = first;
	if (rest != 0)
		state->mine[a] = rest;
	if (actor->searching)
		actor->step = STOP_SEARCHING;
	else
		actor->step = rest != 0 && !model->no_wake_for_rest ? WAKE : RUN;
}

/* One look more; `found` and `empty` are the steps behind the last. */
static void look(const struct model *model, struct state *state, struct actor *actor,
		 enum step found, enum step empty)
{
	if (place(state, actor->look) != 0)
		actor->step = (uint8_t)found;
	else if (actor->look == model->n_workers)
		actor->step = (uint8_t)empty;
	else
		actor->look++;
}

static void sleep_or_run(const struct model *model, struct state *state, uint32_t a)
{
	struct actor *actor = &state->actors[a];

	switch ((enum step)actor->step) {
	case COUNT_SLEEPER:
		state->searchers = (uint8_t)(state->searchers - actor->searching);
		actor->searching = 0;
		state->sleepers++;
		actor->look = 0;
		actor->step = model->no_look_on_sleeping ? SLEEP : LOOK_ON_SLEEPING;
		break;
	case LOOK_ON_SLEEPING:
		look(model, state, actor, WITHDRAW, SLEEP);
		break;
	case WITHDRAW:
		actor->step = SLEEP;
		if (state->sleepers > 0 || model->no_token_for_the_counted) {
			state->sleepers = (uint8_t)(state->sleepers - (state->sleepers > 0));
			actor->step = TAKE_MINE;
		}
		break;
	case SLEEP:
		state->tokens--;
		actor->searching = 1;
		actor->step = TAKE_MINE;
		break;
	default: /* RUN */
		state->done |= actor->hand;
		actor->hand = 0;
		actor->step = TAKE_MINE;
		break;
	}
}

static bool can_go(const struct model *model, const struct state *state, uint32_t a)
{
	const struct actor *actor = &state->actors[a];

	if (actor->step == SLEEP)
		return state->tokens > 0;
	if (actor->step == RUN && (actor->hand & model->slow) != 0)
		return (state->done | model->slow) == model->all;
	return actor->step != GONE;
}

/* Do the next step of actor a. miss: it does not see what is there (a relaxed read). */
static void go(const struct model *model, struct state *state, uint32_t a, bool miss)
{
	struct actor *actor = &state->actors[a];

	switch ((enum step)actor->step) {
	case PUSH:
		state->inbox |= actor->hand;
		actor->hand = 0;
		actor->step = WAKE;
		break;
	case TAKE_MINE:
		actor->step = TAKE_INBOX;
		if (state->mine[a] != 0 && !miss)
			took(actor, &state->mine[a]);
		break;
	case TAKE_INBOX:
		actor->step = STEAL;
		actor->look = 0;
		if (state->inbox != 0 && !miss)
			took(actor, &state->inbox);
		break;
	case STEAL:
		if (actor->look == model->n_workers)
			actor->step = COUNT_SLEEPER;
		else if (state->mine[actor->look++] != 0 && !miss)
			took(actor, &state->mine[actor->look - 1]);
		break;
	case PUBLISH:
		publish(model, state, a);
		break;
	case STOP_SEARCHING:
		actor->searching = 0;
		state->searchers--;
		actor->look = 0;
		actor->step = model->no_look_on_leaving ? RUN : LOOK_ON_LEAVING;
		break;
	case LOOK_ON_LEAVING:
		look(model, state, actor, WAKE, RUN);
		break;
	case WAKE:
		if (state->sleepers > 0 && state->searchers == 0) {
			state->sleepers--;
			state->searchers++;
			actor->step = POST;
		} else {
			after_wake(model, a, actor);
		}
		break;
	case POST:
		state->tokens++;
		after_wake(model, a, actor);
		break;
	default:
		sleep_or_run(model, state, a);
		break;
	}
}

/* Put a state into the table; false if it was there. */
static bool enter(struct model *model, const struct state *state)
{
	const uint8_t *bytes = (const uint8_t *)state;
	uint64_t hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < sizeof(*state); i++)
		hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
	for (uint64_t at = hash >> 20;; at++) {
		if (!model->used[at % TABLE_SIZE]) {
			model->used[at % TABLE_SIZE] = 1;
			model->table[at % TABLE_SIZE] = *state;
			return true;
		}
		if (memcmp(&model->table[at % TABLE_SIZE], state, sizeof(*state)) == 0)
			return false;
	}
}

/* Everything run, every worker asleep and counted as such. */
static bool is_end(const struct model *model, const struct state *state)
{
	return state->done == model->all && state->tokens == 0 && state->searchers == 0 &&
	       state->sleepers == model->n_workers;
}

/* Chains of 4 bits each, one for each pusher. Returns how many states are stuck before the end. */
static uint32_t explore(struct model *model, uint32_t n_workers, const uint8_t *chains,
			uint32_t n_pushers, uint8_t slow)
{
	struct state start = { .done = 0 };
	uint32_t n_stack = 1;

	model->n_workers = (uint8_t)n_workers;
	model->n_pushers = (uint8_t)n_pushers;
	model->slow = slow;
	model->all = 0;
	for (uint32_t p = 0; p < n_pushers; p++) {
		start.actors[n_workers + p].step = PUSH;
		start.actors[n_workers + p].hand = chains[p];
		model->all |= chains[p];
	}
	model->table = malloc(TABLE_SIZE * sizeof(*model->table));
	model->used = calloc(TABLE_SIZE, 1);
	model->stack = malloc(TABLE_SIZE * sizeof(*model->stack));
	model->n_states = model->n_stuck = 0;
	cr_assert(model->table != NULL && model->used != NULL && model->stack != NULL);
	enter(model, &start);
	model->stack[0] = start;
	while (n_stack > 0) {
		const struct state state = model->stack[--n_stack];
		bool stuck = true;

		check_op(++model->n_states, <, TABLE_SIZE / 4 * 3);
		for (uint32_t a = 0; a < n_workers + n_pushers; a++) {
			const uint32_t n_outcomes = state.actors[a].step <= STEAL ? 2 : 1;

			if (!can_go(model, &state, a))
				continue;
			stuck = false;
			for (uint32_t miss = 0; miss < n_outcomes; miss++) {
				struct state next = state;

				go(model, &next, a, miss != 0);
				if (enter(model, &next))
					model->stack[n_stack++] = next;
			}
		}
		model->n_stuck += stuck && !is_end(model, &state);
	}
	free(model->table);
	free(model->used);
	free(model->stack);
	return model->n_stuck;
}

static const uint8_t singles[] = { 0x1, 0x2, 0x4 };
static const uint8_t chain_and_single[] = { 0x3, 0x4 };
static const uint8_t one_chain[] = { 0x7 };

Test(workers_model, p26_no_wake_up_is_lost_in_any_interleaving, .timeout = 120)
{
	struct model model = { .n_states = 0 };

	check_eq(explore(&model, 1, singles, 3, 0), 0);
	check_eq(explore(&model, 2, singles, 3, 0), 0);
	check_eq(explore(&model, 2, chain_and_single, 2, 0), 0);
	check_eq(explore(&model, 3, singles, 2, 0), 0);
	check_op(model.n_states, >, 10000);
}

Test(workers_model, p23_no_piece_is_held_up_in_any_interleaving, .timeout = 120)
{
	struct model model = { .n_states = 0 };

	check_eq(explore(&model, 2, singles, 3, 0x1), 0);
	check_eq(explore(&model, 2, one_chain, 1, 0x1), 0);
	check_eq(explore(&model, 2, chain_and_single, 2, 0x1), 0);
	check_eq(explore(&model, 2, chain_and_single, 2, 0x4), 0);
	check_eq(explore(&model, 3, one_chain, 1, 0x3), 0);
}

Test(workers_model, each_step_is_needed, .timeout = 120)
{
	for (uint32_t mutant = 0; mutant < 4; mutant++) {
		struct model model = { .no_look_on_sleeping = mutant == 0,
				       .no_look_on_leaving = mutant == 1,
				       .no_wake_for_rest = mutant == 2,
				       .no_token_for_the_counted = mutant == 3 };
		uint32_t n_stuck = explore(&model, 2, singles, 3, 0x1) +
				   explore(&model, 2, chain_and_single, 2, 0x1) +
				   explore(&model, 2, chain_and_single, 2, 0x4);

		cr_assert(n_stuck > 0, "mutant %u is not found out", mutant);
	}
}
