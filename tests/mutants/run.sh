#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh - make small wrong changes to the library, one at a time, and see that a test fails;
#          called by `make mutants`.
#   run.sh DIR
# A mutant is tests/mutants/NAME.patch: lines of `Key: text`, then a unified diff, that must apply as
# it stands. Its keys:
#   What:         the change, in words
#   Law/Pitfall:  what it breaks
#   Tests:        a command that should fail, as many lines as there are commands; they are tried
#                 first, then all of unit and conformance. The program is named as in build/CONFIG.
#   Times:        how often they are tried (1): of races that a test does not meet each time
#   Config:       how these commands are built: test (default), asan or tsan
#   Survives:     why no test can fail; then it is no error that none does
# DIR/tree is the tree as it is, built; it must pass the tests of all mutants that are run. DIR/1,
# DIR/2... are copies of it, one for each job: a mutant is applied there, built and tested, and what
# has changed since is taken from DIR/tree again. DIR/log/NAME has what was built and tested.
#   ONLY=TEXT     those whose name has TEXT in it
#   SAMPLE=N      N of them that are killed at the first try (no Survives:, no Times:), chosen by
#                 IOE_SEED, which is printed
#   MUTANT_JOBS=N how many at a time (as many as there are CPUs)
#   MUTANT_LIMIT_S=N how long one of these commands may take (30); more on a busy machine
# Exit status 0: every patch applies and builds, and those that survive say why.
set -u
dir=$1
here=tests/mutants
jobs=${MUTANT_JOBS:-$(nproc)}
suffix=${MUTANT_SUFFIX:-} # of folders in build/, by compiler
suites=(unit conformance)
limit_s=${MUTANT_LIMIT_S:-30} # of one command of a patch; ten times that for a whole suite
pid=

# A seed chooses the mutants; the tests choose theirs.
seed=${IOE_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
unset IOE_SEED

say() {
	printf 'mutants: %s\n' "$1"
}

die() {
	say "$1"
	exit 1
}

value_of() { # NAME KEY: the lines of a key
	sed -n -e '/^diff --git /q' -e "s,^$2: *,,p" "$here/$1.patch"
}

config_of() { # NAME
	local config

	config=$(value_of "$1" Config)
	echo "${config:-test}"
}

# timeout(1) leads a process group of its own: an end from outside has to be handed on.
limited() { # SECONDS LOG COMMAND...
	local limit_s=$1 log=$2 status
	shift 2

	timeout --kill-after=5 "$limit_s" "$@" >>"$log" 2>&1 </dev/null &
	pid=$!
	wait "$pid"
	status=$?
	pid=
	return "$status"
}

build() { # TREE LOG JOBS GOAL...
	local tree=$1 log=$2 n_jobs=$3
	shift 3

	limited 900 "$log" env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS \
		"${MAKE:-make}" -C "$tree" -j"$n_jobs" SETUP=no CC="${CC:-gcc}" "$@"
}

# Words as a shell would see them, but for globs: a filter is one.
words_of() { # COMMAND: words=()
	words=()
	set -f
	eval "words=($1)" || die "cannot read the command $1"
	set +f
}

# The file that a command runs: the first word that sets no variable.
program_of() { # CONFIG COMMAND
	local word words

	words_of "$2"
	for word in "${words[@]}"; do
		case $word in *=*) ;; *) break ;; esac
	done
	echo "build/$1$suffix/$word"
}

# What a test that was ended has left behind: by what it runs, in this tree and nowhere else.
end_rest() { # TREE
	local exe tree

	tree=$(realpath "$1")
	for exe in /proc/[0-9]*/exe; do
		case $(readlink "$exe") in "$tree"/build/*)
			exe=${exe#/proc/}
			kill -KILL "${exe%/exe}" 2>/dev/null
			;;
		esac
	done
}

# 0: the test passed. Nothing that a filter names is an error (126) of who has written it.
test_once() { # TREE LOG CONFIG COMMAND
	local tree=$1 log=$2 config=$3 limit_s=$limit_s command=(env) words program status word
	local folder=build/$config$suffix

	program=$(program_of "$config" "$4")
	words_of "$4"
	# Sanitizers want their shadow memory where randomisation may have put something else.
	[ "$config" = test ] || { limit_s=$((2 * limit_s)) && command=(setarch -R env); }
	case " ${suites[*]} " in *" $4 "*) limit_s=$((10 * limit_s)) ;; esac
	command+=("IOE_TEST_DIR=$folder" TSAN_OPTIONS=halt_on_error=1)
	for word in "${words[@]}"; do
		[ "$folder/$word" != "$program" ] || word=$program
		command+=("$word")
	done
	case $config:$program in
	test:*/unit | test:*/conformance | test:*/faults) command+=(--fail-fast) ;;
	esac
	printf '\n== %s %s\n' "$config" "$4" >>"$log"
	printf '' >"$log.one"
	limited "$limit_s" "$log.one" env -C "$tree" "${command[@]}"
	status=$?
	end_rest "$tree"
	cat "$log.one" >>"$log"
	# Of Criterion and of the plain runner.
	! grep -q '^\[====\] Synthesis: Tested: 0 ' "$log.one" || status=126
	rm -f "$log.one"
	return "$status"
}

