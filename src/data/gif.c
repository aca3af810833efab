/* GIF through giflib: the first frame on its canvas, as in PIL's convert('RGB'): transparent pixels
 * have their colour in the palette, and so does the area outside the frame. */
#include "data/image.h"

#include <gif_lib.h>

#include <string.h>

typedef struct gif_reader {
    clade_input *input;
    size_t at;
    clade_status status; /* of the input */
    GifFileType *gif;
    int transparent; /* index; -1: none */
    int32_t height, width;
} gif_reader;

static int read_bytes(GifFileType *gif, GifByteType *out, int n)
{
    gif_reader *r = gif->UserData;
    const uint8_t *bytes;
    size_t got = 0;
    if (n < 0 || r->status) return 0;
    r->status = clade_input_look(r->input, r->at, (size_t)n, &bytes, &got);
    if (r->status) return 0;
    memcpy(out, bytes, got);
    r->at += got;
    return (int)got;
}

static clade_status fail(const gif_reader *r, int error)
{
    if (r->status) return r->status;
    if (error == D_GIF_ERR_NOT_ENOUGH_MEM)
        return clade_fail(CLADE_ENOMEM, "out of memory for a GIF decoder");
    if (error == D_GIF_ERR_READ_FAILED)
        return clade_fail(CLADE_EFORMAT, "GIF: the file ends too early");
    const char *text = GifErrorString(error);
    return clade_fail(CLADE_EFORMAT, "GIF: %s", text ? text : "damaged");
}

/* Reads a block between images, which may set the transparent colour of the next one. */
static int read_extension(gif_reader *r)
{
    int code;
    GifByteType *block;
    GraphicsControlBlock control;
    int good = DGifGetExtension(r->gif, &code, &block);
    if (good != GIF_ERROR && code == GRAPHICS_EXT_FUNC_CODE && block &&
        DGifExtensionToGCB(block[0], block + 1, &control) != GIF_ERROR)
        r->transparent = control.TransparentColor;
    while (good != GIF_ERROR && block) good = DGifGetExtensionNext(r->gif, &block);
    return good;
}

/* Opens the file and seeks to the pixels of its first image. */
static clade_status open_frame(gif_reader *r)
{
    int error = 0;
    r->transparent = NO_TRANSPARENT_COLOR;
    r->gif = DGifOpen(r, read_bytes, &error);
    if (!r->gif) return fail(r, error);
    GifRecordType type = UNDEFINED_RECORD_TYPE;
    while (type != IMAGE_DESC_RECORD_TYPE) {
        int good = DGifGetRecordType(r->gif, &type);
        if (good != GIF_ERROR && type == TERMINATE_RECORD_TYPE)
            return clade_fail(CLADE_EFORMAT, "GIF: holds no image");
        if (good != GIF_ERROR && type == EXTENSION_RECORD_TYPE) good = read_extension(r);
        if (good != GIF_ERROR && type == IMAGE_DESC_RECORD_TYPE) good = DGifGetImageDesc(r->gif);
        if (good == GIF_ERROR) return fail(r, r->gif->Error);
    }
    /* 16 bits each; a frame beyond the canvas makes it larger */
    const GifImageDesc *frame = &r->gif->Image;
    const int right = frame->Left + frame->Width, bottom = frame->Top + frame->Height;
    r->width = right > r->gif->SWidth ? right : r->gif->SWidth;
    r->height = bottom > r->gif->SHeight ? bottom : r->gif->SHeight;
    if (frame->Width < 1 || frame->Height < 1)
        return clade_fail(CLADE_EFORMAT, "GIF: a frame of %d×%d pixels", frame->Width,
                          frame->Height);
    clade_status status =
        clade_check_size((uint32_t)r->width, (uint32_t)r->height, clade_image_pixels);
    if (status || !frame->Interlace ||
        (int64_t)frame->Width * frame->Height <= clade_decoding_bytes)
        return status;
    return clade_fail(CLADE_EFORMAT,
                      "GIF: %d×%d pixels interlaced take more than %d MB at once: save it without",
                      frame->Width, frame->Height, clade_decoding_bytes >> 20);
}

static void close_frame(gif_reader *r)
{
    int error;
    if (r->gif) DGifCloseFile(r->gif, &error);
}

clade_status clade_gif_header(clade_input *input, clade_header *out)
{
    gif_reader r = {.input = input};
    clade_status status = open_frame(&r);
    *out = (clade_header){.height = r.height,
                          .width = r.width,
                          .channels = 3,
                          .orientation = 1,
                          .kind = CLADE_IMAGE_GIF,
                          .words = "GIF"};
    close_frame(&r);
    return status;
}

/* Fills in colours by index; those in no palette are grey. */
static void fill_palette(const GifFileType *gif, uint8_t palette[256][3])
{
    const ColorMapObject *map = gif->Image.ColorMap ? gif->Image.ColorMap : gif->SColorMap;
    for (int i = 0; i < 256; i++) memset(palette[i], i, 3);
    for (int i = 0; map && i < map->ColorCount && i < 256; i++) {
        palette[i][0] = map->Colors[i].Red;
        palette[i][1] = map->Colors[i].Green;
        palette[i][2] = map->Colors[i].Blue;
    }
}

/* Reads the frame's rows as indices: all of an interlaced frame, else one at a time. */
static clade_status read_interlaced(gif_reader *r, uint8_t *pixels)
{
    static const int first[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2}; /* GIF89a, appendix E */
    const int width = r->gif->Image.Width, height = r->gif->Image.Height;
    for (int pass = 0; pass < 4; pass++)
        for (int y = first[pass]; y < height; y += step[pass])
            if (DGifGetLine(r->gif, pixels + (size_t)y * (size_t)width, width) == GIF_ERROR)
                return fail(r, r->gif->Error);
    return CLADE_OK;
}

static clade_status read_rows(gif_reader *r, clade_decoder *decoder, clade_rows *rows)
{
    const GifImageDesc *frame = &r->gif->Image;
    const int width = frame->Width;
    uint8_t palette[256][3];
    fill_palette(r->gif, palette);
    const uint8_t *around = palette[r->transparent < 0 ? 0 : r->transparent];
    size_t rows_kept = frame->Interlace ? (size_t)frame->Height : 1;
    clade_status status = clade_bytes_reserve(&decoder->band, rows_kept * (size_t)width);
    if (!status && frame->Interlace) status = read_interlaced(r, decoder->band.data);
    while (!status && rows->y < r->height) {
        const int y = rows->y - frame->Top;
        const bool inside = y >= 0 && y < frame->Height;
        uint8_t *pixels = decoder->band.data, *out = clade_rows_next(rows);
        if (inside && frame->Interlace)
            pixels += (size_t)y * (size_t)width;
        else if (inside && DGifGetLine(r->gif, pixels, width) == GIF_ERROR)
            return fail(r, r->gif->Error);
        for (int x = 0; x < r->width; x++, out += 3) {
            const int at = x - frame->Left;
            memcpy(out, inside && at >= 0 && at < width ? palette[pixels[at]] : around, 3);
        }
        clade_rows_push(rows);
    }
    return status;
}

clade_status clade_gif_decode(clade_decoder *decoder, clade_input *input,
                              const clade_target *target, clade_sink *sink)
{
    gif_reader r = {.input = input};
    clade_rows rows;
    clade_status status = open_frame(&r);
    if (!status)
        status = clade_rows_begin(&rows, decoder, (clade_layout){r.height, r.width, 3, 1},
                                  target->channels, sink);
    if (!status) status = read_rows(&r, decoder, &rows);
    close_frame(&r);
    return status;
}
