/* Messages in protobuf's wire format. */
#include "report/wire.h"

#include <stdlib.h>
#include <string.h>

/* How a field's contents are written. */
enum { wire_varint = 0, wire_64 = 1, wire_bytes = 2, wire_32 = 5 };

void clade_wire_raw(clade_wire *m, const void *bytes, size_t size)
{
    if (m->status || !size) return;
    if (m->room - m->size < size) {
        size_t room = 2 * m->room + size + 64;
        uint8_t *data = realloc(m->data, room);
        if (!data) {
            m->status = clade_fail(CLADE_ENOMEM, "out of memory for an event of %zu bytes", room);
            return;
        }
        m->data = data;
        m->room = room;
    }
    memcpy(m->data + m->size, bytes, size);
    m->size += size;
}

void clade_wire_little(clade_wire *m, uint64_t value, int bytes)
{
    uint8_t out[8];
    for (int i = 0; i < bytes; i++) out[i] = (uint8_t)(value >> (8 * i));
    clade_wire_raw(m, out, (size_t)bytes);
}

static void add_varint(clade_wire *m, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) clade_wire_little(m, value | 0x80, 1);
    clade_wire_little(m, value, 1);
}

static void add_key(clade_wire *m, unsigned field, unsigned wire)
{
    add_varint(m, field << 3 | wire);
}

void clade_wire_int(clade_wire *m, unsigned field, int64_t value)
{
    add_key(m, field, wire_varint);
    add_varint(m, (uint64_t)value);
}

void clade_wire_double(clade_wire *m, unsigned field, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    add_key(m, field, wire_64);
    clade_wire_little(m, bits, 8);
}

void clade_wire_float(clade_wire *m, unsigned field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    add_key(m, field, wire_32);
    clade_wire_little(m, bits, 4);
}

void clade_wire_bytes(clade_wire *m, unsigned field, const void *bytes, size_t size)
{
    add_key(m, field, wire_bytes);
    add_varint(m, size);
    clade_wire_raw(m, bytes, size);
}

void clade_wire_text(clade_wire *m, unsigned field, const char *text)
{
    clade_wire_bytes(m, field, text, strlen(text));
}

void clade_wire_doubles(clade_wire *m, unsigned field, const double *values, size_t count)
{
    add_key(m, field, wire_bytes);
    add_varint(m, 8 * count);
    for (size_t i = 0; i < count; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        clade_wire_little(m, bits, 8);
    }
}

void clade_wire_message(clade_wire *m, unsigned field, clade_wire *inner)
{
    if (!m->status) m->status = inner->status;
    if (!m->status) clade_wire_bytes(m, field, inner->data, inner->size);
    free(inner->data);
    *inner = (clade_wire){0};
}
