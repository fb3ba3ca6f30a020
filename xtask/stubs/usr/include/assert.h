/* Stands in for a C library's header where code is only checked, not linked. */
#undef assert
#define assert(condition) ((void)(condition))
#ifndef static_assert
#define static_assert _Static_assert
#endif
