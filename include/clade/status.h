/* Status codes and the error text that goes with them. */
#ifndef CLADE_STATUS_H
#define CLADE_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CLADE_API __attribute__((visibility("default")))
#define CLADE_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define CLADE_API
#define CLADE_PRINTF(text, first)
#endif

/* The result of a function. Zero is success. Any other status comes with a text, which
 * clade_error() returns until the next failure on the same thread. */
typedef enum clade_status {
    CLADE_OK = 0,
    CLADE_EINVAL,       /* an invalid argument, shape or parameter */
    CLADE_EFORMAT,      /* a file that is damaged or of the wrong format */
    CLADE_EIO,          /* the operating system refused: open, read, write, disk full */
    CLADE_ENOMEM,       /* host or device memory exhausted */
    CLADE_ENODEVICE,    /* no such device, or it cannot be used */
    CLADE_EDEVICE,      /* a device that failed: build error, launch error, device lost */
    CLADE_EUNSUPPORTED, /* valid, but beyond what this build or device can do */
    CLADE_EMISMATCH,    /* a result differs from what it must be (conformance, checksums) */
    CLADE_ECANCELLED,   /* stopped on request */
    CLADE_EWRONG        /* a device computed a wrong result */
} clade_status;

/* Returns the calling thread's last error as one line of UTF-8, never NULL. */
CLADE_API const char *clade_error(void);

/* Returns a status as text: "ok", "invalid argument", … */
CLADE_API const char *clade_status_name(clade_status status);

/* Sets the thread's error text and returns `status`, so that a failure is
 * `return clade_fail(CLADE_EFORMAT, "png: %u channels", n)`. */
CLADE_API clade_status clade_fail(clade_status status, const char *format, ...) CLADE_PRINTF(2, 3);

/* Prepends context to the thread's error text ("photos.zip: cats/3.jpg: <text>"), unless the text
 * already begins with it, and returns `status`; for callers that pass an error on. Does nothing if
 * `status` is CLADE_OK. */
CLADE_API clade_status clade_context(clade_status status, const char *format, ...)
    CLADE_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif
#endif
