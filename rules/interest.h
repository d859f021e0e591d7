/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the kernel need not send: necessary conditions of rules that it can test. */

#include "evtypes.h"

/* Can the typed condition hold for an event of that type whose call failed? False only if it
 * certainly cannot. */
bool interest_in_failures(const struct ast *n, uint16_t ix);
/* Can it hold for an event of that type, which sends over a TCP connection that was there before? */
bool interest_in_tcp(const struct ast *n, uint16_t ix);
/* Is the call's own return value, negative for failure, parameter 0 of the event? */
bool interest_has_result(uint16_t ix);
