/* Published weights: each backbone has some, each entry belongs to a backbone, checksums and names
 * of files are read from addresses. */
#include <clade/backbone.h>
#include <clade/pretrained.h>

#include "../test.h"

#include <stdbool.h>

static bool is_backbone(const char *name)
{
    for (const char *const *known = clade_backbone_names(); *known; known++)
        if (!strcmp(*known, name)) return true;
    return false;
}

static void check_table(void)
{
    for (const char *const *name = clade_backbone_names(); *name; name++) {
        size_t found = 0;
        for (size_t i = 0; i < clade_pretrained_count(); i++)
            found += !strcmp(clade_pretrained_at(i).backbone, *name);
        if (!found) printf("%s\n", *name);
        CHECK(found > 0);
    }
    for (size_t i = 0; i < clade_pretrained_count(); i++) {
        const clade_pretrained p = clade_pretrained_at(i);
        CHECK(is_backbone(p.backbone));
        CHECK(p.variant && p.source && p.url && p.page && p.licence && p.preprocessing);
        CHECK(!strncmp(p.url, "https://", 8) && p.file[0]);
        CHECK(strcmp(p.source, "torchvision") || strlen(p.sha256) == 8);
        CHECK(!p.md5 || strlen(p.md5) == 32);
        CHECK((p.accuracy > 0) == (p.gflops > 0)); /* `train` chooses by both */
        for (size_t k = 0; k < i; k++) {
            const clade_pretrained q = clade_pretrained_at(k);
            CHECK(strcmp(p.backbone, q.backbone) || strcmp(p.variant, q.variant));
            CHECK(strcmp(p.file, q.file));
        }
    }
}

static void check_address(const char *url, const char *file, const char *sha256)
{
    clade_pretrained p = clade_pretrained_at(0);
    CHECK_OK(clade_pretrained_move(&p, url));
    CHECK(!strcmp(p.file, file) && !strcmp(p.sha256, sha256) && !p.md5 && p.mib == 0);
}

static void check_addresses(void)
{
    static const char *const wrong[] = {"",
                                        "net.pth",
                                        "file:///etc/passwd",
                                        "http://",
                                        "http://host/",
                                        "http://host/..",
                                        "http://host/a b.pth",
                                        "-o/etc/passwd"};
    check_address("http://host/a/net-0123abcd.pth", "net-0123abcd.pth", "0123abcd");
    check_address("https://host/net-0123abcd.pth?raw=1", "net-0123abcd.pth", "0123abcd");
    check_address("http://host/net-0123abc.pth", "net-0123abc.pth", "");
    check_address("http://host/my-net.pth", "my-net.pth", "");
    check_address("https://huggingface.co/timm/resnet18.a1_in1k/resolve/main/model.safetensors",
                  "resnet18.a1_in1k.safetensors", "");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        clade_pretrained p = clade_pretrained_at(0);
        CHECK_FAILS(clade_pretrained_move(&p, wrong[i]), CLADE_EINVAL, "expected the address");
    }
}

int main(void)
{
    check_table();
    check_addresses();
    return TEST_END();
}
