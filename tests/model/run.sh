#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh - check the models with spin, all states of each; called by `make model`.
#   run.sh DIR MODEL...
# A model says at its top in which scenarios it is run, and which orders and checks can be taken out
# of it:
#     scenario: NAME: -DX=1 ...       (none: one, without anything)
#     mutant: NAME: what is removed   (-DNAME)
# As it stands a model has to hold in every scenario; each mutant has to fail in one, by a state in
# which nobody can go on before the end, or by an assertion. Everything written is in DIR. The last
# line counts as run.sh of the tests does. What the good models explored is in DIR/total.
set -u
dir=$1
shift
depth_max=1000000 # steps; a search that would have to go deeper is an error
memory_mb=3000
passed=0 failed=0 total=0
mkdir -p "$dir"

# Sets outcome (holds, deadlock, assertion, broken), states, why.
check() { # NAME MODEL DEFINE...
	local name=$1 model=$2 work=$dir/$1
	shift 2
	rm -rf "$work"
	mkdir -p "$work"
	outcome=broken states=0 why=
	# The preprocessor is run here, since spin prints what it has included.
	if ! { gcc -E -x c "$@" "$model" -o "$work/$name.pml" &&
		cd "$work" && spin -a "$name.pml" && gcc -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM=$memory_mb \
		-o pan pan.c; } >"$work/build.log" 2>&1; then
		why="does not build: $work/build.log"
		cd "$top" || exit
		return
	fi
	./pan -m$depth_max -w22 >pan.log 2>&1
	states=$(awk '/states, stored/ { printf "%d", $1; exit }' pan.log)
	why=$(sed -n 's/^pan:1: \(.*\) (at depth.*/\1/p' pan.log | head -n 1)
	case $why in
	"invalid end state") outcome=deadlock ;;
	"assertion violated"*) outcome=assertion ;;
	"") ! grep -q 'errors: 0$' pan.log || outcome=holds ;;
	esac
	# Cut short (memory, depth), it has not seen all states.
	if [ $outcome = holds ] && grep -qE 'out of memory|max search depth|Search not completed' pan.log; then
		outcome=broken
	fi
	[ $outcome != broken ] || why="see $work/pan.log"
	rm -f pan pan.[bchmtp]
	cd "$top" || exit
}

report() { # MODEL WHAT RESULT TEXT
	printf '%-9s %-24s %-9s %9s  %s\n' "$1" "$2" "$3" "${states:-0}" "$4"
}

lines() { # KIND MODEL: "NAME rest" of each such line at the top of the model
	sed -n "s/^ \* $1: \([^ :]*\): \(.*\)$/\1 \2/p" "$2" | sed 's, *\*/$,,'
}

good() { # BASE MODEL: in each scenario
	local name defines words
	while read -r name defines; do
		read -ra words <<<"$defines"
		check "$1-$name" "$2" "${words[@]}"
		if [ $outcome = holds ]; then
			passed=$((passed + 1))
			total=$((total + states))
			report "$1" "($name)" holds "all states"
		else
			failed=$((failed + 1))
			report "$1" "($name)" FAILED "$outcome: $why"
		fi
	done <<<"$scenarios"
}

mutant() { # BASE MODEL MUTANT TEXT
	local name defines words
	while read -r name defines; do
		read -ra words <<<"$defines"
		check "$1-$3-$name" "$2" "-D$3" "${words[@]}"
		case $outcome in
		deadlock | assertion)
			passed=$((passed + 1))
			report "$1" "$3" $outcome "$4"
			return
			;;
		broken) break ;;
		esac
	done <<<"$scenarios"
	failed=$((failed + 1))
	report "$1" "$3" SURVIVES "$4${why:+ ($why)}"
}

top=$PWD
case $dir in /*) ;; *) dir=$top/$dir ;; esac
printf '%-9s %-24s %-9s %9s\n' model 'scenario or mutant' outcome states
for model in "$@"; do
	base=$(basename "$model" .pml)
	scenarios=$(lines scenario "$model")
	[ -n "$scenarios" ] || scenarios=all
	good "$base" "$top/$model"
	while read -r name text; do
		[ -z "$name" ] || mutant "$base" "$top/$model" "$name" "$text"
	done < <(lines mutant "$model")
done
printf '%d states explored\n' "$total" | tee "$dir/total"
printf '%d passed, %d failed, 0 skipped\n' "$passed" "$failed"
[ "$failed" = 0 ]
