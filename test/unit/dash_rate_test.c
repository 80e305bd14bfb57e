#include "ntt-dashboard/rate.h"
#include "tap.h"

static int
near(double a, double b)
{
	return a - b < 1e-6 && b - a < 1e-6;
}

static void
test_empty(void)
{
	struct dash_rate r = { .count = 0 };
	struct rate_sum s;
	double parts[3] = { 1, 1, 1 };

	rate_sum(&r, 1000, &s);
	tap_ok(near(s.bytes_now, 0) && near(s.average, 0), "nothing is 0");
	rate_graph(&r, 1000, parts, 3);
	tap_ok(near(parts[0] + parts[1] + parts[2], 0), "an empty graph");
	rate_read(&r, 1000, 5, 5000);
	tap_is_u64(r.count, 0, "one reading is no sample");
}

static void
test_sum(void)
{
	struct dash_rate r = { .count = 0 };
	struct rate_sum s;

	rate_add(&r, 0, 60, 0, 1e9);		/* too old */
	rate_add(&r, 700, 760, 60, 6000);
	rate_add(&r, 760, 820, 0, 0);
	rate_read(&r, 820, 100, 1000);
	rate_read(&r, 830, 120, 4000);
	rate_sum(&r, 830, &s);
	tap_ok(near(s.low, 0) && near(s.high, 300), "the extremes");
	tap_ok(near(s.average, 9000.0 / 130), "the average is of the time");
	tap_ok(near(s.files, 80.0 / 130), "of files too");
	tap_ok(near(s.bytes_now, 300) && near(s.files_now, 2), "and now");
	tap_ok(near(s.bytes_at_work, s.average), "work from the beginning");
	rate_sum(&r, 1045, &s);
	tap_ok(near(s.average, 4500.0 / 85), "what slid out is left out");
	rate_sum(&r, 5000, &s);
	tap_ok(near(s.high, 0), "and then everything");
}

static void
test_idle(void)
{
	struct dash_rate r = { .count = 0 };
	struct rate_sum s;

	rate_add(&r, 700, 900, 0, 0);
	rate_add(&r, 900, 910, 10, 1000);
	rate_add(&r, 910, 920, 0, 0);
	rate_sum(&r, 920, &s);
	tap_ok(near(s.average, 1000.0 / 220), "idle time counts");
	tap_ok(near(s.bytes_at_work, 50) && near(s.files_at_work, 0.5),
	    "but not before work began");
}

static void
test_graph(void)
{
	struct dash_rate r = { .count = 0 };
	double parts[10];

	rate_add(&r, 700, 760, 0, 6000);
	rate_graph(&r, 1000, parts, 10);
	tap_ok(near(parts[0], 100) && near(parts[1], 100) &&
	    near(parts[2], 0), "a minute is two thirtieths of it");
}

static void
test_clocks(void)
{
	struct dash_rate r = { .count = 0 };
	struct rate_sum s;
	int i;

	rate_read(&r, 100, 10, 1000);
	rate_read(&r, 110, 20, 2000);
	rate_read(&r, 120, 0, 0);
	tap_is_u64(r.count, 1, "totals that shrank are no sample");
	rate_read(&r, 130, 1, 10);
	rate_sum(&r, 130, &s);
	tap_ok(near(s.bytes_now, 1), "and then it goes on");
	rate_read(&r, 50, 2, 20);
	tap_is_u64(r.count, 0, "a clock that was set back begins again");
	for (i = 0; i < 2000; i++)
		rate_read(&r, 51 + i * 0.1, i, i);
	rate_sum(&r, 51 + 1999 * 0.1, &s);
	tap_ok(r.count <= RATE_SAMPLES && near(s.bytes_now, 10),
	    "the oldest give way");
}

int
main(void)
{
	test_empty();
	test_sum();
	test_idle();
	test_graph();
	test_clocks();
	return tap_done();
}
