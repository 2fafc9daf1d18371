// The stable interface of the system's libzstd, for RunnelCorpora only; not API.
#include <zstd.h>
#include <zstd_errors.h>
