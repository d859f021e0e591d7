# SPDX-License-Identifier: Apache-2.0
# Shared by the scripts beside it: where the tree is, how to become root, how to set a build directory up.

set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"

# Run a command as root: as it is for root, through sudo otherwise.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null 2>&1; then
		sudo -- "$@"
	else
		echo "$0: '$1' needs root, and there is no sudo: run this script as root" >&2
		exit 1
	fi
}

# configure DIR [meson options]: a new build directory, or the one that is there.
configure() {
	dir=$1
	shift
	if [ ! -e "$dir/build.ninja" ]; then
		rm -rf "$dir"
		meson setup "$dir" --prefix="$top/$dir/stage" --bindir=bin --libexecdir=libexec --datadir=share "$@" >"$top/.setup.log" 2>&1 ||
			{ cat "$top/.setup.log" >&2; exit 1; }
		rm -f "$top/.setup.log"
	fi
}

# stage DIR: compile, and leave a runnable tree in DIR/stage.
stage() {
	ninja -C "$1" >"$1/ninja.log" 2>&1 || { tail -n 60 "$1/ninja.log" >&2; exit 1; }
	meson install -C "$1" --no-rebuild --quiet
}
