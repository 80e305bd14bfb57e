#include "ntt-dashboard/system.h"
#include "tap.h"

int
main(void)
{
	struct dash_system s = { .cpus = 7, .memory = 7 }, again;

	tap_ok(system_parse_stat(&s, "cpu  10 1 5 100 20 2 3 4 99 9\n"
	    "cpu0 5 0 0 50 10 0 0 0 0 0\ncpu1 5 0 0 50 10 0 0 0 0 0\n"
	    "intr 1 2\n") == 0, "the ticks of all");
	tap_is_u64(s.ticks, 145, "guests are counted in user");
	tap_is_u64(s.idle_ticks, 100, "idle");
	tap_is_u64(s.wait_ticks, 20, "waiting");
	tap_is_u64((uint64_t)s.cpus, 2, "two of them");
	tap_ok(system_parse_stat(&s, "cpu  1 2\n") == -1 && s.ticks == 145,
	    "a line that is too short changes nothing");
	tap_ok(system_parse_stat(&s, "") == -1, "nor does none");

	tap_ok(system_parse_memory(&s, "MemTotal:  8 kB\nMemFree: 1 kB\n"
	    "MemAvailable:  2 kB\n") == 0, "memory");
	tap_is_u64(s.memory, 8192, "all");
	tap_is_u64(s.available, 2048, "available");
	tap_ok(system_parse_memory(&s, "MemTotal: 8 kB\n") == -1,
	    "an old kernel does not say");
	tap_ok(system_parse_memory(&s, "MemTotal: 8 kB\nMemAvailable: 9 kB\n")
	    == -1 && s.available == 2048, "nonsense");
	tap_ok(system_parse_memory(&s, "XMemTotal: 8 kB\nMemAvailable: 1 kB\n")
	    == -1, "the whole name");

	tap_ok(system_parse_load(&s, "0.50 1.25 2.00 1/234 5678\n") == 0 &&
	    s.load[1] > 1.2 && s.load[1] < 1.3, "load");
	tap_ok(system_parse_load(&s, "0.50 x") == -1, "no load");

	system_read(&s, NULL);
	tap_ok(s.busy < 0 && s.cpus > 0 && s.memory > 0 && s.load[0] >= 0,
	    "this machine; busy only from the second time on");
	again = s;
	again.ticks -= 1000;
	again.idle_ticks -= 500;
	system_read(&s, &again);
	tap_ok(s.busy >= 0 && s.busy <= 1 && s.iowait >= 0 && s.iowait <= 1,
	    "shares");
	return tap_done();
}
