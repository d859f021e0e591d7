#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Checks the ring's SPIN model (ring.pml) and that each of its deliberate mistakes is found. Exit 77 without spin.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if ! command -v spin >/dev/null; then
	echo "skipped: no spin (scripts/setup installs it)"
	exit 77
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

# verify [-DMISTAKE]: prints SPIN's result; 0 if the search was complete and nothing was found, 1 if something was, 2 if SPIN did not do its work.
verify() {
	spin -a "$@" "$here/ring.pml" >spin.log 2>&1 || { cat spin.log >&2; return 2; }
	gcc -O1 -DSAFETY -DVECTORSZ=512 -DMEMLIM=512 -o pan pan.c >gcc.log 2>&1 || { cat gcc.log >&2; return 2; }
	./pan -m100000 -n >pan.log 2>&1 || true
	grep -E '^pan:|states, stored|errors:' pan.log || { cat pan.log >&2; return 2; }
	if grep -q 'max search depth too small\|out of memory\|search hit' pan.log; then return 2; fi
	grep -q 'errors: 0' pan.log || return 1
}

bad=0
echo "== the model"
verify || { echo "FAILED: the model does not hold, or could not be checked"; bad=1; }
for mistake in NO_PRODUCER_FENCE NO_CONSUMER_FENCE HEAD_BEFORE_RECORD COMMIT_BEFORE_COPY NO_RING_AT_ATTACH SLEEP_UNCHECKED ONE_TOO_MANY; do
	echo "== mistake: $mistake"
	r=0
	verify "-D$mistake" || r=$?
	if [ "$r" != 1 ]; then
		echo "FAILED: not found"
		bad=1
	fi
done
[ "$bad" = 0 ] && echo "ring: the model holds, all mistakes were found"
exit "$bad"
