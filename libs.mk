# The libraries each program links beyond libntt.a.
LIBS_ntt = $(DB_LIBS)
LIBS_ntt-archiver = $(DB_LIBS) -larchive -lzstd -ljansson
LIBS_ntt-check-multipart = -larchive -lzstd -ljansson -lblkid
LIBS_ntt-cleanup-mounts = $(DB_LIBS) -ljansson
LIBS_ntt-copier = $(DB_LIBS) -ljansson -lmagic -lcap
LIBS_ntt-copy-workers = $(DB_LIBS)
LIBS_ntt-db = $(DB_LIBS)
LIBS_ntt-identify = $(DB_LIBS)
LIBS_ntt-loader = $(DB_LIBS)
LIBS_ntt-mark-excluded = $(DB_LIBS)
LIBS_ntt-mount-helper = -lblkid
LIBS_ntt-orchestrator = $(DB_LIBS) -ljansson
LIBS_ntt-parse-verify-log = -ljansson
LIBS_ntt-re-hardlink = $(DB_LIBS) -lcap
LIBS_ntt-recover-failed = $(DB_LIBS)
LIBS_ntt-verify = $(DB_LIBS) -larchive -lzstd -ljansson
LIBS_test_faultfile = -lfuse3
LIBS_test_mounted = -ljansson

# What fuzzers need beyond libntt.a.
$(B)/test/fuzz/archive_manifest: BLAKE3_LIBS += -ljansson
