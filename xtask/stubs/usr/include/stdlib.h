/* Stands in for a C library's header where code is only checked, not linked. */
#pragma once
#include <stddef.h>
void *malloc(size_t size);
void free(void *pointer);
void abort(void) __attribute__((noreturn));
