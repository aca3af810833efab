/* Messages in protobuf's wire format ("Encoding" in its documentation), written field by field. */
#ifndef CLADE_REPORT_WIRE_H
#define CLADE_REPORT_WIRE_H

#include <clade/status.h>

#include <stddef.h>
#include <stdint.h>

/* Zeroed: an empty message. After the first failure, lack of memory, nothing is added. */
typedef struct clade_wire {
    uint8_t *data; /* freed by the owner */
    size_t size, room;
    clade_status status;
} clade_wire;

/* Add raw bytes, and the `bytes` low bytes of a number, lowest first. */
void clade_wire_raw(clade_wire *wire, const void *bytes, size_t size);
void clade_wire_little(clade_wire *wire, uint64_t value, int bytes);

void clade_wire_int(clade_wire *wire, unsigned field, int64_t value);
void clade_wire_double(clade_wire *wire, unsigned field, double value);
void clade_wire_float(clade_wire *wire, unsigned field, float value);
void clade_wire_bytes(clade_wire *wire, unsigned field, const void *bytes, size_t size);
void clade_wire_text(clade_wire *wire, unsigned field, const char *text);
/* Adds `repeated double`, packed. */
void clade_wire_doubles(clade_wire *wire, unsigned field, const double *values, size_t count);
/* Adds a message as a field and frees it. */
void clade_wire_message(clade_wire *wire, unsigned field, clade_wire *inner);

#endif
