/* What the times of reads say of a disk that claims to rotate. */
#include "base/rotating.h"
#include "tap.h"

int
main(void)
{
	uint64_t flash[] = { 9000000, 80000, 90000, 70000, 120000, 100000 };
	uint64_t disk[] = { 60000, 9000000, 4000000, 70000, 12000000, 8000000,
		15000000 };
	uint64_t few[] = { 60000, 60000, 60000 };

	tap_ok(rotating_by_times(flash, 6) == 0,
	    "flash, one read delayed");
	tap_ok(rotating_by_times(disk, 7) == 1,
	    "seeks, two reads from the disk's cache");
	tap_ok(rotating_by_times(few, 3) == -1, "too few to judge");
	return tap_done();
}
