/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Private to the synthetic source: attacks as data. */

#include "synthetic.h"

#define SYN_STEPS_MAX 6

struct syn_script {
	uint8_t actor;       /* enum syn_base */
	int child_container; /* container that the child enters, SYN_NO_CONTAINER: the actor's */
	uint32_t child_tty;  /* terminal of the child, 0: the actor's */
	unsigned n_steps;
	struct syn_step steps[SYN_STEPS_MAX];
};

extern const struct syn_script syn_scripts[];
extern const unsigned syn_n_scripts;
