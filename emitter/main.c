/* SPDX-License-Identifier: Apache-2.0 */
/* NAME
 *   saker-emitter - deliver one output's alerts
 *
 * SYNOPSIS
 *   Started by saker, once per configured output; of no use by hand.
 *
 * DESCRIPTION
 *   Reads the alert rings that the evaluators write for this output, merges them by order into the
 * one sequence that a single evaluator would give, formats each alert and writes it to the sink.
 * Alerts are committed only after the sink has them: one that is slow or gone keeps them in the
 * rings, and an emitter that is killed is replaced by one that goes on there (an alert may then
 * arrive twice, with the same id). A sink that fails is tried again, with a new descriptor from the
 * supervisor where the old one cannot work any more.
 *
 * SECURITY
 *   Alerts are hostile input: their texts were chosen by whoever was watched, and the evaluator
 * that wrote them reads hostile bytes. Records are copied and checked before use; texts are escaped
 * in every format. After the seal: its own uid, no capabilities, no files, no network; it holds its
 *   rings, read-only progress pages, its output's block and one descriptor to write to. In here an
 * attacker can forge, hold back or read this output's alerts, and no other's.
 *
 * DIAGNOSTICS
 *   0 all rings ended and everything was delivered; 1 error, one line in saker's log; 3 a ring's
 * producer broke the protocol. A failing sink is a warning when it begins and a notice when it is
 * over. */

#include "emitter.h"

int main(int argc, char **argv)
{
	return stage_main(&emitter_ops, argc, argv);
}
