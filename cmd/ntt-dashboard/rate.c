#include "rate.h"

#include <string.h>

void
rate_add(struct dash_rate *r, double from, double to, double files,
    double bytes)
{
	size_t old = 0;

	while (old < r->count && r->samples[old].to < to - RATE_SPAN)
		old++;
	if (old == 0 && r->count == RATE_SAMPLES)
		old = 1;
	memmove(r->samples, r->samples + old,
	    (r->count - old) * sizeof *r->samples);
	r->count -= old;
	r->samples[r->count++] = (struct rate_sample){ from, to, files,
		bytes };
}

void
rate_read(struct dash_rate *r, double at, double files, double bytes)
{
	/* totals shrink when rows are deleted, clocks are set back */
	if (r->read && at > r->at && files >= r->files && bytes >= r->bytes)
		rate_add(r, r->at, at, files - r->files, bytes - r->bytes);
	else if (r->read && at <= r->at)
		r->count = 0;
	r->read = 1;
	r->at = at;
	r->files = files;
	r->bytes = bytes;
}

/* Of a sample, the seconds that lie between two moments. */
static double
overlap(const struct rate_sample *s, double from, double to)
{
	double a = s->from > from ? s->from : from;
	double b = s->to < to ? s->to : to;

	return b > a ? b - a : 0;
}

void
rate_sum(const struct dash_rate *r, double now, struct rate_sum *sum)
{
	double seconds = 0, working = 0, files = 0, bytes = 0;
	size_t i;

	memset(sum, 0, sizeof *sum);
	for (i = 0; i < r->count; i++) {
		const struct rate_sample *s = &r->samples[i];
		double length = s->to - s->from, part, rate;

		part = overlap(s, now - RATE_SPAN, now);
		if (length <= 0 || part <= 0)
			continue;
		rate = s->bytes / length;
		if (seconds == 0 || rate < sum->low)
			sum->low = rate;
		if (rate > sum->high)
			sum->high = rate;
		seconds += part;
		files += s->files * part / length;
		bytes += s->bytes * part / length;
		if (files > 0 || bytes > 0)
			working += part;
		sum->files_now = s->files / length;
		sum->bytes_now = rate;
	}
	if (seconds > 0) {
		sum->average = bytes / seconds;
		sum->files = files / seconds;
	}
	if (working > 0) {
		sum->bytes_at_work = bytes / working;
		sum->files_at_work = files / working;
	}
}

void
rate_graph(const struct dash_rate *r, double now, double *parts, size_t n)
{
	double width = (double)RATE_SPAN / (double)n;
	size_t i, k;

	for (k = 0; k < n; k++) {
		double from = now - RATE_SPAN + (double)k * width;
		double bytes = 0;

		for (i = 0; i < r->count; i++) {
			const struct rate_sample *s = &r->samples[i];

			if (s->to > s->from)
				bytes += s->bytes * overlap(s, from,
				    from + width) / (s->to - s->from);
		}
		parts[k] = bytes / width;
	}
}
