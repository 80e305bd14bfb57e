#include "bars.h"

enum { WIDTH = 1000 };

void
put_bar(struct buf *b, uint64_t n, uint64_t most)
{
	unsigned int width = most ? (unsigned int)((__uint128_t)n * WIDTH /
	    most) : 0;

	/* what is not nothing is seen */
	if (n > 0 && width < 4)
		width = 4;
	buf_printf(b, "<svg class=\"bar\" aria-hidden=\"true\" "
	    "viewBox=\"0 0 %d 10\" preserveAspectRatio=\"none\">"
	    "<rect class=\"rest\" width=\"%d\" height=\"10\"/>"
	    "<rect class=\"bar\" width=\"%u\" height=\"10\"/></svg>", WIDTH,
	    WIDTH, width);
}
