#!/bin/bash
# SPDX-License-Identifier: MIT
# plot.sh - `ioe plot` from outside: what is in the picture, and what becomes of bad input.
# Usage: tests/tools/plot.sh [IOE], the built command; default $IOE_RELEASE_DIR/ioe.
# The pictures of real runs are kept for looking at where IOE_PLOT_KEEP names a folder.
set -u
# shellcheck source=tests/lib/tool_test.sh
. "$(dirname "$0")/../lib/tool_test.sh"

# plot ARGS...: status in $status, one line of stderr in err
plot() {
	"$ioe" plot "$@" >out 2>err
	status=$?
}

# refused NAME STATUS PATTERN ARGS...: that status, one line that matches, and no new file
refused() {
	local name=$1 expected=$2 pattern=$3 before
	shift 3
	before=$(find . -type f ! -name out ! -name err -exec cksum {} + | sort)
	plot "$@"
	check "$name" test "$status" = "$expected"
	check "$name: one line" test "$(wc -l <err)" = 1
	check "$name: says why" grep -qE "$pattern" err
	check "$name: leaves files alone" \
		test "$before" = "$(find . -type f ! -name out ! -name err -exec cksum {} + | sort)"
}

# well_formed FILE
well_formed() {
	xmllint --noout "$1" 2>>err
}

# polylines FILE ID: how many lines of runs the panel has
polylines() {
	awk -v "id=<g id=\"$2\">" '$0 == id { on = 1 } /^<\/g>/ { on = 0 }
		on && /<polyline class="run"/ { n++ } END { print n + 0 }' "$1"
}

# extreme NUMBER: a document with that number as a latency and as IOPS
extreme() {
	echo "{\"jobs\":[{\"read\":{\"total_ios\":9,\"iops\":1,\"clat_ns\":{\"N\":9,\"bins\":{\"$1\":9}}},
		\"ioe\":{\"series\":{\"read\":{\"iops\":[[1,$1],[2,$1]]}}}}]}" >extreme.json
}

# document NAME N_SAMPLES [DIRECTION...]: as ioe bench writes it, with known figures
document() {
	local name=$1 samples=$2
	shift 2
	jq -n --arg name "$name" --argjson n "$samples" '
		{ "ioe version": "ioe-test", jobs: [{ jobname: $name,
			read: { total_ios: 0 }, write: { total_ios: 0 },
			ioe: { ioengine: "io_uring", series: {} } }] } |
		reduce $ARGS.positional[] as $d (.;
			.jobs[0][$d] = { total_ios: 1000, iops: 52345.6, bw_bytes: 104857600,
				clat_ns: { N: 1000, mean: 123456, percentile: { "1.000000": 50000,
					"50.000000": 100000, "99.000000": 350000, "99.900000": 900000,
					"99.990000": 77000000 },
					bins: { "50000": 400, "100000": 599, "900000": 1 } } } |
			.jobs[0].ioe.series[$d] = { iops: [range($n) | [. * 500 + 500, 50000 + .]],
				bw_bytes: [range($n) | [. * 500 + 500, 204800000]],
				lat_mean_ns: [range($n) | [. * 500 + 500, 120000]],
				lat_p99_ns: [range($n) | [. * 500 + 500, 300000 + 1000000 * (. % 7)]] })' \
		--args "$@"
}

needs xmllint 'which looks at the XML'
panels=(percentiles latency-mean latency-p99 iops bandwidth)
document one 20 read >one.json
document two 20 read write >two.json
document three 1 write >'three & <four>.json'
plot one.json two.json 'three & <four>.json' -o all.svg --title='A <title> & "more"'
check draws_three_files test "$status" = 0
check is_well_formed well_formed all.svg
for panel in "${panels[@]}"; do
	check "one_line_for_each_run: $panel" test "$(polylines all.svg "$panel")" = 4
done
legend() {
	sed -n '/<g id="legend">/,/<\/g>/p' all.svg | grep -qF ">$1</text>"
}
for text in one 'two, read' 'two, write' 'three &amp; &lt;four&gt;' 52.3k 100MiB/s '123 µs' '350 µs'; do
	check "legend_has: $text" legend "$text"
