/* Names of classes that differ in case or Unicode form alone. */
#include "data/inspect.h"

#include "../test.h"

int main(void)
{
    static const char *const alike[][2] = {
        {"cats", "Cats"},
        {"\u00c9t\u00e9", "\u00e9T\u00c9"},                       /* capitals with accents */
        {"caf\u00e9", "cafe\u0301"},                              /* composed and decomposed */
        {"Caf\u00e9 noir", "cafe\u0301 Noir"},                    /* both */
        {"\u00ea\u0301", "\u1ebf"},                               /* partly composed */
        {"\u304c", "\u304b\u3099"},                               /* Kana */
        {"\ud55c\uae00", "\u1112\u1161\u11ab\u1100\u1173\u11af"}, /* Hangul */
        {"\u041a\u043e\u0442", "\u043a\u041e\u0422"},             /* Cyrillic */
        {"\u017b\u00f3\u0142w", "\u017c\u00f3\u0141w"},
        /* the first and last capital of each range */
        {"A\u00c0\u0100\u0139\u0179", "a\u00e0\u0101\u013a\u017a"},
        {"Z\u00de\u0176\u0147\u017d", "z\u00fe\u0177\u0148\u017e"},
        {"\u0391\u0400\u0410", "\u03b1\u0450\u0430"},
        {"\u03a9\u040f\u042f", "\u03c9\u045f\u044f"},
    };
    static const char *const apart[][2] = {
        {"cat", "cats"},       {"cats", "cat"},        {"schon", "sch\u00f6n"},
        {"cafe", "caf\u00e9"}, {"e\u0301", "e\u0300"}, {"\u304b", "\u304c"},
        {"a", "\xe1"},         {"\xe1", "\u00e1"},     {"[", "{"},
        {"e\u0301", "e"},      {"\xc3", "\xc3\xa9"},   {"x\u00d7", "x\u00f7"},
    };
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++)
        CHECK(clade_names_alike(alike[i][0], alike[i][1]) &&
              clade_names_alike(alike[i][1], alike[i][0]));
    for (size_t i = 0; i < sizeof apart / sizeof *apart; i++)
        CHECK(!clade_names_alike(apart[i][0], apart[i][1]) &&
              !clade_names_alike(apart[i][1], apart[i][0]));
    CHECK(clade_names_alike("", "") && !clade_names_alike("", "a"));
    return TEST_END();
}
