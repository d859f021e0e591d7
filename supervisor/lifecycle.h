/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A child's life as a table: state x event -> next state and what to do. No input or output here;
 * lifecycle.c is tested alone. */

#include <stdbool.h>
#include <stdint.h>

enum lc_state {
	LC_STOPPED,
	LC_STARTING,
	LC_RUNNING,
	LC_DRAINING,
	LC_BACKOFF,
	LC_FAILED,
	_LC_STATE_MAX
};
enum lc_event {
	LC_EV_START,      /* the plan wants it */
	LC_EV_READY,      /* CTL_READY */
	LC_EV_STOP,       /* told to finish */
	LC_EV_DONE,       /* CTL_DONE */
	LC_EV_EXIT_CLEAN, /* exit status 0 after CTL_DONE */
	LC_EV_EXIT,       /* any other end */
	LC_EV_TIMER,      /* the deadline of the state passed */
	LC_EV_HANG,       /* the watchdog */
	LC_EV_GIVE_UP,    /* failed too often */
	_LC_EVENT_MAX,
};
enum lc_action {
	LC_DO_NOTHING,
	LC_DO_SPAWN,
	LC_DO_ANNOUNCE, /* it works */
	LC_DO_KILL,     /* SIGKILL; its end comes as an event */
	LC_DO_SCHEDULE, /* a restart after the back-off */
	LC_DO_FINISH,   /* ended as it should */
	LC_DO_REPORT,   /* failed for good */
};

struct lc_step {
	enum lc_state next;
	enum lc_action action;
};

struct lc_step lc_next(enum lc_state state, enum lc_event event);
const char *lc_state_str(enum lc_state state);

#define LC_BACKOFF_MIN_NS 10000000ULL /* 10 ms, doubled at each failure in a row */
#define LC_BACKOFF_MAX_NS 5000000000ULL
/* Failures in a row, without having worked for LC_HEALTHY_NS, after which a child is given up. */
#define LC_FAILS_MAX 12
#define LC_HEALTHY_NS 500000000ULL
#define LC_START_NS 30000000000ULL /* longest start */
/* @fails: in a row, 1.. */
uint64_t lc_backoff_ns(unsigned fails);
