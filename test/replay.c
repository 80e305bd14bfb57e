/* Feeds the files on the command line to a fuzzer's function. */
#define _GNU_SOURCE
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *
read_file(const char *name, size_t *size)
{
	FILE *f = fopen(name, "re");
	uint8_t *data = NULL;
	size_t room = 0, n;

	if (!f)
		err(1, "%s", name);
	*size = 0;
	do {
		room = room ? room * 2 : 4096;
		data = realloc(data, room);
		if (!data)
			err(1, "%s", name);
		n = fread(data + *size, 1, room - *size, f);
		*size += n;
	} while (n > 0);
	if (ferror(f))
		err(1, "%s", name);
	fclose(f);
	/* no byte behind the end, so that a checker sees a step over it */
	data = realloc(data, *size ? *size : 1);
	return data;
}

int
main(int argc, char **argv)
{
	uint8_t *data;
	size_t size;
	int i;

	for (i = 1; i < argc; i++) {
		data = read_file(argv[i], &size);
		LLVMFuzzerTestOneInput(data, size);
		free(data);
	}
	printf("%d files\n", argc - 1);
	return argc > 1 ? 0 : 1;
}
