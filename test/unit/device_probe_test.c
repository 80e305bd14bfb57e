/* What smartctl, hdparm and lsblk print, and which of it is a disk's name. */
#include <stdlib.h>

#include "ntt-identify/device_probe.h"
#include "ntt-identify/identity.h"
#include "tap.h"

static const struct {
	const char *what, *output, *model, *serial;
} said[] = {
	{ "smartctl of a SATA disk",
		"smartctl 7.3 2022-02-28 r5338\n\n"
		"=== START OF INFORMATION SECTION ===\n"
		"Model Family:     Western Digital Green\n"
		"Device Model:     WDC WD20EARX-00PASB0\n"
		"Serial Number:    WD-WCAZAB123456\n"
		"LU WWN Device Id: 5 0014ee 2b1234567\n",
		"WDC WD20EARX-00PASB0", "WD-WCAZAB123456" },
	{ "smartctl of a SCSI disk",
		"Vendor:               SEAGATE\n"
		"Product:              ST3300655SS\n"
		"Revision:             0003\n"
		"Serial number:        3LM0ABCD\n", "ST3300655SS", "3LM0ABCD" },
	{ "smartctl of an NVMe disk",
		"Model Number:                       Samsung SSD 970\r\n"
		"Serial Number:                      S466NX0K\r\n",
		"Samsung SSD 970", "S466NX0K" },
	{ "hdparm",
		"\n/dev/sda:\n\nATA device, with non-removable media\n"
		"\tModel Number:       IC25N020ATMR04-0                    \n"
		"\tSerial Number:      MRG12345            \n",
		"IC25N020ATMR04-0", "MRG12345" },
	{ "lsblk", "MODEL=\"QEMU HARDDISK\" SERIAL=\"QM00001\"\n",
		"QEMU HARDDISK", "QM00001" },
	{ "lsblk that knows nothing", "MODEL=\"\" SERIAL=\"\"\n", NULL, NULL },
	{ "a refusal",
		"/dev/sdb: Unknown USB bridge [0x1234:0x5678 (0x100)]\n"
		"Please specify device type with the -d option.\n",
		NULL, NULL },
	{ "nothing", "", NULL, NULL },
	{ "an empty field", "Serial Number:    \nDevice Model: x", "x", NULL },
};

static void
test_parse(void)
{
	size_t i;

	for (i = 0; i < sizeof said / sizeof said[0]; i++) {
		char *model = NULL, *serial = NULL;

		device_probe_parse(said[i].output, &model, &serial);
		tap_is_str(model, said[i].model, "model: %s", said[i].what);
		tap_is_str(serial, said[i].serial, "serial: %s", said[i].what);
		free(model);
		free(serial);
	}
}

int
main(void)
{
	char clean[65];

	test_parse();
	tap_ok(device_probe_is_bridge("USB 3.0 Device") &&
	    device_probe_is_bridge("SATA Bridge") &&
	    device_probe_is_bridge("ASM1153 Adapter") &&
	    device_probe_is_bridge("Dual Drive Dock") &&
	    device_probe_is_bridge("Usb disk"), "bridges");
	tap_ok(!device_probe_is_bridge("WDC WD20EARX-00PASB0") &&
	    !device_probe_is_bridge("QEMU HARDDISK"), "disks");
	identity_clean(clean, "WDC WD20 \xc3\xa9/x");
	tap_is_str(clean, "WDC_WD20____x", "a clean model");
	return tap_done();
}