done
check title_is_escaped grep -qF '>A &lt;title&gt; &amp; &quot;more&quot;</text>' all.svg
check no_note_without_a_reason test "$(grep -c 'class="note"' all.svg)" = 0
check nothing_is_nan test "$(grep -ciE '[^a-z](nan|inf)[^a-z]' all.svg)" = 0
check every_axis_has_a_title test "$(grep -c 'class="title"' all.svg)" = 10
check units_are_said grep -qF '>bandwidth (MiB/s)</text>' all.svg
check runs_differ_in_colour test "$(sed -n '/"legend"/,/<\/g>/s/.*stroke="\([^"]*\)".*/\1/p' all.svg |
	sort -u | wc -l)" = 4

# Steps: 40 % of 1000 IOs took 50 us, all but one 100 us at most; the slowest is at 99.9 %, the right
# end of the axis. Of the frame of 1152 - 78 - 18 pixels -log10(0.6) / 3 are 78.1. 50, 100 and 900 us
# are on an axis from 50 us to 1 ms, 292 pixels high.
plot one.json -o one.svg
points() {
	sed -n '/<g id="percentiles">/,/<\/g>/s/.*class="run".* points="\([^"]*\)".*/\1/p' one.svg
}
column() { # N: that number of each point
	points | tr ' ' '\n' | cut -d, -f"$1" | tr '\n' ' '
}
check percentiles_are_where_they_belong \
	test "$(column 1)" = '102.0 180.1 180.1 1158.0 1158.0 '
heights() {
	points | tr ' ' '\n' | cut -d, -f2 | awk 'NR == 1 { low = $1 } { printf "%.0f ", low - $1 }'
}
check latencies_are_where_they_belong test "$(heights)" = '0 0 68 68 282 '
jq 'del(.jobs[].read.clat_ns.bins)' one.json >list.json
plot list.json -o one.svg
# 99.99 % of 1000 IOs is nothing that was seen
check percentiles_of_few_ios_end_in_time test "$(points | wc -w)" = 4
check a_dot_for_a_single_sample grep -qE 'data-run="three[^>]*points="([0-9.,]+) \1"' all.svg

jq '.jobs[0].ioe.intended_lat_ns.read = .jobs[0].read.clat_ns' one.json >rate.json
plot rate.json one.json -o rate.svg
check rate_has_a_pale_line test "$(grep -c 'class="intended"' rate.svg)" = 1
check rate_says_what_is_pale grep -q 'pale: from the time when an IO was due' rate.svg

jq 'del(.jobs[].ioe)' one.json >fio.json
plot fio.json one.json -o fio.svg
check missing_samples_are_said test "$(grep -cE '>no [^<]* over time: fio<' fio.svg)" = 4
check fio_has_percentiles test "$(polylines fio.svg percentiles)" = 2
check fio_has_nothing_over_time test "$(polylines fio.svg iops)" = 1
plot fio.json -o fio.svg
check nothing_over_time_is_said test "$(grep -c 'over time in this file<' fio.svg)" = 4
check panel_without_lines_is_well_formed well_formed fio.svg

mkdir other
cp one.json other/
plot one.json other/one.json one.json -o same.svg
names() {
	sed -n '/"legend"/,/<\/g>/s/.*class="name">\([^<]*\)<.*/\1/p' same.svg | tr '\n' '|'
}
check same_names_have_numbers test "$(names)" = 'one|one (2)|one (3)|'
jq '.jobs += [.jobs[0] | .ioe.ioengine = "raw-io_uring"]' one.json >versus.json
plot versus.json -o same.svg
check sides_are_named_by_engine \
	test "$(names)" = 'versus: one, io_uring|versus: one, raw-io_uring|'
name=$(printf 'x%.0s' {1..150})
cp one.json "$name.json"
plot "$name.json" -o same.svg
check long_names_are_cut test "$(names | wc -m)" = 77
cp one.json $'bad\xff\x01name.json'
plot $'bad\xff\x01name.json' -o same.svg
check names_of_no_characters_are_well_formed well_formed same.svg

{ echo 'fio: a note {before} it'; cat one.json; sed 's/52345.6/1234567/' one.json; } >several.json
plot several.json -o same.svg
check last_document_counts grep -qF '>1235k<' same.svg

plot one.json -o - && cp out stdout.svg
check to_standard_output well_formed stdout.svg
plot one.json --output=equals.svg && plot one.json -oshort.svg && plot -o next.svg -- one.json
check ways_to_say_output cmp equals.svg short.svg
check options_end cmp equals.svg next.svg
"$ioe" plot -o pipe.svg /dev/stdin <one.json 2>err
check from_a_pipe test "$?" = 0
echo old >old.svg
plot one.json -o old.svg
check replaces_what_is_there well_formed old.svg
check modes_are_those_of_new_files test "$(stat -c %a equals.svg)" = "$(touch t && stat -c %a t)"
rm t
plot one.json -o /dev/null
check to_a_device test "$status" = 0 -a -c /dev/null
for i in {1..40}; do
	cp two.json "many$i.json"
done
plot many{1..14}.json -o many.svg
check draws_28_runs test "$(polylines many.svg iops)" = 28
check styles_differ test "$(sed -n '/"legend"/,/<\/g>/s/.*\(stroke="[^/]*\)\/>.*/\1/p' many.svg |
	sort -u | wc -l)" = 28

