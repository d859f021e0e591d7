/* SPDX-License-Identifier: Apache-2.0 */
/* NAME
 *   saker-recorder - write capture files
 * SYNOPSIS
 *   started by saker(8) alone, by `saker record` or where capture.enabled is set
 * DESCRIPTION
 *   Takes every record of the raw ring from the tracker, through a ring of its own, keeps the tables
 * of processes and descriptors as they were at the record at hand, and writes capture files (.scap)
 * that this program and Falco's tools read: everything (`saker record -w FILE`), the events that a
 * condition matches (`--filter`; what else changes the state is marked as being for the state alone),
 * or a file around each alert that asks for one (capture.enabled). An event is written when all
 * evaluators have judged it. Users and groups that come later are events, as are
 * containers and the addresses of names. What the ring had no room
 * for is counted, named at the end and marked in the file by a drop event.
 * SECURITY
 *   Reads what processes chose, through kernel events, and alerts. Holds its rings, read-only progress
 * pages, the policy image and the file to write; no capability, no file names, no socket but the
 * control socket, its own uid. An attacker in it can lose or forge recordings, nothing else.
 * DIAGNOSTICS
 *   0 drained; 1 failure (one line in the log); 3 a peer broke the protocol. */

#include "recorder.h"

int main(int argc, char **argv)
{
	return stage_main(&recorder_ops, argc, argv);
}