# ---- The tree as it is ----

copy_tree() {
	local config file

	rm -rf "$dir"
	mkdir -p "$dir/tree/build" "$dir/log" "$dir/claims" "$dir/results"
	git ls-files -co --exclude-standard | while read -r file; do
		[ ! -f "$file" ] || printf '%s\0' "$file"
	done | xargs -0 cp -p --parents -t "$dir/tree" || die "the tree cannot be copied"
	# What has been built already need not be built again.
	for config in setup "${configs[@]/%/$suffix}"; do
		[ ! -d "build/$config" ] || cp -a "build/$config" "$dir/tree/build/"
	done
}

# Every command of the chosen mutants, once: lines of CONFIG COMMAND.
commands() {
	local name config suite line

	for suite in "${suites[@]}"; do
		echo "test $suite"
	done
	for name in "${names[@]}"; do
		config=$(config_of "$name")
		value_of "$name" Tests | while read -r line; do
			echo "$config $line"
		done
	done | sort -u
}

# ---- Jobs: each takes the next that nobody has taken ----

claim() { # NAME
	mkdir "$dir/claims/$1" 2>/dev/null
}

baseline_job() { # TREE
	local i config command log status started

	for i in "${!baseline[@]}"; do
		claim "baseline-$i" || continue
		config=${baseline[i]%% *} command=${baseline[i]#* }
		log=$dir/log/baseline-$i
		started=$SECONDS
		test_once "$1" "$log" "$config" "$command"
		status=$?
		[ "$status" = 0 ] || [ "$status" = 77 ] ||
			printf '%s (%s): exit status %d after %d s, %s\n' "$command" "$config" \
				"$status" $((SECONDS - started)) "$log" >>"$dir/results/baseline"
	done
}

repeat_commands() { # TIMES: the array commands, so often
	local once=("${commands[@]}") i

	for ((i = 1; i < ${1:-1}; i++)); do
		commands+=("${once[@]}")
	done
}

# NAME -> outcome and what there is to say about it
mutate() { # TREE NAME
	local tree=$1 name=$2 log=$dir/log/$2 config command status goals=() line commands=() patch

	patch=$(realpath "$here/$name.patch")
	config=$(config_of "$name")
	# Not as a part of the repository that DIR lies in.
	if ! GIT_CEILING_DIRECTORIES=$(realpath "$dir") \
		git -C "$tree" apply --check "$patch" >>"$log" 2>&1 ||
		! GIT_CEILING_DIRECTORIES=$(realpath "$dir") \
			git -C "$tree" apply "$patch" >>"$log" 2>&1; then
		outcome="DOES NOT APPLY" detail=$log
		return
	fi
	while read -r line; do
		commands+=("$config $line")
		goals+=("$(program_of "$config" "$line")")
	done < <(value_of "$name" Tests)
	repeat_commands "$(value_of "$name" Times)"
	for line in "${suites[@]}"; do
		commands+=("test $line")
	done
	for command in "${commands[@]}"; do
		config=${command%% *} command=${command#* }
		case " ${suites[*]} " in *" $command "*)
			goals=("$(program_of "$config" "$command")")
			;;
		esac
		if [ ${#goals[@]} -gt 0 ] && ! build "$tree" "$log" 1 "${goals[@]}"; then
			outcome="DOES NOT BUILD" detail=$log
			return
		fi
		goals=()
		test_once "$tree" "$log" "$config" "$command"
		status=$?
		case $status in 0 | 77 | 126) continue ;; esac
		outcome=killed detail=$command
		[ "$config" = test ] || detail="$config $detail"
		[ "$status" != 124 ] && [ "$status" != 137 ] || detail+=" (its time limit)"
		return
	done
	outcome=SURVIVED detail=$log
}

# Everything that is newer than the mutation as it was before.
restore() { # TREE
	local tree=$1 file

	find "$tree" -newer "$tree.stamp" ! -type d -printf '%P\n' | while read -r file; do
		if [ -e "$dir/tree/$file" ]; then
			cp -p --remove-destination "$dir/tree/$file" "$tree/$file"
		else
			rm -f "${tree:?}/$file"
		fi
	done
}

mutant_job() { # TREE
	local tree=$1 name outcome detail reason started

	for name in "${names[@]}"; do
		claim "$name" || continue
		started=$SECONDS
		touch -d '2 seconds ago' "$tree.stamp"
		mutate "$tree" "$name"
		restore "$tree"
		reason=$(value_of "$name" Survives)
		case $outcome:${reason:+explained} in
		killed:) outcome="killed by" ;;
		killed:*) outcome="KILLED THOUGH EXPLAINED by" ;;
		SURVIVED:explained) outcome=explained detail=$reason ;;
		esac
		printf '%-44s %s %s, %d s\n' "$name" "$outcome" "$detail" $((SECONDS - started)) |
			tee "$dir/results/$name"
	done
}

