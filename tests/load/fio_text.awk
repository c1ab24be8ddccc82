# SPDX-License-Identifier: MIT
# fio_text.awk - reads what fio, or `ioe bench`, prints as text, as a script that scrapes fio does.
# Each line has to match one of the forms below; what it was is printed, one word or two for each
# line, and lines that a form may repeat (percentiles, shares of latencies) only once. With
# -v ours=1 the lines that fio does not have may stand where they do; they are not printed.
# Exit status 1, and the line on stderr, at the first line that is of no form.

function is(form) { return $0 ~ ("^" form "$") }

function say(what)
{
	if (what != last)
		print what
	last = what
}

BEGIN {
	N = "[0-9]+(\\.[0-9]+)?"                # 12 12.5
	K = N "[kMGTP]?"                        # 48.4k
	B = N "([KMGTP]i)?B"                    # 189MiB
	T = N "[kMGTP]?B"                       # 198MB
	P = N "%"
	PAD = " *" N
	LAT = " \\((nsec|usec|msec)\\): min= *" K ", max= *" K ", avg=" PAD ", stdev=" PAD
	DEPTHS = "=" P ", [0-9]+=" P ", [0-9]+=" P ", [0-9]+=" P ", [0-9]+=" P ", [0-9]+=" P \
		", >=64=" P
	PAIR = "[0-9]+/[0-9]+"
}

/^$/ { next }

is("[^ ]+: \\(g=[0-9]+\\): rw=[a-z]+, bs=\\(R\\) " B "-" B ", \\(W\\) " B "-" B ", \\(T\\) " B "-" B \
	", ioengine=[a-z_-]+, iodepth=[0-9]+") { split($2, g, /[=)]/); say("head " $1 g[2]); next }
is("\\.\\.\\.") { say("clones"); next }
is("(fio|ioe)-[0-9.]+") { say("version"); next }
is("[^ ]+: Laying out IO files? \\(.*\\)") { next }
is("Starting [0-9]+ (process|processes|thread|threads)") { say("start " $2); next }
is("[^ ]+: \\(groupid=[0-9]+, jobs=[0-9]+\\): err= *[0-9]+( \\(.*\\))?: pid=[0-9]+: [A-Z].* [0-9]+:[0-9]+:[0-9]+ [0-9]+") {
	direction = ""
	say("job " $1 $2 $3)
	next
}
is("  Description  : \\[.*\\]") { say("description"); next }
is("  (read|write|trim|mixed): IOPS=" K ", BW=" B "/s \\(" T "/s\\)\\(" B "/[0-9]+msec\\)(; [0-9]+ zone resets)?") {
	direction = $1
	say("direction " direction)
	next
}
is("    slat" LAT) { say("slat " direction); next }
is("    clat" LAT) { say("clat " direction); next }
is("     lat" LAT) { say("lat " direction); next }
is("    sync" LAT) { say("sync"); next }
is("    (slat|clat|lat|sync) percentiles \\((nsec|usec|msec)\\):") { say("percentiles " $1); next }
is("     \\|( *" N "th=\\[ *[0-9]+\\],?)+") { say("percentile values"); next }
is("   bw \\( *[KM]iB/s\\): min=" PAD ", max=" PAD ", per=" P ", avg=" PAD ", stdev=" PAD ", samples=[0-9]+") {
	say("bw " direction)
	next
}
is("   iops        : min=" PAD ", max=" PAD ", avg=" PAD ", stdev=" PAD ", samples=[0-9]+") {
	say("iops " direction)
	next
}
is("  lat \\((nsec|usec|msec)\\)   : (>=)?[0-9]+=" P "(, (>=)?[0-9]+=" P ")*") {
	say("latencies")
	next
}
is("  fsync/fdatasync/sync_file_range:") { say("syncs"); next }
is("  cpu          : usr=" P ", sys=" P ", ctx=[0-9]+, majf=[0-9]+, minf=[0-9]+") { say("cpu"); next }
is("  IO depths    : 1" DEPTHS) { say("depths"); next }
is("     submit    : 0" DEPTHS) { say("submit"); next }
is("     complete  : 0" DEPTHS) { say("complete"); next }
is("     issued rwts: total=[0-9]+,[0-9]+,0,[0-9]+ short=[0-9]+,[0-9]+,0,0 dropped=[0-9]+,[0-9]+,0,0") {
	say("issued")
	next
}
is("     errors    : total=[0-9]+, first_error=[0-9]+/<.*>") { say("errors"); next }
is("     latency   : target=[0-9]+, window=[0-9]+, percentile=" P ", depth=[0-9]+") {
	say("latency target")
	next
}
is("Run status group [0-9]+ \\(all jobs\\):") { say("group " $4); next }
is(" *(READ|WRITE|MIXED): bw=" B "/s \\(" T "/s\\), " B "/s-" B "/s \\(" T "/s-" T "/s\\), io=" B \
	" \\(" T "\\), run=[0-9]+-[0-9]+msec") { say("sum " $1); next }
is("Disk stats \\(read/write\\):") { say("disks"); next }
is("  [a-z0-9-]+: ios=" PAIR ", merge=" PAIR ", ticks=" PAIR ", in_queue=[0-9]+, util=" P) {
	say("disk")
	next
}
ours && /^  ioe          : cpu\/io=/ { next }
ours && /^     (backend|requests|repairs|driver|in flight|stages|intended|missing|error) *: / { next }

{
	print "of no form: " $0 >"/dev/stderr"
	exit 1
}
