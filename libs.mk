# The libraries each program links beyond libntt.a.
LIBS_ntt-mount-helper = -lblkid
LIBS_ntt-db = $(DB_LIBS)
LIBS_ntt-loader = $(DB_LIBS)