echo '{ "jobs": [' >broken.json
echo '{ "jobs": [] }' >empty_jobs.json
echo '{ "a": 1 }' >else.json
echo 'just text' >text.json
: >empty.json
jq '.jobs[0].read.total_ios = 0' one.json >idle.json
ln -s one.json link.json
refused no_file 2 'what is to be plotted'
refused no_output 2 'where to' one.json
refused output_without_value 2 '^ioe plot: -o: a value' one.json -o
refused unknown_option 2 'did you mean --output' one.json --outptu=x.svg
refused missing_file 2 '^ioe plot: nosuch.json: No such file' nosuch.json -o x.svg
refused directory 2 '^ioe plot: other: Is a directory' other -o x.svg
refused no_json 2 'text.json: not JSON$' text.json -o x.svg
refused broken_json 2 'broken.json: not JSON: line 2: ' broken.json -o x.svg
refused empty_file 2 'the file is empty' empty.json -o x.svg
refused other_json 2 'neither of ioe bench nor of fio' else.json -o x.svg
refused no_jobs 2 'neither of ioe bench nor of fio' empty_jobs.json -o x.svg
refused nothing_done 2 'nothing to plot' idle.json -o x.svg
refused second_file_is_bad 2 'text.json: not JSON' one.json text.json -o x.svg
refused output_is_input 2 'is one of the files to read' one.json -o one.json
refused output_links_to_input 2 'is one of the files to read' one.json -o link.json
refused too_many_runs 2 'more than 28 runs' many{1..40}.json -o x.svg
refused no_such_folder 1 'nosuch/x.svg: No such file' one.json -o nosuch/x.svg
refused output_is_a_folder 1 'other: Is a directory' one.json -o other
refused full_device 1 '/dev/full: No space' one.json -o /dev/full
"$ioe" plot one.json -o - >/dev/full 2>err
check full_standard_output test "$?" = 1

# Hostile documents: nothing of it is what it should be.
for change in '.jobs[0].read = 7' '.jobs = {"a": 1}' '.jobs[0] = null' '.jobs[0].jobname = 7' \
	'.jobs[0].read.clat_ns.bins = {"x": "y", "-5": 3, "1e999": 2, "7": -1}' \
	'.jobs[0].read.clat_ns = [1]' '.jobs[0].read.clat_ns.percentile = {"200": 1, "abc": 2, "-1": 3}' \
	'.jobs[0].ioe.series.read.iops = [1, [2], [3, "a"], [[], 4], null]' \
	'.jobs[0].ioe.series.read.iops = [[0, 0]]' '.jobs[0].ioe.series.read.iops = [[-1, -5]]' \
	'.jobs[0].ioe.series.read.lat_p99_ns = [[0, 0], [1, 0]]' '.jobs[0].ioe.series = 3' \
	'.jobs[0].ioe.series.read.iops = [[1e300, 1e300]]' '.jobs[0].read.iops = -1' \
	'.jobs[0].read.iops = 1e300' '.jobs[0].read.clat_ns.bins = {"0": 5}'; do
	jq "$change" one.json >odd.json
	rm -f odd.svg
	plot odd.json -o odd.svg
	check "odd: $change" test "$status" = 0 -o "$status" = 2
	[[ $status != 0 ]] || check "odd is well formed: $change" well_formed odd.svg
	[[ $status != 0 ]] || check "odd has no nan: $change" \
		test "$(grep -ciE '[^a-z](nan|inf)[^a-z]' odd.svg)" = 0
done

# Real runs.
"$ioe" bench --name=ours --filename=data --size=4m --rw=randread --iodepth=4 --runtime=2 --time_based \
	--output-format=json >ours.json 2>err
check bench_runs test "$?" = 0
real=(ours.json)
if command -v fio >/dev/null; then
	fio --name=theirs --filename=data --size=4m --rw=randrw --ioengine=psync --runtime=1 --time_based \
		--output-format=json+ --output=theirs.json >/dev/null 2>err
	real+=(theirs.json)
else
	skip 'plot of a real run of fio: no fio'
fi
plot "${real[@]}" -o real.svg
check real_runs_are_drawn test "$status" = 0
check real_runs_are_well_formed well_formed real.svg
check real_percentiles test "$(polylines real.svg percentiles)" = $((2 * ${#real[@]} - 1))
for panel in latency-mean latency-p99 iops bandwidth; do
	check "real_runs_have_samples: $panel" test "$(polylines real.svg "$panel")" = 1
done
[[ -z ${IOE_PLOT_KEEP:-} ]] || cp real.svg all.svg "$IOE_PLOT_KEEP"

for number in 5e-324 1.7e308; do
	extreme $number
	status=0
	timeout 20 "$ioe" plot extreme.json -o extreme.svg >out 2>err || status=$?
	check "ends of what is a number: $number" test "$status" = 0
	check "ends of what is a number: $number, well formed" well_formed extreme.svg
done

plot --help
check help_fits_a_screen test "$status" = 0 -a "$(wc -l <out)" -lt 24

report
