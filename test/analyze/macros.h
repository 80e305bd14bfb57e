/* Macros of libraries that cppcheck must know to read on. */
#define json_array_foreach(a, i, v) \
	for (i = 0; (v = json_array_get(a, i)); i++)
#define json_object_foreach(o, k, v) \
	for (k = next_key(o); (v = json_object_get(o, k)); k = next_key(o))