# An end from outside ends what the job runs; those of Criterion's that are left, too.
end_job() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null
	exit 130
}

run_jobs() { # FUNCTION
	local j

	job_pids=()
	for ((j = 1; j <= jobs; j++)); do
		(
			trap end_job INT TERM
			"$1" "$dir/$j"
		) &
		job_pids+=($!)
	done
	wait "${job_pids[@]}"
}

job_pids=()
trap 'kill "${job_pids[@]}" 2>/dev/null; [ -z "$pid" ] || kill "$pid"; exit 130' INT TERM

# ---- Which ----

names=()
for patch in "$here"/*.patch; do
	name=$(basename "$patch" .patch)
	case $name in *"${ONLY:-}"*) names+=("$name") ;; esac
done
[ ${#names[@]} -gt 0 ] || die "no patch has '${ONLY:-}' in its name"
if [ -n "${SAMPLE:-}" ]; then
	say "IOE_SEED=$seed chooses $SAMPLE of ${#names[@]}"
	mapfile -t names < <(for name in "${names[@]}"; do
		[ -n "$(value_of "$name" Survives)$(value_of "$name" Times)" ] ||
			printf '%s %s\n' "$(cksum <<<"$seed $name" | cut -d ' ' -f 1)" "$name"
	done | sort -n | head -n "$SAMPLE" | cut -d ' ' -f 2)
fi
for name in "${names[@]}"; do
	for key in What Law/Pitfall Tests; do
		[ -n "$(value_of "$name" "$key")" ] || die "$name.patch does not say $key:"
	done
done
mapfile -t configs < <({ echo test && for name in "${names[@]}"; do config_of "$name"; done; } |
	sort -u)
mapfile -t baseline < <(commands)

# ---- Run ----

copy_tree
mapfile -t goals < <(for line in "${baseline[@]}"; do
	program_of "${line%% *}" "${line#* }"
done | sort -u)
build "$dir/tree" "$dir/log/build" "$(nproc)" "${goals[@]}" || {
	tail -n 30 "$dir/log/build"
	die "the tree does not build"
}
for ((j = 1; j <= jobs; j++)); do
	cp -a "$dir/tree" "$dir/$j" || die "the tree cannot be copied"
done
run_jobs baseline_job
if [ -s "$dir/results/baseline" ]; then
	cat "$dir/results/baseline"
	die "the tree as it is does not pass: no kill would mean anything"
fi
say "${#names[@]} mutants; without them ${#baseline[@]} commands pass, $SECONDS s"
run_jobs mutant_job

results() { # PATTERN: the names of those with such an outcome
	(cd "$dir/results" && grep -lE "^[^ ]+ +$1" -- *) | tr '\n' ' ' | sed 's/ $//'
}

killed=$(results '(killed|KILLED THOUGH EXPLAINED) by' | wc -w)
explained=$(results explained)
survived=$(results SURVIVED)
stale=$(results 'DOES NOT')
surprising=$(results KILLED)
done=$(find "$dir/results" -type f | wc -l)
[ -z "$surprising" ] || say "killed, though a reason is given why they are not: $surprising"
[ -z "$stale" ] || say "to be made anew: $stale"
[ -z "$survived" ] || say "survived without a reason: $survived"
[ "$done" = ${#names[@]} ] || die "only $done of ${#names[@]} have been tried"
say "${#names[@]} mutants, $killed killed ($((100 * killed / ${#names[@]})) %), \
$(wc -w <<<"$survived $explained") survived: $survived $explained"
[ -z "$survived$stale" ]
