/* SPDX-License-Identifier: MIT
 * svg.c - text and colours of a drawing.
 * Invariants: as in the header.
 * Threads:    one for each stream.
 * Ownership:  none.
 */
#include "tools/plot/svg.h"

#include <string.h>

#define CUT   "…"
#define WRONG 0xfffd /* stands for what is no character */

/* Okabe and Ito's, for eyes that see fewer colours, without the yellow, which is too light on
 * white. */
static const char *const colours[] = { "#0072b2", "#d55e00", "#009e73", "#cc79a7",
				       "#e69f00", "#56b4e9", "#000000" };
static const char *const dashes[] = { "", "7 3", "2 3", "9 3 2 3" };

#define COLOURS (sizeof(colours) / sizeof(*colours))
#define DASHES  (sizeof(dashes) / sizeof(*dashes))

_Static_assert(SVG_STYLES == COLOURS * DASHES, "every style is a colour and a dash");

void svg_line_style(FILE *out, uint32_t i)
{
	const char *dash = dashes[i / COLOURS % DASHES];

	fprintf(out, "stroke=\"%s\" stroke-width=\"1.8\"", colours[i % COLOURS]);
	if (*dash)
		fprintf(out, " stroke-dasharray=\"%s\"", dash);
}

/* The character at *text, which is moved behind it. */
static uint32_t take_character(const char **text)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *c = (const unsigned char *)*text;
	uint32_t length = *c < 0x80     ? 1 :
			  *c >> 5 == 6  ? 2 :
			  *c >> 4 == 14 ? 3 :
			  *c >> 3 == 30 ? 4 :
					  0;
	uint32_t character;

	(*text)++;
	if (length == 1)
		return *c;
	if (!length)
		return WRONG;
	character = *c & (0x7f >> length);
	for (uint32_t i = 1; i < length; i++) {
		if (c[i] >> 6 != 2)
			return WRONG;
		character = character << 6 | (c[i] & 0x3f);
	}
	if (character < least[length] || character > 0x10ffff ||
	    (character >= 0xd800 && character < 0xe000))
		return WRONG;
	*text = (const char *)c + length;
	return character;
}

/* Those of East Asia are as wide as two, and begin about here. */
static uint32_t columns_of(uint32_t character)
{
	return character >= 0x1100 && character != WRONG ? 2 : 1;
}

static void put_character(FILE *out, uint32_t character, const char *bytes, size_t length)
{
	/* not in XML, escaped or not */
	if ((character < 0x20 && character != '\t' && character != '\n') || character == 0xfffe ||
	    character == 0xffff || character == WRONG)
		fputs("\xef\xbf\xbd", out);
	else if (character == '&')
		fputs("&amp;", out);
	else if (character == '<')
		fputs("&lt;", out);
	else if (character == '>')
		fputs("&gt;", out);
	else if (character == '"')
		fputs("&quot;", out);
	else
		fwrite(bytes, 1, length, out);
}

/* From column first on, as many as columns; returns how many columns the text has. */
static uint32_t put_columns(FILE *out, const char *text, uint32_t first, uint32_t columns)
{
	uint32_t at = 0;

	while (*text) {
		const char *begin = text;
		uint32_t character = take_character(&text);

		if (out && at >= first && at + columns_of(character) - first <= columns)
			put_character(out, character, begin, (size_t)(text - begin));
		at += columns_of(character);
	}
	return at;
}

void svg_escape(FILE *out, const char *text)
{
	put_columns(out, text, 0, UINT32_MAX);
}

void svg_text(FILE *out, double x, double y, enum svg_anchor anchor, const char *style,
	      const char *text, uint32_t columns)
{
	static const char *const anchors[] = { "start", "middle", "end" };
	uint32_t all = put_columns(NULL, text, 0, 0), half = columns / 2;

	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" %s>", x, y, anchors[anchor],
		style);
	if (!columns || all <= columns) {
		svg_escape(out, text);
	} else {
		put_columns(out, text, 0, half);
		fputs(CUT, out);
		put_columns(out, text, all - (columns - half - 1), columns - half - 1);
	}
	fputs("</text>\n", out);
}
