/* CRC-32C against the vectors of RFC 3720, B.4. */
#include "../test.h"

#include "base/crc32c.h"

int main(void)
{
    uint8_t block[32];
    memset(block, 0, sizeof block);
    CHECK(clade_crc32c(block, sizeof block) == 0x8a9136aa);
    memset(block, 0xff, sizeof block);
    CHECK(clade_crc32c(block, sizeof block) == 0x62a8ab43);
    for (int i = 0; i < 32; i++) block[i] = (uint8_t)i;
    CHECK(clade_crc32c(block, sizeof block) == 0x46dd794e);
    for (int i = 0; i < 32; i++) block[i] = (uint8_t)(31 - i);
    CHECK(clade_crc32c(block, sizeof block) == 0x113fdb5c);
    CHECK(clade_crc32c("123456789", 9) == 0xe3069283);
    CHECK(clade_crc32c("", 0) == 0);
    return TEST_END();
}
