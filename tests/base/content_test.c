/* What a file is by its first bytes. */
#include "../test.h"
#include "base/content.h"

#include <string.h>

/* Does the hint for these bytes have this text? NULL: it is empty. */
static int hints(const void *bytes, size_t size, const char *text)
{
    const char *hint = clade_content_hint(bytes, size);
    return text ? strstr(hint, text) != NULL : !*hint;
}

int main(void)
{
    CHECK(hints("\x89HDF\r\n\x1a\n..", 10, "HDF5"));
    CHECK(hints("\x89HDF\r\n\x1a", 7, NULL));
    CHECK(hints("PK\3\4......net/data.pkl", 22, "PyTorch"));
    CHECK(hints("PK\3\4......metadata.json", 23, "Keras"));
    CHECK(hints("PK\3\4......cats/0.jpg", 20, "zip archive"));
    CHECK(hints("PK\3\4......net/data.pkl", 21, "zip archive")); /* cut: the name is not there */
    CHECK(hints("....TFL3", 8, "TensorFlow Lite"));
    CHECK(hints("\x90\0\0\0\0\0\0\0{\"a\"", 12, "safetensors"));
    CHECK(hints("\xff\xd8\xff\xe0", 4, "JPEG"));
    CHECK(hints("name: first\n", 12, NULL));
    CHECK(hints("", 0, NULL));
    return TEST_END();
}
