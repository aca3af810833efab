/* Writes the corpus of the targets "image" and "dataset" into the folder given: images of every
 * kind and archives of every layout, all very small. */
#include "../data/make.h"

#include <turbojpeg.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { H = 9, W = 11 };

static const char *target;

static void keep(const char *kind, const char *name, blob b)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s/%s", target, kind, name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(b.data, 1, b.size, file) != b.size || fclose(file)) {
        perror(path);
        exit(1);
    }
    free(b.data);
}

static void make_images(void)
{
    uint8_t *rgb = make_rgb(H, W, 1);
    keep("image", "baseline", make_jpeg(rgb, H, W, JPEG_COLOUR, TJSAMP_420, 50, 0));
    keep("image", "progressive", make_jpeg(rgb, H, W, JPEG_COLOUR, TJSAMP_444, 50, 1));
    keep("image", "grey", make_jpeg(rgb, H, W, JPEG_GREY, TJSAMP_GRAY, 50, 0));
    keep("image", "cmyk", make_jpeg(rgb, H, W, JPEG_CMYK, TJSAMP_444, 50, 0));
    keep("image", "turned",
         with_orientation(make_jpeg(rgb, H, W, JPEG_COLOUR, TJSAMP_422, 50, 0), 6, 0));
    keep("image", "turned_little",
         with_orientation(make_jpeg(rgb, H, W, JPEG_GREY, TJSAMP_GRAY, 50, 0), 7, 1));
    static const struct {
        const char *name;
        int type, depth, interlaced;
    } kinds[] = {{"png_rgb", 2, 8, 0},
                 {"png_rgba16", 6, 16, 0},
                 {"png_palette", 3, 4, 1},
                 {"png_bits", 0, 1, 0},
                 {"png_grey_alpha", 4, 8, 1}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        keep("image", kinds[i].name,
             make_png(rgb, H, W, kinds[i].type, kinds[i].depth, kinds[i].interlaced));
    free(rgb);
}

/* A file of one name twice, and with the flags of a password. */
static void put_twice(void)
{
    blob cat = read_blob(path_of("plain/cats/0.jpg")), dog = read_blob(path_of("plain/dogs/0.jpg"));
    const packed_file files[] = {{"a/0.jpg", cat}, {"b/0.jpg", dog}, {"a/0.jpg", dog}};
    keep("dataset", "twice_tar", read_blob(pack_files("9", "tar", files, 3)));
    blob zip = read_blob(pack_files("10", "zip", files, 3));
    for (size_t i = 0; i + 10 < zip.size; i++) {
        if (!memcmp(zip.data + i, "PK\3\4", 4)) zip.data[i + 6] |= 1;
        if (!memcmp(zip.data + i, "PK\1\2", 4)) zip.data[i + 8] |= 1;
    }
    keep("dataset", "encrypted_zip", zip);
    free(cat.data);
    free(dog.data);
}

static void make_archives(void)
{
    make_folder();
    put_jpeg("plain/cats/0.jpg", H, W, 0);
    put_jpeg("plain/dogs/0.jpg", H, W, 1);
    put_jpeg("splits/train/a/0.jpg", H, W, 0);
    put_jpeg("splits/train/b/0.jpg", H, W, 1);
    put_jpeg("splits/val/a/0.jpg", H, W, 2);
    put_jpeg("splits/val/b/0.jpg", H, W, 3);
    put_file("splits/notes.txt", "x", 1);
    uint8_t batch[2 * 3073] = {0};
    batch[3073] = 1;
    for (int i = 1; i <= 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "cifar/data_batch_%d.bin", i);
        put_file(name, batch, sizeof batch);
    }
    put_file("cifar/test_batch.bin", batch, sizeof batch);
    put_file("cifar/batches.meta.txt", "a\nb\n", 4);
    put_file("mnist/train-images-idx3-ubyte", "\0\0\10\3\0\0\0\2\0\0\0\1\0\0\0\2abcd", 20);
    put_file("mnist/train-labels-idx1-ubyte", "\0\0\10\1\0\0\0\2\0\1", 10);
    keep("dataset", "plain_zip", read_blob(pack("plain", "1", "zip", "wrap/")));
    keep("dataset", "splits_tar_gz", read_blob(pack("splits", "2", "tar.gz", "")));
    keep("dataset", "cifar_tar_xz", read_blob(pack("cifar", "3", "tar.xz", "")));
    keep("dataset", "mnist_zip", read_blob(pack("mnist", "4", "zip", "")));
    keep("dataset", "outside_zip", read_blob(pack("plain", "5", "zip", "../../")));
    remove(path_of("cifar/data_batch_3.bin"));
    keep("dataset", "cifar_short_tar_xz", read_blob(pack("cifar", "6", "tar.xz", "")));
    put_file("mnist/train-labels-idx1-ubyte", "\0\0\10\1\0\0\0\2\0\1\1", 11);
    keep("dataset", "mnist_long_zip", read_blob(pack("mnist", "7", "zip", "")));
    remove(path_of("mnist/train-labels-idx1-ubyte"));
    put_file("mnist/train-labels-idx1-ubyte.gz",
             "\037\213\010\000\000\000\000\000\002\377\143\140\340\140\144\140\140\140\142\140\004"
             "\000\217\234\233\342\012\000\000\000",
             30);
    keep("dataset", "mnist_gz_zip", read_blob(pack("mnist", "8", "zip", "")));
    put_twice();
    drop_folder();
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER (with image/ and dataset/ in it)\n", argv[0]);
        return 1;
    }
    target = argv[1];
    make_images();
    make_archives();
    return 0;
}
