/* SPDX-License-Identifier: MIT
 * svg.h - text and colours of a drawing.
 * Invariants: whatever the text is, what is written is well-formed XML in UTF-8.
 * Threads:    one for each stream.
 * Ownership:  the stream is the caller's.
 */
#ifndef IOE_TOOLS_PLOT_SVG_H
#define IOE_TOOLS_PLOT_SVG_H

#include <stdint.h>
#include <stdio.h>

/* So many lines can be told from each other: 7 colours, each in 4 kinds of dashes. */
#define SVG_STYLES 28

enum svg_anchor { SVG_START, SVG_MIDDLE, SVG_END };

/* At most columns wide: the middle of a longer text is cut out. 0: no limit. */
void svg_text(FILE *out, double x, double y, enum svg_anchor anchor, const char *style,
	      const char *text, uint32_t columns);

/* The attributes of line number i, colour, width and dashes. */
void svg_line_style(FILE *out, uint32_t i);

/* Text as XML has it, nothing cut. */
void svg_escape(FILE *out, const char *text);

#endif
