#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <stddef.h>
/* The n-th call fails with EIO; every one is written to the file of JOURNAL_SHIM_LOG. */
static int meets(const char *name) {
    static int calls;
    const char *log = getenv("JOURNAL_SHIM_LOG"), *nth = getenv("JOURNAL_SHIM_NTH");
    if (!log || !nth) return 0;
    int n = __sync_add_and_fetch(&calls, 1), fails = n == atoi(nth);
    FILE *file = fopen(log, "a");
    if (file) { fprintf(file, "%s %s\n", name, fails ? "fails" : "works"); fclose(file); }
    if (fails) errno = EIO;
    return fails;
}
int msync(void *at, size_t len, int flags) {
    int (*real)(void *, size_t, int) = dlsym(RTLD_NEXT, "msync");
    return meets("msync") ? -1 : real(at, len, flags);
}
int fdatasync(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync");
    return meets("fdatasync") ? -1 : real(fd);
}
