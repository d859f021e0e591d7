#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs a fuzzer for some seconds over a corpus made from the shipped rules (and the official ones where they are).
# usage: run.sh FUZZER KIND SOURCE-ROOT [SECONDS [CORPUS-WRITER]]
set -eu
fuzzer=$1 kind=$2 root=$3 seconds=${4:-${SAKER_FUZZ_SECONDS:-20}}
corpus=$(mktemp -d)
trap 'rm -rf "$corpus"' EXIT
shared=${SAKER_SHARED:-$root/../shared}
case $kind in
scap) "$5" "$corpus"
	[ ! -d "$shared/data/captures" ] || cp "$shared"/data/captures/*.scap "$corpus"
	for f in "$corpus"/*.scap; do
		[ ! -e "$f" ] || gunzip -c "$f" | head -c 60000 >"${f%.scap}"
	done ;;
facts)
	printf '1{"id": {"name": "web", "labels": {"a": "b"}, "mounts": [{"source": "/a", "dest": "/b", "rw": true}]}}' >"$corpus/file"
	printf '2{"container": {"id": "0123456789ab", "type": 0, "ip": 5, "Mounts": [{"Source": "/a"}], "labels": {"a": "b"}}}' >"$corpus/event"
	printf '2{"name": "a.test", "addresses": ["192.0.2.1", "::1"]}' >"$corpus/name"
	[ ! -e "$shared/data/golden/containers.json" ] || { printf 1; cat "$shared/data/golden/containers.json"; } >"$corpus/golden" ;;
passwd)
	printf '1root:x:0:0:root:/root:/bin/sh\n# remark\nown:x:65534:4242:An owner:/own:/bin/own\n+::::::\n' >"$corpus/passwd"
	printf '2root:x:0:\nowners:x:4242:own,other\nbad:x:4294967296:\n' >"$corpus/group"
	{ printf 3; cat /etc/passwd; } >"$corpus/host-passwd"
	{ printf 0; cat /etc/group; } >"$corpus/host-group" ;;
lookups) "$5" "$corpus" ;;
cri) "$5" "$corpus" ;;
rules) cp "$root"/rules/default/*.yaml "$root"/tests/golden/conditions.yaml "$corpus"
	[ ! -d "$shared/data/rules" ] || cp "$shared"/data/rules/*.yaml "$corpus" ;;
condition | output)
	grep -h "^  $kind: " "$root"/rules/default/*.yaml "$root"/tests/golden/conditions.yaml | sed "s/^  $kind: //" | {
		i=0
		while IFS= read -r line; do
			printf %s "$line" >"$corpus/$i"
			i=$((i + 1))
		done
	} ;;
esac
words=
case $kind in image | scap | spool | facts | passwd | lookups | cri) ;; *) words=-dict=$root/tests/fuzz/rules.dict ;; esac
status=0
"$fuzzer" $words -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1500 -max_len=65536 -print_final_stats=1 \
	-artifact_prefix="$PWD/fuzz-$kind-" "$corpus" >"$corpus.log" 2>&1 || status=$?
tail -40 "$corpus.log"
rm -f "$corpus.log"
exit $status
